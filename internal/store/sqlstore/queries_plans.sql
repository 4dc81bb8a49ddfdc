-- name: PutChannelPlan :execrows
INSERT INTO channel_plans (app, channel, plan, creator, changed, mac)
VALUES (@app, @channel, @plan, @creator, @changed, @mac)
ON CONFLICT (app, channel) DO UPDATE SET plan = excluded.plan, creator = excluded.creator, changed = excluded.changed, mac = excluded.mac;

-- name: ChannelPlan :one
SELECT * FROM channel_plans WHERE app = @app AND channel = @channel;

-- name: CountFollowers :one
SELECT CAST(COUNT(*) AS BIGINT) AS devices FROM devices
LEFT JOIN device_reports ON device_reports.app = devices.app AND device_reports.device = devices.id
WHERE devices.app = @app AND devices.platform = @platform AND devices.state = 'active'
  AND COALESCE(device_reports.channel, '') IN (CAST(@channel AS TEXT), '') AND COALESCE(device_reports.seen, devices.enrolled) >= @since;
