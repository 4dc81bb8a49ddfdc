-- +goose Up

-- A policy may be about one channel of an app: '' is for all of them, and leaves the
-- MAC of a row as it was.
ALTER TABLE policies ADD COLUMN channel TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE policies ALTER COLUMN channel DROP DEFAULT;
ALTER TABLE policies DROP CONSTRAINT policies_pkey;
ALTER TABLE policies ADD PRIMARY KEY (app, channel, action);
