-- +goose Up

-- What a channel's owner set it to: no row is the defaults. platforms and builds are
-- lists with spaces between, and empty for all. No row is removed, ever: that one is
-- gone would open what it closed.
CREATE TABLE channel_rules (
  app         TEXT COLLATE "C" NOT NULL,
  channel     TEXT COLLATE "C" NOT NULL,
  archived    BIGINT NOT NULL,
  is_default  BIGINT NOT NULL,
  private     BIGINT NOT NULL,
  platforms   TEXT COLLATE "C" NOT NULL,
  runtime     TEXT COLLATE "C" NOT NULL,
  builds      TEXT COLLATE "C" NOT NULL,
  emulators   BIGINT NOT NULL,
  self_assign BIGINT NOT NULL,
  changed     BIGINT NOT NULL,
  mac         BYTEA NOT NULL,
  PRIMARY KEY (app, channel),
  FOREIGN KEY (app, channel) REFERENCES channels (app, name)
);

-- On which channel the vault put a device: none for an empty one. sequence only
-- grows, so no row is removed. until is 0 for no end, and ends is when the document
-- that says so to the device does.
CREATE TABLE device_assignments (
  app      TEXT COLLATE "C" NOT NULL,
  device   TEXT COLLATE "C" NOT NULL,
  channel  TEXT COLLATE "C" NOT NULL,
  sequence BIGINT NOT NULL CHECK (sequence < 9223372036854775807),
  until    BIGINT NOT NULL,
  ends     BIGINT NOT NULL,
  changed  BIGINT NOT NULL,
  mac      BYTEA NOT NULL,
  PRIMARY KEY (app, device),
  FOREIGN KEY (app, device) REFERENCES devices (app, id)
);

CREATE INDEX device_assignments_ends ON device_assignments (ends, app, device) WHERE channel <> '';
CREATE INDEX device_assignments_channel ON device_assignments (app, channel) WHERE channel <> '';
