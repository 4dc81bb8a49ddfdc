-- +goose Up

-- Whoever may act bears a MAC under the vault's root key. Rows of before have
-- none, and are refused.
ALTER TABLE tokens ADD COLUMN app TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN label TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN creator TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN mac BLOB NOT NULL DEFAULT x'';
ALTER TABLE apps ADD COLUMN mac BLOB NOT NULL DEFAULT x'';
ALTER TABLE devices ADD COLUMN mac BLOB NOT NULL DEFAULT x'';
