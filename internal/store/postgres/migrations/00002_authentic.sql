-- +goose Up

-- Whoever may act bears a MAC under the vault's root key. Rows of before have
-- none, and are refused.
ALTER TABLE tokens ADD COLUMN app TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN label TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN creator TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN mac BYTEA NOT NULL DEFAULT '';
ALTER TABLE apps ADD COLUMN mac BYTEA NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN mac BYTEA NOT NULL DEFAULT '';
