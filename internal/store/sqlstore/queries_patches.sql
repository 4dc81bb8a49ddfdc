-- name: ReleasesOf :many
SELECT * FROM releases WHERE app = @app AND archive = @archive ORDER BY counter DESC;

-- name: RunningReleases :many
SELECT releases.version, releases.counter, CAST(COUNT(*) AS BIGINT) AS devices
FROM device_reports
JOIN devices ON devices.app = device_reports.app AND devices.id = device_reports.device
JOIN releases ON releases.app = device_reports.app AND releases.counter = device_reports.counter
WHERE device_reports.app = @app AND device_reports.seen >= @since
  AND devices.state = 'active' AND devices.platform = @platform
  AND releases.version = device_reports.version AND releases.platform = devices.platform
GROUP BY releases.version, releases.counter
ORDER BY COUNT(*) DESC, releases.counter DESC LIMIT CAST(@most AS BIGINT);
