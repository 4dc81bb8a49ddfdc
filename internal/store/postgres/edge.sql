-- What an edge may read: what is published, and so no secret. Run by the schema's
-- owner whenever the store is opened, if there is such a role. Two that grant at
-- once would be in each other's way, so one waits.
DO $$ DECLARE published text; BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'sealift_edge') THEN
    PERFORM pg_advisory_xact_lock((24228::bigint << 32) | (SELECT oid::bigint FROM pg_namespace WHERE nspname = current_schema()));
    IF NOT has_schema_privilege('sealift_edge', current_schema(), 'USAGE') THEN
      EXECUTE format('GRANT USAGE ON SCHEMA %I TO sealift_edge', current_schema());
    END IF;
    FOREACH published IN ARRAY ARRAY['apps', 'channels', 'releases', 'blobs', 'metadata', 'documents', 'checkpoints', 'audit_hashes', 'capgo_bundles'] LOOP
      IF NOT has_table_privilege('sealift_edge', published, 'SELECT') THEN
        EXECUTE format('GRANT SELECT ON %I TO sealift_edge', published);
      END IF;
    END LOOP;
  END IF;
END $$
