-- +goose Up

-- Roll-backs are looked for by themselves, to end those whose time is over.
CREATE INDEX releases_rollbacks ON releases (app, counter) WHERE act = 'rollback';
