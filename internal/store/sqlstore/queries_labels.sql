-- name: PutDeviceLabels :execrows
INSERT INTO device_labels (app, device, labels, changed, mac) VALUES (@app, @device, @labels, @changed, @mac)
ON CONFLICT (app, device) DO UPDATE SET labels = excluded.labels, changed = excluded.changed, mac = excluded.mac;

-- name: DeviceLabels :one
SELECT * FROM device_labels WHERE app = @app AND device = @device;

-- name: LabelledDevices :many
SELECT * FROM device_labels
WHERE app = @app AND device > @behind AND ' ' || labels || ' ' LIKE '% ' || CAST(@label AS TEXT) || ' %'
ORDER BY device LIMIT CAST(@most AS BIGINT);

-- name: CountLabelledDevices :one
SELECT COUNT(*) FROM device_labels WHERE app = @app AND ' ' || labels || ' ' LIKE '% ' || CAST(@label AS TEXT) || ' %';

-- name: PutChannelLabel :execrows
INSERT INTO channel_labels (app, label, channel, priority, settled, changed, mac)
VALUES (@app, @label, @channel, @priority, @settled, @changed, @mac)
ON CONFLICT (app, label) DO UPDATE SET channel = excluded.channel, priority = excluded.priority, settled = excluded.settled,
  changed = excluded.changed, mac = excluded.mac;

-- name: ChannelLabels :many
SELECT * FROM channel_labels WHERE app = @app ORDER BY label;

-- name: UnsettledLabels :many
SELECT * FROM channel_labels WHERE settled = 0 ORDER BY app, label;
