-- name: PutChannelPlan :execrows
INSERT INTO channel_plans (app, channel, plan, creator, changed, mac)
VALUES (@app, @channel, @plan, @creator, @changed, @mac)
ON CONFLICT (app, channel) DO UPDATE SET plan = excluded.plan, creator = excluded.creator, changed = excluded.changed, mac = excluded.mac;

-- name: ChannelPlan :one
SELECT * FROM channel_plans WHERE app = @app AND channel = @channel;
