-- Run once in a new database, as a superuser of it:
--
--   createdb --encoding=UTF8 --template=template0 sealift
--   sealift help postgres | psql --set=ON_ERROR_STOP=1 sealift
--
-- Then give the roles their passwords with \password, or let pg_hba.conf say how
-- they sign in.

-- The vault's server connects as sealift_vault, which owns the tables.
CREATE ROLE sealift_vault LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
CREATE SCHEMA sealift AUTHORIZATION sealift_vault;
ALTER ROLE sealift_vault SET search_path = sealift;

-- An edge connects as sealift_edge. sealift_vault grants it to read what is
-- published when it makes the tables. All else is not for it.
CREATE ROLE sealift_edge LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
ALTER ROLE sealift_edge SET search_path = sealift;
GRANT USAGE ON SCHEMA sealift TO sealift_edge;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
