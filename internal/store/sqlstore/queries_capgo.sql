-- name: PutCapgoBundle :execrows
INSERT INTO capgo_bundles (app, release, document, created, mac)
VALUES (@app, @release, @document, @created, @mac)
ON CONFLICT (app, release) DO UPDATE SET document = excluded.document, created = excluded.created, mac = excluded.mac;

-- name: CapgoBundle :one
SELECT * FROM capgo_bundles WHERE app = @app AND release = @release;

-- name: PutCapgoDraft :execrows
INSERT INTO capgo_drafts (draft, document, source, created, mac)
VALUES (@draft, @document, @source, @created, @mac)
ON CONFLICT (draft) DO UPDATE SET document = excluded.document, source = excluded.source, created = excluded.created, mac = excluded.mac;

-- name: CapgoDraft :one
SELECT * FROM capgo_drafts WHERE draft = @draft;

-- name: DeleteCapgoDraft :execrows
DELETE FROM capgo_drafts WHERE draft = @draft;
