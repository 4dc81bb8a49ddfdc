-- +goose Up

-- What people set for an app: against how many older releases a new one has patches,
-- how long an archive may be that is patched, in bytes, and how many devices one stage
-- of a roll-out may reach (0: any number). It is under the row's MAC. The defaults are
-- those of the day on which this was written, under which a row of before keeps its MAC.
ALTER TABLE apps ADD COLUMN patches INTEGER NOT NULL DEFAULT 3;
ALTER TABLE apps ADD COLUMN patch_limit INTEGER NOT NULL DEFAULT 67108864;
ALTER TABLE apps ADD COLUMN blast_radius INTEGER NOT NULL DEFAULT 0;
