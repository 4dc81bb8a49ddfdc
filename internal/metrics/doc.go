// Package metrics tells a monitoring system how an installation is, in the text
// format of Prometheus.
//
// Counters begin at 0 with the server. Gauges of apps, releases and roll-outs are
// what rows say, at most sealift.MetricsPeriod old; like `sealift stats` they are
// sums of what devices claim, and no row's MAC is checked for them, so that they
// are there while the vault is sealed.
//
//	sealift_build_info                          version
//	sealift_vault_sealed                        1 while the vault is sealed
//	sealift_store_up                            0 where rows could not be read this time: no number below "rows" is given
//	sealift_store_updates_total                 transactions that were acknowledged
//	sealift_store_commits_total                 commits that made them durable
//	sealift_http_requests_total                 door, what, method, code
//	sealift_http_request_duration_seconds       door, what; histogram
//	sealift_http_response_size_bytes            door, what; histogram
//	sealift_device_messages_total               request, result, reason
//	sealift_report_steps_total                  result: kept, or repeated
//	sealift_capgo_calls_total                   call, answer; of devices that have Capgo's plugin
//
// and from rows:
//
//	sealift_outbox_files                        signed, and not yet written to the published tree
//	sealift_metadata_issued_timestamp_seconds   when the newest timestamp was signed
//	sealift_metadata_expires_timestamp_seconds  when it ends
//	sealift_devices_active                      app
//	sealift_devices_seen_day                    app: of these, seen in the last day
//	sealift_devices_seen_week                   app: and in the last week
//	sealift_devices_installed                   app, version, counter: of these, by what they say that they run
//	sealift_release_devices                     app, channel, platform, version, counter, outcome
//	sealift_release_devices_unvouched           the same, of those that are no evidence
//	sealift_release_devices_fetched             app, channel, platform, version, counter, via: whole or patch
//	sealift_rollout_phase                       app, channel, platform, version, counter, phase: 1
//	sealift_rollout_share_ratio                 app, channel, platform, version, counter: who is offered the release now
//	sealift_apps_left_out                       apps that are left out of the above
//
// beside those of the Go runtime and of the process. door is "devices" for what is
// under /v1/, "capgo" for what is under /capgo/ and "people" for the rest. An outcome is taken, confirmed, refused,
// not-stored or rolled-back (package stats): taken counts all devices, and each of
// them is in at most one of the others.
//
// No label's value is a device's to invent: apps, channels, platforms, versions
// and counters are those of releases, the rest is Sealift's own. What devices say
// that they run and is none of these, or nothing, has version and counter "other".
// There are numbers for the newest sealift.MaxMetricsReleases releases of each of
// the first sealift.MaxMetricsApps apps by id, and for the roll-outs of those.
package metrics
