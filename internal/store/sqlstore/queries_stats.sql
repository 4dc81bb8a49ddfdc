-- name: PutDeviceOutcome :exec
INSERT INTO device_outcomes (app, device, release, hour, outcome, kind, reason, network, evidence, via)
VALUES (@app, @device, @release, @hour, @outcome, @kind, @reason, @network, @evidence, @via)
ON CONFLICT (app, device, release) DO UPDATE SET
  hour = excluded.hour, outcome = excluded.outcome, kind = excluded.kind, reason = excluded.reason,
  network = excluded.network, evidence = excluded.evidence, via = excluded.via;

-- name: DeviceOutcome :one
SELECT * FROM device_outcomes WHERE app = @app AND device = @device AND release = @release;

-- name: OutcomesOfDevice :many
SELECT * FROM device_outcomes WHERE app = @app AND device = @device ORDER BY hour, release;

-- name: CountNetwork :one
SELECT COUNT(*) FROM device_outcomes
WHERE app = @app AND release = @release AND hour = @hour AND network = @network AND network <> '' AND evidence <> 0;

-- name: AddReleaseHour :one
INSERT INTO release_hours (app, release, hour, outcome, kind, reason, evidence, unvouched)
VALUES (@app, @release, @hour, @outcome, @kind, @reason, @evidence, @unvouched)
ON CONFLICT (app, release, hour, outcome, kind, reason) DO UPDATE SET
  evidence = release_hours.evidence + excluded.evidence, unvouched = release_hours.unvouched + excluded.unvouched
RETURNING CAST(evidence + unvouched AS BIGINT) AS total;

-- name: CountOtherReasons :one
SELECT COUNT(*) FROM release_hours
WHERE app = @app AND release = @release AND hour = @hour AND outcome = @outcome AND kind = @kind AND reason <> @reason AND reason <> 'other';

-- name: ReleaseHours :many
SELECT * FROM release_hours
WHERE app = @app AND release = @release AND hour >= @since
ORDER BY hour, outcome, kind, reason;

-- name: ReleaseTotals :many
SELECT outcome, CAST(SUM(evidence) AS BIGINT) AS evidence, CAST(SUM(unvouched) AS BIGINT) AS unvouched FROM release_hours
WHERE app = @app AND release = @release
GROUP BY outcome ORDER BY outcome;

-- name: CountOutbox :one
SELECT COUNT(*) FROM outbox;

-- name: PruneDeviceOutcomes :exec
DELETE FROM device_outcomes WHERE app = @app AND hour < @before;

-- name: PruneReleaseHours :exec
DELETE FROM release_hours WHERE app = @app AND hour < @before;

-- name: CountSeen :one
SELECT COUNT(*) AS devices,
  COUNT(CASE WHEN r.seen >= @day THEN 1 END) AS day,
  COUNT(CASE WHEN r.seen >= @week THEN 1 END) AS week
FROM devices d JOIN device_reports r ON r.app = d.app AND r.device = d.id
WHERE d.app = @app AND d.state = 'active' AND (r.channel = @channel OR @channel = '') AND (d.platform = @platform OR @platform = '');
