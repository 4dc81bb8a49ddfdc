-- +goose Up

-- How many people must stand behind what, who asked them, and what they said.
CREATE TABLE policies (
  app     TEXT    NOT NULL,
  action  TEXT    NOT NULL,
  version INTEGER NOT NULL CHECK (version < 9223372036854775807),
  needed  INTEGER NOT NULL,
  roles   TEXT    NOT NULL,
  creator TEXT    NOT NULL,
  created INTEGER NOT NULL,
  mac     BLOB    NOT NULL,
  PRIMARY KEY (app, action)
) STRICT;

CREATE TABLE approval_requests (
  id             TEXT    NOT NULL PRIMARY KEY,
  action         TEXT    NOT NULL,
  app            TEXT    NOT NULL,
  subject        TEXT    NOT NULL,
  requester      TEXT    NOT NULL,
  person         TEXT    NOT NULL,
  policy_version INTEGER NOT NULL,
  key_version    INTEGER NOT NULL,
  needed         INTEGER NOT NULL,
  state          TEXT    NOT NULL,
  outcome        TEXT    NOT NULL,
  nonce          TEXT    NOT NULL,
  created        INTEGER NOT NULL,
  expires        INTEGER NOT NULL,
  changed        INTEGER NOT NULL,
  payload        BLOB    NOT NULL CHECK (length(payload) = 32),
  parameters     BLOB    NOT NULL,
  mac            BLOB    NOT NULL
) STRICT;
CREATE INDEX approval_requests_state ON approval_requests (state, created);
CREATE INDEX approval_requests_subject ON approval_requests (action, subject);

CREATE TABLE approvals (
  request    TEXT    NOT NULL REFERENCES approval_requests (id),
  person     TEXT    NOT NULL REFERENCES persons (id),
  credential TEXT    NOT NULL,
  created    INTEGER NOT NULL,
  evidence   BLOB    NOT NULL,
  mac        BLOB    NOT NULL,
  PRIMARY KEY (request, person)
) STRICT;
