-- +goose Up

-- What a channel's owner set it to: no row is the defaults. platforms and builds are
-- lists with spaces between, and empty for all. No row is removed, ever: that one is
-- gone would open what it closed.
CREATE TABLE channel_rules (
  app         TEXT    NOT NULL,
  channel     TEXT    NOT NULL,
  archived    INTEGER NOT NULL,
  is_default  INTEGER NOT NULL,
  private     INTEGER NOT NULL,
  platforms   TEXT    NOT NULL,
  runtime     TEXT    NOT NULL,
  builds      TEXT    NOT NULL,
  emulators   INTEGER NOT NULL,
  self_assign INTEGER NOT NULL,
  changed     INTEGER NOT NULL,
  mac         BLOB    NOT NULL,
  PRIMARY KEY (app, channel),
  FOREIGN KEY (app, channel) REFERENCES channels (app, name)
) STRICT;

-- On which channel the vault put a device: none for an empty one. sequence only
-- grows, so no row is removed. until is 0 for no end, and ends is when the document
-- that says so to the device does.
CREATE TABLE device_assignments (
  app      TEXT    NOT NULL,
  device   TEXT    NOT NULL,
  channel  TEXT    NOT NULL,
  sequence INTEGER NOT NULL CHECK (sequence < 9223372036854775807),
  until    INTEGER NOT NULL,
  ends     INTEGER NOT NULL,
  changed  INTEGER NOT NULL,
  mac      BLOB    NOT NULL,
  PRIMARY KEY (app, device),
  FOREIGN KEY (app, device) REFERENCES devices (app, id)
) STRICT;

CREATE INDEX device_assignments_ends ON device_assignments (ends, app, device) WHERE channel <> '';
CREATE INDEX device_assignments_channel ON device_assignments (app, channel) WHERE channel <> '';
