-- name: InsertRollout :execrows
INSERT INTO rollouts (app, counter, channel, platform, runtime, version, release, plan, salt, urgent, phase, stage, since, spent, cleared, share, creator, created, changed, mac, entry)
VALUES (@app, @counter, @channel, @platform, @runtime, @version, @release, @plan, @salt, @urgent, @phase, @stage, @since, @spent, @cleared, @share, @creator, @created, @changed, @mac, @entry)
ON CONFLICT DO NOTHING;

-- name: Rollout :one
SELECT * FROM rollouts WHERE app = @app AND counter = @counter;

-- name: UpdateRollout :execrows
UPDATE rollouts SET
  channel = @channel, platform = @platform, runtime = @runtime, version = @version, release = @release, plan = @plan, salt = @salt,
  urgent = @urgent, phase = @phase, stage = @stage, since = @since, spent = @spent, cleared = @cleared, share = @share,
  creator = @creator, created = @created, changed = @changed, mac = @mac, entry = @entry
WHERE app = @app AND counter = @counter AND mac = @old_mac;

-- name: Rollouts :many
SELECT * FROM rollouts
WHERE app = @app AND (channel = @channel OR @channel = '') AND (platform = @platform OR @platform = '')
ORDER BY counter DESC;

-- name: OpenRollouts :many
SELECT * FROM rollouts WHERE phase IN ('running', 'waiting') ORDER BY app, counter;

-- name: OfferedRollbacks :many
SELECT rollouts.* FROM releases
JOIN rollouts ON rollouts.app = releases.app AND rollouts.counter = releases.counter
WHERE releases.act = 'rollback' AND rollouts.phase IN ('running', 'waiting', 'finished')
ORDER BY releases.app, releases.counter;
