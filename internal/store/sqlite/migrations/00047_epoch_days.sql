-- +goose Up

-- How old a channel's epoch may become before the next one begins, in days; 0 for as
-- old as its key may.
ALTER TABLE channel_rules ADD COLUMN epoch_days INTEGER NOT NULL DEFAULT 0;
