-- +goose Up

-- A draft keeps what its publisher signed while it waits for what is missing,
-- and bears a MAC under the vault's root key. Those of before have none, and are
-- to be published again.
ALTER TABLE drafts ADD COLUMN submitted BIGINT NOT NULL DEFAULT -62135596800000000;
ALTER TABLE drafts ADD COLUMN mac BYTEA NOT NULL DEFAULT '';
ALTER TABLE drafts ADD COLUMN csr BYTEA NOT NULL DEFAULT '';
ALTER TABLE drafts ADD COLUMN envelope BYTEA NOT NULL DEFAULT '';

CREATE INDEX drafts_submitted ON drafts (state, submitted);
