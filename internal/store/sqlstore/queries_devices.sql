-- name: Devices :many
SELECT devices.* FROM devices
LEFT JOIN device_reports ON device_reports.app = devices.app AND device_reports.device = devices.id
WHERE devices.app = @app AND devices.id > @behind AND devices.id >= @least AND devices.id < @beyond
  AND (device_reports.channel = @channel OR @channel = '')
  AND (device_reports.version = @version OR @version = '')
  AND (CAST(@label AS TEXT) = '' OR EXISTS (
    SELECT 1 FROM device_labels WHERE device_labels.app = devices.app AND device_labels.device = devices.id
      AND ' ' || device_labels.labels || ' ' LIKE '% ' || CAST(@label AS TEXT) || ' %'))
  AND (devices.platform = @platform OR @platform = '')
  AND (devices.state = @state OR @state = '' AND devices.state <> 'erased')
  AND COALESCE(device_reports.seen, devices.enrolled) >= @since AND COALESCE(device_reports.seen, devices.enrolled) < @until
  AND (CAST(@pairs AS TEXT) = '' OR CAST(@pairs AS TEXT) LIKE '%,' || CAST(device_reports.counter AS TEXT) || ':' || device_reports.version || ',%')
ORDER BY devices.id LIMIT CAST(@most AS BIGINT);

-- name: DeviceVersions :many
SELECT device_reports.version, device_reports.counter, CAST(COUNT(*) AS BIGINT) AS devices
FROM device_reports JOIN devices ON devices.app = device_reports.app AND devices.id = device_reports.device
WHERE device_reports.app = @app AND devices.state = 'active' AND device_reports.version <> ''
  AND (device_reports.channel = @channel OR @channel = '') AND (devices.platform = @platform OR @platform = '')
GROUP BY device_reports.version, device_reports.counter
ORDER BY COUNT(*) DESC, device_reports.counter, device_reports.version LIMIT CAST(@most AS BIGINT);

-- name: DropDeviceReport :exec
DELETE FROM device_reports WHERE app = @app AND device = @device;

-- name: DropDeviceSteps :exec
DELETE FROM device_steps WHERE app = @app AND device = @device;

-- name: DropDeviceOutcomes :exec
DELETE FROM device_outcomes WHERE app = @app AND device = @device;
