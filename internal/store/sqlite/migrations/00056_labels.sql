-- +goose Up

-- The labels of a device: sorted, with spaces between. No row is removed: a device
-- without labels has an empty one, or never had any.
CREATE TABLE device_labels (
  app     TEXT NOT NULL,
  device  TEXT NOT NULL,
  labels  TEXT NOT NULL,
  changed INTEGER NOT NULL,
  mac     BLOB NOT NULL,
  PRIMARY KEY (app, device),
  FOREIGN KEY (app, device) REFERENCES devices (app, id)
) STRICT;

-- On which channel a label puts devices that carry it: none any more for an empty
-- one. settled is 1 once all of them are where it puts them.
CREATE TABLE channel_labels (
  app      TEXT NOT NULL,
  label    TEXT NOT NULL,
  channel  TEXT NOT NULL,
  priority INTEGER NOT NULL,
  settled  INTEGER NOT NULL,
  changed  INTEGER NOT NULL,
  mac      BLOB NOT NULL,
  PRIMARY KEY (app, label),
  FOREIGN KEY (app) REFERENCES apps (id)
) STRICT;
