-- What store.Tx does, in SQL that SQLite and PostgreSQL both take. An insert of
-- a row that is there already does nothing and says so by its count of rows: an
-- error would end the transaction in PostgreSQL.

-- name: VaultSeal :one
SELECT record FROM vault_seal WHERE id = 1;

-- name: SetVaultSeal :exec
INSERT INTO vault_seal (id, record) VALUES (1, @record)
ON CONFLICT (id) DO UPDATE SET record = excluded.record;

-- name: Secret :one
SELECT wrapped FROM secrets WHERE name = @name;

-- name: InsertSecret :execrows
INSERT INTO secrets (name, wrapped) VALUES (@name, @wrapped)
ON CONFLICT DO NOTHING;

-- name: UpdateSecret :execrows
UPDATE secrets SET wrapped = @wrapped WHERE name = @name AND wrapped = @old;

-- name: Secrets :many
SELECT * FROM secrets WHERE name > @behind ORDER BY name LIMIT CAST(@most AS BIGINT);

-- name: DeleteSecret :exec
DELETE FROM secrets WHERE name = @name;

-- name: InsertKey :execrows
INSERT INTO vault_keys (
  id, version, purpose, algorithm, provider, owner, label, state, created,
  not_before, not_after, changed, kek, mac, data_key, public_key, private_key, certificate,
  app, imported, exportable, retire_at, fleet_window
) VALUES (
  @id, @version, @purpose, @algorithm, @provider, @owner, @label, @state, @created,
  @not_before, @not_after, @changed, @kek, @mac, @data_key, @public_key, @private_key, @certificate,
  @app, @imported, @exportable, @retire_at, @fleet_window
) ON CONFLICT DO NOTHING;

-- name: Key :one
SELECT * FROM vault_keys WHERE id = @id AND version = @version;

-- name: UpdateKey :execrows
UPDATE vault_keys SET
  purpose = @purpose, algorithm = @algorithm, provider = @provider, owner = @owner,
  label = @label, state = @state, created = @created, not_before = @not_before,
  not_after = @not_after, changed = @changed, kek = @kek, mac = @mac, data_key = @data_key,
  public_key = @public_key, private_key = @private_key, certificate = @certificate,
  app = @app, imported = @imported, exportable = @exportable, retire_at = @retire_at,
  fleet_window = @fleet_window
WHERE id = @id AND version = @version AND mac = @old_mac;

-- name: Keys :many
SELECT * FROM vault_keys
WHERE (id = @id OR @id = '')
  AND (purpose = @purpose OR @purpose = '')
  AND (state = @state OR @state = '')
  AND (label = @label OR @label = '')
ORDER BY id, version;

-- name: KeysUnder :many
SELECT * FROM vault_keys
WHERE kek = @kek AND (id > @id OR id = @id AND version > @version)
ORDER BY id, version LIMIT CAST(@most AS BIGINT);

-- name: AuditSize :one
SELECT CAST(COALESCE(MAX(position) + 1, 0) AS BIGINT) AS size FROM audit_entries;

-- name: AuditEntries :many
SELECT * FROM audit_entries WHERE position >= @first ORDER BY position LIMIT CAST(@most AS BIGINT);

-- name: Statement :one
SELECT position FROM rows_statement WHERE id = 1;

-- name: SetStatement :exec
INSERT INTO rows_statement (id, position) VALUES (1, @position)
ON CONFLICT (id) DO UPDATE SET position = excluded.position;

-- name: AuditHash :one
SELECT hash FROM audit_hashes WHERE position = @position;

-- name: InsertCheckpoint :exec
INSERT INTO checkpoints (size, note) VALUES (@size, @note)
ON CONFLICT (size) DO UPDATE SET note = excluded.note;

-- name: LatestCheckpoint :one
SELECT * FROM checkpoints ORDER BY size DESC LIMIT 1;

-- name: DropCheckpoints :execrows
DELETE FROM checkpoints WHERE size < @size;

-- name: Checkpoints :many
SELECT * FROM checkpoints WHERE size >= @least ORDER BY size LIMIT CAST(@most AS BIGINT);

-- name: InsertApp :execrows
INSERT INTO apps (id, device, open_enrolment, created, last_counter, mac, patches, patch_limit, blast_radius)
VALUES (@id, @device, @open_enrolment, @created, 0, @mac, @patches, @patch_limit, @blast_radius)
ON CONFLICT DO NOTHING;

-- name: App :one
SELECT * FROM apps WHERE id = @id;

-- name: Apps :many
SELECT * FROM apps ORDER BY id;

-- name: UpdateApp :execrows
UPDATE apps SET device = @device, open_enrolment = @open_enrolment, created = @created, patches = @patches,
  patch_limit = @patch_limit, blast_radius = @blast_radius, mac = @mac
WHERE id = @id AND mac = @old_mac;

-- name: NextCounter :one
UPDATE apps SET last_counter = last_counter + 1
WHERE id = @id AND last_counter < @last
RETURNING last_counter;

-- name: RaiseCounter :execrows
UPDATE apps SET last_counter = @least WHERE id = @id AND last_counter < @least;

-- name: InsertChannel :execrows
INSERT INTO channels (app, name, created) VALUES (@app, @name, @created)
ON CONFLICT DO NOTHING;

-- name: Channel :one
SELECT * FROM channels WHERE app = @app AND name = @name;

-- name: Channels :many
SELECT * FROM channels WHERE app = @app ORDER BY name;

-- name: InsertEpoch :exec
INSERT INTO epochs (app, channel, number, key_id, key_version, kem, kdf, aead, created, public_key, mac)
VALUES (@app, @channel, @number, @key_id, @key_version, @kem, @kdf, @aead, @created, @public_key, @mac);

-- name: Epoch :one
SELECT * FROM epochs WHERE app = @app AND channel = @channel AND number = @number;

-- name: NewestEpoch :one
SELECT * FROM epochs WHERE app = @app AND channel = @channel ORDER BY number DESC LIMIT 1;

-- name: InsertDraft :execrows
INSERT INTO drafts (id, app, channel, platform, runtime, version, counter, act, state, requester, created, expires, release, submitted, mac, csr, envelope, plan, hold, source)
VALUES (@id, @app, @channel, @platform, @runtime, @version, @counter, @act, @state, @requester, @created, @expires, @release, @submitted, @mac, @csr, @envelope, @plan, @hold, @source)
ON CONFLICT DO NOTHING;

-- name: Draft :one
SELECT * FROM drafts WHERE id = @id;

-- name: UpdateDraft :execrows
UPDATE drafts SET
  app = @app, channel = @channel, platform = @platform, runtime = @runtime, version = @version,
  counter = @counter, act = @act, state = @state, requester = @requester, created = @created,
  expires = @expires, submitted = @submitted, release = @release, mac = @mac, csr = @csr, envelope = @envelope,
  plan = @plan, hold = @hold, source = @source
WHERE id = @id AND state = @old_state;

-- name: OpenDrafts :many
SELECT * FROM drafts
WHERE app = @app AND channel = @channel AND platform = @platform AND runtime = @runtime
  AND version = @version AND state IN ('reserved', 'submitted')
ORDER BY counter;

-- name: SubmittedDrafts :many
SELECT * FROM drafts
WHERE state = 'submitted' AND (app = @app OR @app = '')
ORDER BY submitted, id;

-- name: InsertBlob :exec
INSERT INTO blobs (app, digest, length, created) VALUES (@app, @digest, @length, @created)
ON CONFLICT DO NOTHING;

-- name: Blob :one
SELECT * FROM blobs WHERE app = @app AND digest = @digest;

-- name: InsertRelease :execrows
INSERT INTO releases (
  app, channel, platform, runtime, version, counter, act, digest, payload, signed_at, created, archive,
  archive_size, blob, blob_size, log_index, issuer, serial, proof, file
) VALUES (
  @app, @channel, @platform, @runtime, @version, @counter, @act, @digest, @payload, @signed_at, @created, @archive,
  @archive_size, @blob, @blob_size, @log_index, @issuer, @serial, @proof, @file
) ON CONFLICT DO NOTHING;

-- name: Release :one
SELECT * FROM releases WHERE app = @app AND digest = @digest;

-- name: Releases :many
SELECT * FROM releases
WHERE app = @app
  AND (channel = @channel OR @channel = '')
  AND (platform = @platform OR @platform = '')
  AND (runtime = @runtime OR @runtime = '')
  AND (version = @version OR @version = '')
  AND (counter = @counter OR @counter = 0)
  AND (act = @act OR @act = '')
  AND counter < @before
ORDER BY counter DESC
LIMIT CAST(@most AS BIGINT);

-- name: Metadata :one
SELECT * FROM metadata WHERE role = @role ORDER BY version DESC LIMIT 1;

-- name: MetadataVersion :one
SELECT * FROM metadata WHERE role = @role AND version = @version;

-- name: NewestVersion :one
SELECT version FROM metadata WHERE role = @role ORDER BY version DESC LIMIT 1;

-- name: InsertMetadata :exec
INSERT INTO metadata (role, version, expires, content) VALUES (@role, @version, @expires, @content);

-- name: TrimMetadata :exec
DELETE FROM metadata WHERE role = @role AND version < @version;

-- name: Document :one
SELECT content FROM documents WHERE path = @path;

-- name: SetDocument :exec
INSERT INTO documents (path, content) VALUES (@path, @content)
ON CONFLICT (path) DO UPDATE SET content = excluded.content;

-- name: DeleteDocument :exec
DELETE FROM documents WHERE path = @path;

-- name: AppendOutbox :exec
INSERT INTO outbox (place, content) VALUES (@place, @content);

-- name: Outbox :many
SELECT * FROM outbox ORDER BY seq LIMIT CAST(@most AS BIGINT);

-- name: TrimOutbox :exec
DELETE FROM outbox WHERE seq <= @seq;

-- name: InsertToken :execrows
INSERT INTO tokens (id, kind, role, app, label, creator, hash, created, expires, revoked, mac, actions)
VALUES (@id, @kind, @role, @app, @label, @creator, @hash, @created, @expires, @revoked, @mac, @actions)
ON CONFLICT DO NOTHING;

-- name: Token :one
SELECT * FROM tokens WHERE id = @id;

-- name: Tokens :many
SELECT * FROM tokens ORDER BY created, id;

-- name: UpdateToken :execrows
UPDATE tokens SET kind = @kind, role = @role, app = @app, label = @label, creator = @creator, hash = @hash,
  created = @created, expires = @expires, revoked = @revoked, mac = @mac, actions = @actions
WHERE id = @id AND mac = @old_mac;

-- name: InsertDenial :execrows
INSERT INTO denials (id, kind, app, counter, version, issuer, serial, reason, creator, created, state, changed, mac)
VALUES (@id, @kind, @app, @counter, @version, @issuer, @serial, @reason, @creator, @created, @state, @changed, @mac)
ON CONFLICT DO NOTHING;

-- name: Denial :one
SELECT * FROM denials WHERE id = @id;

-- name: Denials :many
SELECT * FROM denials ORDER BY created, id;

-- name: UpdateDenial :execrows
UPDATE denials SET kind = @kind, app = @app, counter = @counter, version = @version, issuer = @issuer, serial = @serial,
  reason = @reason, creator = @creator, created = @created, state = @state, changed = @changed, mac = @mac
WHERE id = @id AND mac = @old_mac;

-- name: InsertEnrolmentToken :execrows
INSERT INTO enrolment_tokens (id, app, label, created, expires, max_uses, uses, mac)
VALUES (@id, @app, @label, @created, @expires, @max_uses, @uses, @mac)
ON CONFLICT DO NOTHING;

-- name: EnrolmentToken :one
SELECT * FROM enrolment_tokens WHERE id = @id;

-- name: UpdateEnrolmentToken :execrows
UPDATE enrolment_tokens SET app = @app, label = @label, created = @created, expires = @expires, max_uses = @max_uses, uses = @uses, mac = @mac
WHERE id = @id AND mac = @old_mac;

-- name: PutDevice :exec
INSERT INTO devices (app, id, identity, kem, kdf, aead, platform, runtime, token, state, enrolled, public_key, mac)
VALUES (@app, @id, @identity, @kem, @kdf, @aead, @platform, @runtime, @token, @state, @enrolled, @public_key, @mac)
ON CONFLICT (app, id) DO UPDATE SET
  identity = excluded.identity, kem = excluded.kem, kdf = excluded.kdf, aead = excluded.aead,
  platform = excluded.platform, runtime = excluded.runtime, token = excluded.token,
  state = excluded.state, enrolled = excluded.enrolled, public_key = excluded.public_key, mac = excluded.mac;

-- name: Device :one
SELECT * FROM devices WHERE app = @app AND id = @id;

-- name: CountDevices :many
SELECT state, COUNT(*) AS devices FROM devices WHERE app = @app GROUP BY state;

-- name: PutDeviceReport :exec
INSERT INTO device_reports (app, device, seen, reported, through, lost, root, targets, channel, version, counter, state, runtime, build, emulator)
VALUES (@app, @device, @seen, @reported, @through, @lost, @root, @targets, @channel, @version, @counter, @state, @runtime, @build, @emulator)
ON CONFLICT (app, device) DO UPDATE SET
  seen = excluded.seen, reported = excluded.reported, through = excluded.through, lost = excluded.lost,
  root = excluded.root, targets = excluded.targets, channel = excluded.channel,
  version = excluded.version, counter = excluded.counter, state = excluded.state,
  runtime = excluded.runtime, build = excluded.build, emulator = excluded.emulator;

-- name: DeviceReport :one
SELECT * FROM device_reports WHERE app = @app AND device = @device;

-- name: InsertDeviceStep :execrows
INSERT INTO device_steps (
  app, device, sequence, received, at, step, release, version, counter, channel, kind, reason, took, patch
) VALUES (
  @app, @device, @sequence, @received, @at, @step, @release, @version, @counter, @channel, @kind, @reason, @took, @patch
) ON CONFLICT DO NOTHING;

-- name: PruneDeviceSteps :exec
DELETE FROM device_steps
WHERE device_steps.app = @app AND device_steps.device = @device AND device_steps.sequence <= (
  SELECT older.sequence FROM device_steps AS older WHERE older.app = @app AND older.device = @device
  ORDER BY older.sequence DESC LIMIT 1 OFFSET CAST(@keep AS BIGINT)
);

-- name: DeviceSteps :many
SELECT * FROM device_steps
WHERE app = @app AND device = @device AND (sequence < @before OR @before = 0)
ORDER BY sequence DESC LIMIT CAST(@most AS BIGINT);

-- name: CountFleet :one
SELECT
  CAST(COUNT(*) AS BIGINT) AS devices,
  CAST(COALESCE(SUM(CASE WHEN COALESCE(device_reports.root, 0) < @root OR COALESCE(device_reports.targets, 0) < @targets THEN 1 ELSE 0 END), 0) AS BIGINT) AS behind,
  CAST(COALESCE(MIN(CASE WHEN COALESCE(device_reports.root, 0) < @root OR COALESCE(device_reports.targets, 0) < @targets
    THEN COALESCE(device_reports.seen, devices.enrolled) END), 0) AS BIGINT) AS oldest
FROM devices LEFT JOIN device_reports ON device_reports.app = devices.app AND device_reports.device = devices.id
WHERE devices.state = 'active' AND devices.token <> '' AND COALESCE(device_reports.seen, devices.enrolled) >= @since;

-- name: UseNonce :execrows
INSERT INTO nonces (device, nonce, expires) VALUES (@device, @nonce, @expires)
ON CONFLICT DO NOTHING;

-- name: PruneNonces :execrows
DELETE FROM nonces WHERE expires < @before;

-- name: InsertPerson :execrows
INSERT INTO persons (id, login, name, role, app, state, creator, created, issuer, subject, inviter, invited_from, accepted,
  accepted_from, accepted_with, confirmed, mac)
VALUES (@id, @login, @name, @role, @app, @state, @creator, @created, @issuer, @subject, @inviter, @invited_from, @accepted,
  @accepted_from, @accepted_with, @confirmed, @mac)
ON CONFLICT DO NOTHING;

-- name: Person :one
SELECT * FROM persons WHERE id = @id;

-- name: PersonByLogin :one
SELECT * FROM persons WHERE login = @login AND state <> 'removed';

-- name: Persons :many
SELECT * FROM persons ORDER BY created, id;

-- name: UpdatePerson :execrows
UPDATE persons SET name = @name, role = @role, app = @app, state = @state, creator = @creator,
  created = @created, issuer = @issuer, subject = @subject, inviter = @inviter, invited_from = @invited_from,
  accepted = @accepted, accepted_from = @accepted_from, accepted_with = @accepted_with, confirmed = @confirmed, mac = @mac
WHERE id = @id AND login = @login AND mac = @old_mac AND state <> 'removed';

-- name: InsertCredential :execrows
INSERT INTO credentials (id, person, kind, label, counter, created, used, data, mac)
VALUES (@id, @person, @kind, @label, @counter, @created, @used, @data, @mac)
ON CONFLICT DO NOTHING;

-- name: Credential :one
SELECT * FROM credentials WHERE id = @id;

-- name: Credentials :many
SELECT * FROM credentials WHERE person = @person ORDER BY kind, created, id;

-- name: UpdateCredential :execrows
UPDATE credentials SET person = @person, kind = @kind, label = @label, counter = @counter, created = @created,
  used = @used, data = @data, mac = @mac
WHERE id = @id AND mac = @old_mac;

-- name: DeleteCredential :execrows
DELETE FROM credentials WHERE id = @id;

-- name: InsertSession :execrows
INSERT INTO sessions (id, person, kind, label, address, amr, hash, created, seen, proven, expires, mac)
VALUES (@id, @person, @kind, @label, @address, @amr, @hash, @created, @seen, @proven, @expires, @mac)
ON CONFLICT DO NOTHING;

-- name: Session :one
SELECT * FROM sessions WHERE id = @id;

-- name: Sessions :many
SELECT * FROM sessions WHERE person = @person ORDER BY created, id;

-- name: UpdateSession :execrows
UPDATE sessions SET person = @person, kind = @kind, label = @label, address = @address, amr = @amr, hash = @hash,
  created = @created, seen = @seen, proven = @proven, expires = @expires, mac = @mac
WHERE id = @id AND mac = @old_mac;

-- name: DeleteSession :execrows
DELETE FROM sessions WHERE id = @id;

-- name: PruneSessions :execrows
DELETE FROM sessions WHERE expires < @before;

-- name: RaiseVersion :exec
INSERT INTO version_floors (role, version) VALUES (@role, @version)
ON CONFLICT (role) DO UPDATE SET version = excluded.version WHERE version_floors.version < excluded.version;

-- name: VersionFloors :many
SELECT * FROM version_floors;

-- name: InsertBackup :execrows
INSERT INTO backups (created, file, length, digest, problem) VALUES (@created, @file, @length, @digest, @problem)
ON CONFLICT DO NOTHING;

-- name: Backups :many
SELECT * FROM backups ORDER BY created DESC LIMIT CAST(@most AS BIGINT);

-- name: PutRestore :exec
INSERT INTO restores (restored, created, entries, lost, known, directed, log_version, settled, mac)
VALUES (@restored, @created, @entries, @lost, @known, @directed, @log_version, @settled, @mac)
ON CONFLICT (restored) DO UPDATE SET
  created = excluded.created, entries = excluded.entries, lost = excluded.lost, known = excluded.known,
  directed = excluded.directed, log_version = excluded.log_version, settled = excluded.settled, mac = excluded.mac;

-- name: Restores :many
SELECT * FROM restores ORDER BY restored DESC;

-- name: UnfinishedDrafts :many
SELECT * FROM drafts WHERE state IN ('reserved', 'submitted') ORDER BY id;

-- name: SetProof :execrows
UPDATE releases SET proof = @proof WHERE app = @app AND digest = @digest;

-- name: Documents :many
SELECT path FROM documents ORDER BY path;

-- name: PutPolicy :execrows
INSERT INTO policies (app, channel, action, version, needed, roles, creator, created, mac)
VALUES (@app, @channel, @action, @version, @needed, @roles, @creator, @created, @mac)
ON CONFLICT (app, channel, action) DO UPDATE SET
  version = excluded.version, needed = excluded.needed, roles = excluded.roles, creator = excluded.creator,
  created = excluded.created, mac = excluded.mac
WHERE policies.version < excluded.version;

-- name: Policies :many
SELECT * FROM policies ORDER BY app, channel, action;

-- name: InsertApprovalRequest :execrows
INSERT INTO approval_requests (id, action, app, subject, requester, person, policy_version, key_version, needed, state,
  outcome, nonce, created, expires, changed, payload, parameters, mac)
VALUES (@id, @action, @app, @subject, @requester, @person, @policy_version, @key_version, @needed, @state,
  @outcome, @nonce, @created, @expires, @changed, @payload, @parameters, @mac)
ON CONFLICT DO NOTHING;

-- name: ApprovalRequest :one
SELECT * FROM approval_requests WHERE id = @id;

-- name: ApprovalRequests :many
SELECT * FROM approval_requests
WHERE (state = @state OR @state = '') AND (action = @action OR @action = '') AND (subject = @subject OR @subject = '')
ORDER BY created DESC, id DESC LIMIT CAST(@most AS BIGINT);

-- name: UpdateApprovalRequest :execrows
UPDATE approval_requests SET action = @action, app = @app, subject = @subject, requester = @requester, person = @person,
  policy_version = @policy_version, key_version = @key_version, needed = @needed, state = @state, outcome = @outcome,
  nonce = @nonce, created = @created, expires = @expires, changed = @changed, payload = @payload,
  parameters = @parameters, mac = @mac
WHERE id = @id AND mac = @old_mac;

-- name: InsertApproval :execrows
INSERT INTO approvals (request, person, credential, created, evidence, mac)
VALUES (@request, @person, @credential, @created, @evidence, @mac)
ON CONFLICT DO NOTHING;

-- name: Approvals :many
SELECT * FROM approvals WHERE request = @request ORDER BY created, person;
