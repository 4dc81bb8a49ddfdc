-- +goose Up

-- Where the log says how a roll-out came to be as it is: the index of that entry,
-- which names the row. It is under the row's MAC; 0 in rows of before.
ALTER TABLE rollouts ADD COLUMN entry INTEGER NOT NULL DEFAULT 0;

-- What the rules of channels look at, as the device reported it last, out of state.
ALTER TABLE device_reports ADD COLUMN runtime TEXT NOT NULL DEFAULT '';
ALTER TABLE device_reports ADD COLUMN build TEXT NOT NULL DEFAULT '';
ALTER TABLE device_reports ADD COLUMN emulator INTEGER NOT NULL DEFAULT 0;

-- How a bundle came to a device: 'whole', or the SHA-256 of the patch in hex; '' for
-- what is not known. And that of the patch which a step speaks of.
ALTER TABLE device_outcomes ADD COLUMN via TEXT NOT NULL DEFAULT '';
ALTER TABLE device_steps ADD COLUMN patch TEXT NOT NULL DEFAULT '';
