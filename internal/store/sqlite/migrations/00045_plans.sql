-- +goose Up

-- With which plan the releases of a channel begin: no row, or an empty plan, is none.
-- No row is removed, ever: that one is gone would give the next release to everybody.
CREATE TABLE channel_plans (
  app     TEXT    NOT NULL,
  channel TEXT    NOT NULL,
  plan    BLOB    NOT NULL,
  creator TEXT    NOT NULL,
  changed INTEGER NOT NULL,
  mac     BLOB    NOT NULL,
  PRIMARY KEY (app, channel),
  FOREIGN KEY (app, channel) REFERENCES channels (app, name)
) STRICT;

-- With which plan the roll-out of a draft begins, and whether it is held until
-- somebody starts it. Both are under the row's MAC.
ALTER TABLE drafts ADD COLUMN plan BLOB NOT NULL DEFAULT x'';
ALTER TABLE drafts ADD COLUMN hold INTEGER NOT NULL DEFAULT 0;
