-- +goose Up

-- That a release is withdrawn is the phase of its roll-out, under the vault's MAC.
-- Here anybody could have written it.
ALTER TABLE releases DROP COLUMN withdrawn;
