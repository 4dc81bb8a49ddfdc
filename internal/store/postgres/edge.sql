-- What an edge may read: what is published, and so no secret. Run by the schema's
-- owner after every migration, if there is such a role.
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'sealift_edge') THEN
    GRANT SELECT ON apps, channels, releases, blobs, metadata, documents, checkpoints, audit_hashes TO sealift_edge;
  END IF;
END $$
