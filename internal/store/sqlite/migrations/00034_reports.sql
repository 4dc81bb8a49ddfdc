-- +goose Up

-- How each device said it was when it reported last, whole in state and again in
-- columns that are asked for: claims, which give nobody a right, and so bear no MAC.
CREATE TABLE device_reports (
  app       TEXT    NOT NULL,
  device    TEXT    NOT NULL,
  seen      INTEGER NOT NULL,
  reported  INTEGER NOT NULL,
  through   INTEGER NOT NULL CHECK (through < 9223372036854775807),
  lost      INTEGER NOT NULL CHECK (lost < 9223372036854775807),
  root      INTEGER NOT NULL,
  targets   INTEGER NOT NULL,
  channel   TEXT    NOT NULL,
  version   TEXT    NOT NULL,
  counter   INTEGER NOT NULL CHECK (counter < 9223372036854775807),
  state     BLOB    NOT NULL,
  PRIMARY KEY (app, device),
  FOREIGN KEY (app, device) REFERENCES devices (app, id)
) STRICT;

-- What they say they did, each step once.
CREATE TABLE device_steps (
  app      TEXT    NOT NULL,
  device   TEXT    NOT NULL,
  sequence INTEGER NOT NULL CHECK (sequence < 9223372036854775807),
  received INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  step     TEXT    NOT NULL,
  release  BLOB    NOT NULL CHECK (length(release) = 32),
  version  TEXT    NOT NULL,
  counter  INTEGER NOT NULL CHECK (counter < 9223372036854775807),
  channel  TEXT    NOT NULL,
  kind     TEXT    NOT NULL,
  reason   TEXT    NOT NULL,
  took     INTEGER NOT NULL,
  PRIMARY KEY (app, device, sequence),
  FOREIGN KEY (app, device) REFERENCES devices (app, id)
) STRICT;

-- In which time, in seconds, a device must have been seen to be asked whether a
-- key may be retired before its date; 0 for a key that only its date retires. It is
-- under the row's MAC.
ALTER TABLE vault_keys ADD COLUMN fleet_window INTEGER NOT NULL DEFAULT 0;
