-- +goose Up

-- Who put a device on its channel: 'person', 'label' or 'device'.
ALTER TABLE device_assignments ADD COLUMN origin TEXT COLLATE "C" NOT NULL DEFAULT 'person';

-- Those of which a document is signed, by when it ends.
DROP INDEX device_assignments_ends;
CREATE INDEX device_assignments_due ON device_assignments (ends, app, device) WHERE ends > 0;
