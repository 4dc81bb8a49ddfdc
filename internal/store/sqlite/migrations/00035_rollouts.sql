-- +goose Up

-- How releases reach the devices of their channel and platform. Offers are made of
-- these rows.
CREATE TABLE rollouts (
  app      TEXT NOT NULL,
  counter  INTEGER NOT NULL CHECK (counter < 9223372036854775807),
  channel  TEXT NOT NULL,
  platform TEXT NOT NULL,
  runtime  TEXT NOT NULL,
  version  TEXT NOT NULL,
  release  BLOB NOT NULL CHECK (length(release) = 32),
  plan     BLOB NOT NULL,
  salt     TEXT NOT NULL,
  urgent   INTEGER NOT NULL,
  phase    TEXT NOT NULL,
  stage    INTEGER NOT NULL,
  since    INTEGER NOT NULL,
  spent    INTEGER NOT NULL,
  cleared  INTEGER NOT NULL,
  share    INTEGER NOT NULL,
  creator  TEXT NOT NULL,
  created  INTEGER NOT NULL,
  changed  INTEGER NOT NULL,
  mac      BLOB NOT NULL,
  PRIMARY KEY (app, counter),
  FOREIGN KEY (app, channel) REFERENCES channels (app, name)
) STRICT;

CREATE INDEX rollouts_open ON rollouts (app, counter) WHERE phase IN ('running', 'waiting');
