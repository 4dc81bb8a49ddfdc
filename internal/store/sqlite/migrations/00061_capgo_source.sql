-- +goose Up

-- The release whose bundle a draft that the vault makes carries on, as it is; 32 zero
-- bytes where it is to be encoded.
ALTER TABLE capgo_drafts ADD COLUMN source BLOB NOT NULL DEFAULT x'';
