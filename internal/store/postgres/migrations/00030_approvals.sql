-- +goose Up

-- How many people must stand behind what, who asked them, and what they said.
CREATE TABLE policies (
  app     TEXT COLLATE "C" NOT NULL,
  action  TEXT COLLATE "C" NOT NULL,
  version BIGINT NOT NULL CHECK (version < 9223372036854775807),
  needed  BIGINT NOT NULL,
  roles   TEXT COLLATE "C" NOT NULL,
  creator TEXT COLLATE "C" NOT NULL,
  created BIGINT NOT NULL,
  mac     BYTEA NOT NULL,
  PRIMARY KEY (app, action)
);

CREATE TABLE approval_requests (
  id             TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  action         TEXT COLLATE "C" NOT NULL,
  app            TEXT COLLATE "C" NOT NULL,
  subject        TEXT COLLATE "C" NOT NULL,
  requester      TEXT COLLATE "C" NOT NULL,
  person         TEXT COLLATE "C" NOT NULL,
  policy_version BIGINT NOT NULL,
  key_version    BIGINT NOT NULL,
  needed         BIGINT NOT NULL,
  state          TEXT COLLATE "C" NOT NULL,
  outcome        TEXT COLLATE "C" NOT NULL,
  nonce          TEXT COLLATE "C" NOT NULL,
  created        BIGINT NOT NULL,
  expires        BIGINT NOT NULL,
  changed        BIGINT NOT NULL,
  payload        BYTEA NOT NULL CHECK (length(payload) = 32),
  parameters     BYTEA NOT NULL,
  mac            BYTEA NOT NULL
);
CREATE INDEX approval_requests_state ON approval_requests (state, created);
CREATE INDEX approval_requests_subject ON approval_requests (action, subject);

CREATE TABLE approvals (
  request    TEXT COLLATE "C" NOT NULL REFERENCES approval_requests (id),
  person     TEXT COLLATE "C" NOT NULL REFERENCES persons (id),
  credential TEXT COLLATE "C" NOT NULL,
  created    BIGINT NOT NULL,
  evidence   BYTEA NOT NULL,
  mac        BYTEA NOT NULL,
  PRIMARY KEY (request, person)
);
