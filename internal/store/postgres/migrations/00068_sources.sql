-- +goose Up

-- Of which release the vault made a draft; empty for a publisher's. It is under the
-- row's MAC.
ALTER TABLE drafts ADD COLUMN source BYTEA NOT NULL DEFAULT '';
