-- +goose Up

-- The labels of a device: sorted, with spaces between. No row is removed: a device
-- without labels has an empty one, or never had any.
CREATE TABLE device_labels (
  app     TEXT COLLATE "C" NOT NULL,
  device  TEXT COLLATE "C" NOT NULL,
  labels  TEXT COLLATE "C" NOT NULL,
  changed BIGINT NOT NULL,
  mac     BYTEA NOT NULL,
  PRIMARY KEY (app, device),
  FOREIGN KEY (app, device) REFERENCES devices (app, id)
);

-- On which channel a label puts devices that carry it: none any more for an empty
-- one. settled is 1 once all of them are where it puts them.
CREATE TABLE channel_labels (
  app      TEXT COLLATE "C" NOT NULL,
  label    TEXT COLLATE "C" NOT NULL,
  channel  TEXT COLLATE "C" NOT NULL,
  priority BIGINT NOT NULL,
  settled  BIGINT NOT NULL,
  changed  BIGINT NOT NULL,
  mac      BYTEA NOT NULL,
  PRIMARY KEY (app, label),
  FOREIGN KEY (app) REFERENCES apps (id)
);
