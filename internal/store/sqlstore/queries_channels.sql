-- name: PutChannelRules :execrows
INSERT INTO channel_rules (app, channel, archived, is_default, private, platforms, runtime, builds, emulators, self_assign, changed, mac, epoch_days, refuse_new, under_native)
VALUES (@app, @channel, @archived, @is_default, @private, @platforms, @runtime, @builds, @emulators, @self_assign, @changed, @mac, @epoch_days, @refuse_new, @under_native)
ON CONFLICT (app, channel) DO UPDATE SET archived = excluded.archived, is_default = excluded.is_default, private = excluded.private,
  platforms = excluded.platforms, runtime = excluded.runtime, builds = excluded.builds, emulators = excluded.emulators,
  self_assign = excluded.self_assign, changed = excluded.changed, mac = excluded.mac, epoch_days = excluded.epoch_days,
  refuse_new = excluded.refuse_new, under_native = excluded.under_native;

-- name: ChannelRules :one
SELECT * FROM channel_rules WHERE app = @app AND channel = @channel;

-- name: AllChannelRules :many
SELECT * FROM channel_rules WHERE app = @app ORDER BY channel;

-- name: PutAssignment :execrows
INSERT INTO device_assignments (app, device, channel, sequence, until, ends, origin, changed, mac)
VALUES (@app, @device, @channel, @sequence, @until, @ends, @origin, @changed, @mac)
ON CONFLICT (app, device) DO UPDATE SET channel = excluded.channel, sequence = excluded.sequence, until = excluded.until,
  ends = excluded.ends, origin = excluded.origin, changed = excluded.changed, mac = excluded.mac
WHERE device_assignments.sequence < excluded.sequence;

-- name: Assignment :one
SELECT * FROM device_assignments WHERE app = @app AND device = @device;

-- name: DueAssignments :many
SELECT * FROM device_assignments
WHERE ends > 0 AND (ends <= @now OR ends < @renew AND channel <> '' AND (until <= 0 OR ends < until))
ORDER BY ends, app, device LIMIT CAST(@most AS BIGINT);

-- name: CountAssignments :one
SELECT COUNT(*) FROM device_assignments WHERE channel <> '' AND (CAST(@origin AS TEXT) = '' OR origin = @origin);
