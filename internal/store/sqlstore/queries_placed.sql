-- name: DevicesPlaced :many
SELECT CAST(COALESCE(a.channel, r.channel) AS TEXT) AS channel, CAST(COALESCE(a.origin, '') AS TEXT) AS origin, d.platform,
  CAST(COALESCE(NULLIF(r.runtime, ''), d.runtime) AS TEXT) AS runtime, CAST(COALESCE(r.build, '') AS TEXT) AS build,
  CAST(COALESCE(r.emulator, 0) AS BIGINT) AS emulator,
  CAST(COUNT(*) AS BIGINT) AS devices, CAST(COUNT(CASE WHEN r.channel = COALESCE(a.channel, r.channel) THEN 1 END) AS BIGINT) AS following
FROM devices d
LEFT JOIN device_reports r ON r.app = d.app AND r.device = d.id
LEFT JOIN device_assignments a ON a.app = d.app AND a.device = d.id AND a.channel <> '' AND (a.until <= 0 OR a.until > @now)
WHERE d.app = @app AND d.state = 'active' AND COALESCE(a.channel, r.channel, '') <> ''
  AND (COALESCE(a.channel, r.channel) = @channel OR CAST(@channel AS TEXT) = '')
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY COUNT(*) DESC, 1, 2, 3, 4, 5, 6 LIMIT CAST(@most AS BIGINT);
