-- +goose Up

-- How releases reach the devices of their channel and platform. Offers are made of
-- these rows.
CREATE TABLE rollouts (
  app      TEXT COLLATE "C" NOT NULL,
  counter  BIGINT NOT NULL CHECK (counter < 9223372036854775807),
  channel  TEXT COLLATE "C" NOT NULL,
  platform TEXT COLLATE "C" NOT NULL,
  runtime  TEXT COLLATE "C" NOT NULL,
  version  TEXT COLLATE "C" NOT NULL,
  release  BYTEA NOT NULL CHECK (length(release) = 32),
  plan     BYTEA NOT NULL,
  salt     TEXT COLLATE "C" NOT NULL,
  urgent   BIGINT NOT NULL,
  phase    TEXT COLLATE "C" NOT NULL,
  stage    BIGINT NOT NULL,
  since    BIGINT NOT NULL,
  spent    BIGINT NOT NULL,
  cleared  BIGINT NOT NULL,
  share    BIGINT NOT NULL,
  creator  TEXT COLLATE "C" NOT NULL,
  created  BIGINT NOT NULL,
  changed  BIGINT NOT NULL,
  mac      BYTEA NOT NULL,
  PRIMARY KEY (app, counter),
  FOREIGN KEY (app, channel) REFERENCES channels (app, name)
);

CREATE INDEX rollouts_open ON rollouts (app, counter) WHERE phase IN ('running', 'waiting');
