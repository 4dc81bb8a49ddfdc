-- +goose Up

-- A draft keeps what its publisher signed while it waits for what is missing,
-- and bears a MAC under the vault's root key. Those of before have none, and are
-- to be published again.
ALTER TABLE drafts ADD COLUMN submitted INTEGER NOT NULL DEFAULT -62135596800000000;
ALTER TABLE drafts ADD COLUMN mac BLOB NOT NULL DEFAULT x'';
ALTER TABLE drafts ADD COLUMN csr BLOB NOT NULL DEFAULT x'';
ALTER TABLE drafts ADD COLUMN envelope BLOB NOT NULL DEFAULT x'';

CREATE INDEX drafts_submitted ON drafts (state, submitted);
