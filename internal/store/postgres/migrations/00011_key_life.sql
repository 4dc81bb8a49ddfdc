-- +goose Up

-- What a key's row says besides: the app that a service's key is for, whether it
-- came from outside, whether it may leave, and when it is to be destroyed (the
-- zero time for never). All of it is under the row's MAC.
ALTER TABLE vault_keys ADD COLUMN app TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE vault_keys ADD COLUMN imported BIGINT NOT NULL DEFAULT 0;
ALTER TABLE vault_keys ADD COLUMN exportable BIGINT NOT NULL DEFAULT 0;
ALTER TABLE vault_keys ADD COLUMN retire_at BIGINT NOT NULL DEFAULT -62135596800000000;
