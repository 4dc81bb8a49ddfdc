-- name: InsertCapgoDevice :execrows
INSERT INTO capgo_devices (app, device, platform, version, build, plugin, channel, chosen, production, emulator, began, seen)
VALUES (@app, @device, @platform, @version, @build, @plugin, @channel, @chosen, @production, @emulator, @began, @seen)
ON CONFLICT (app, device) DO NOTHING;

-- name: UpdateCapgoDevice :execrows
UPDATE capgo_devices SET platform = @platform, version = @version, build = @build, plugin = @plugin, channel = @channel,
  chosen = @chosen, production = @production, emulator = @emulator, seen = @seen
WHERE app = @app AND device = @device;

-- name: CapgoDevice :one
SELECT * FROM capgo_devices WHERE app = @app AND device = @device;

-- name: CapgoDevices :many
SELECT * FROM capgo_devices
WHERE app = @app AND device > @behind AND device >= @least AND device < @beyond
  AND (channel = @channel OR @channel = '') AND (version = @version OR @version = '') AND (platform = @platform OR @platform = '')
  AND seen >= @since AND seen < @until
ORDER BY device LIMIT CAST(@most AS BIGINT);

-- name: CapgoChosen :many
SELECT * FROM capgo_devices WHERE app = @app AND chosen <> '' ORDER BY device LIMIT CAST(@most AS BIGINT);

-- name: CountCapgoDevices :one
SELECT COUNT(*) AS devices, COUNT(CASE WHEN seen >= @day THEN 1 END) AS day, COUNT(CASE WHEN seen >= @week THEN 1 END) AS week
FROM capgo_devices WHERE app = @app AND (channel = @channel OR @channel = '') AND (platform = @platform OR @platform = '');

-- name: PruneCapgoDevices :execrows
DELETE FROM capgo_devices WHERE app = @app AND device >= @least AND device < @beyond AND seen < @before;

-- name: PruneCapgoEventsOf :exec
DELETE FROM capgo_events WHERE app = @app AND device >= @least AND device < @beyond AND received < @before;

-- name: PutCapgoOutcome :exec
INSERT INTO capgo_outcomes (app, device, release, hour, outcome, kind, reason, network, evidence, via)
VALUES (@app, @device, @release, @hour, @outcome, @kind, @reason, @network, @evidence, @via)
ON CONFLICT (app, device, release) DO UPDATE SET
  hour = excluded.hour, outcome = excluded.outcome, kind = excluded.kind, reason = excluded.reason,
  network = excluded.network, evidence = excluded.evidence, via = excluded.via;

-- name: CapgoOutcome :one
SELECT * FROM capgo_outcomes WHERE app = @app AND device = @device AND release = @release;

-- name: CapgoFailed :many
SELECT device FROM capgo_outcomes
WHERE app = @app AND release = @release AND outcome IN ('refused', 'rolled-back') AND device > @behind
ORDER BY device LIMIT CAST(@most AS BIGINT);

-- name: CountCapgoNetwork :one
SELECT COUNT(*) FROM capgo_outcomes
WHERE app = @app AND release = @release AND hour = @hour AND network = @network AND network <> '' AND evidence <> 0;

-- name: PruneCapgoOutcomes :exec
DELETE FROM capgo_outcomes WHERE app = @app AND hour < @before;

-- name: AddCapgoEvent :execrows
INSERT INTO capgo_events (app, device, at, action, version, old, detail, received)
VALUES (@app, @device, @at, @action, @version, @old, @detail, @received)
ON CONFLICT (app, device, at, action, version) DO NOTHING;

-- name: CapgoEvents :many
SELECT * FROM capgo_events WHERE app = @app AND device = @device
ORDER BY received DESC, at DESC, action, version LIMIT CAST(@most AS BIGINT);

-- name: PruneCapgoEvents :exec
DELETE FROM capgo_events WHERE capgo_events.app = @app AND capgo_events.device = @device AND capgo_events.received < (
  SELECT e.received FROM capgo_events e WHERE e.app = @app AND e.device = @device
  ORDER BY e.received DESC LIMIT 1 OFFSET CAST(@keep AS BIGINT));

-- name: CapgoApps :many
SELECT DISTINCT app FROM capgo_bundles ORDER BY app;

-- name: CapgoReleases :many
SELECT release FROM capgo_bundles WHERE app = @app ORDER BY release;
