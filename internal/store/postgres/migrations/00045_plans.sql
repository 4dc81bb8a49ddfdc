-- +goose Up

-- With which plan the releases of a channel begin: no row, or an empty plan, is none.
-- No row is removed, ever: that one is gone would give the next release to everybody.
CREATE TABLE channel_plans (
  app     TEXT COLLATE "C" NOT NULL,
  channel TEXT COLLATE "C" NOT NULL,
  plan    BYTEA  NOT NULL,
  creator TEXT COLLATE "C" NOT NULL,
  changed BIGINT NOT NULL,
  mac     BYTEA  NOT NULL,
  PRIMARY KEY (app, channel),
  FOREIGN KEY (app, channel) REFERENCES channels (app, name)
);

-- With which plan the roll-out of a draft begins, and whether it is held until
-- somebody starts it. Both are under the row's MAC.
ALTER TABLE drafts ADD COLUMN plan BYTEA NOT NULL DEFAULT '';
ALTER TABLE drafts ADD COLUMN hold BIGINT NOT NULL DEFAULT 0;
