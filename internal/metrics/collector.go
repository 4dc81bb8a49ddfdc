package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sealift/sealift"
)

// descs are the numbers that are read when they are asked for.
var descs = struct {
	sealed, up, updates, commits, messages, steps            *prometheus.Desc
	outbox, issued, expires, leftOut, capgo                  *prometheus.Desc
	active, seenDay, seenWeek, installed, release, unvouched *prometheus.Desc
	fetched, phase, share                                    *prometheus.Desc
}{
	sealed:   desc("sealift_vault_sealed", "Whether the vault is sealed: it signs nothing and answers no device."),
	up:       desc("sealift_store_up", "Whether rows could be read this time."),
	updates:  desc("sealift_store_updates_total", "Transactions that changed rows and were acknowledged."),
	commits:  desc("sealift_store_commits_total", "Commits that made them durable."),
	messages: desc("sealift_device_messages_total", "Signed messages of devices, by what came of them.", "request", "result", "reason"),
	steps:    desc("sealift_report_steps_total", "Steps that devices reported: kept, or repeated since they had been kept before.", "result"),

	capgo:   desc("sealift_capgo_calls_total", "Calls of devices that have Capgo's plugin, by what was answered or kept.", "call", "answer"),
	outbox:  desc("sealift_outbox_files", "Files that are signed and not yet written to the published tree."),
	issued:  desc("sealift_metadata_issued_timestamp_seconds", "When the newest timestamp was signed."),
	expires: desc("sealift_metadata_expires_timestamp_seconds", "When the newest timestamp ends: devices take nothing new after that."),
	leftOut: desc("sealift_apps_left_out", "Apps of which there are no numbers, since there are too many."),

	active:    desc("sealift_devices_active", "Devices that are enrolled and not revoked.", "app"),
	seenDay:   desc("sealift_devices_seen_day", "Active devices that the server heard of in the last day.", "app"),
	seenWeek:  desc("sealift_devices_seen_week", "Active devices that the server heard of in the last week.", "app"),
	installed: desc("sealift_devices_installed", "Active devices by the release that they say they run.", "app", "version", "counter"),

	release:   desc("sealift_release_devices", "Devices that took a release, and what became of them.", of("outcome")...),
	unvouched: desc("sealift_release_devices_unvouched", "The same, of devices that nobody vouches for beyond those that count.", of("outcome")...),
	fetched:   desc("sealift_release_devices_fetched", "Devices that verified a release, by how they say its bundle came: whole, or as a patch.", of("via")...),
	phase:     desc("sealift_rollout_phase", "1 for the phase in which the roll-out of a release is.", of("phase")...),
	share:     desc("sealift_rollout_share_ratio", "The part of the devices to whom a release is offered now.", of()...),
}

// of are the labels of a release, and more.
func of(more ...string) []string {
	return append([]string{"app", "channel", "platform", "version", "counter"}, more...)
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// collector is Metrics as Prometheus asks them.
type collector Metrics

// Describe implements prometheus.Collector. It describes nothing, since which
// numbers there are depends on what can be read.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	e := emitter{out}
	counts, tallies := c.source.Store.Counts(), c.source.Desk.Tallies()
	e.gauge(descs.sealed, truth(c.source.Vault.Sealed()))
	e.counter(descs.updates, counts.Updates)
	e.counter(descs.commits, counts.Commits)
	for _, t := range tallies.Messages {
		kind := string(t.Kind)
		if kind == "" {
			kind = "unreadable"
		}
		e.counter(descs.messages, t.N, kind, string(t.Result), t.Reason)
	}
	e.counter(descs.steps, tallies.Kept, "kept")
	e.counter(descs.steps, tallies.Repeated, "repeated")
	if c.source.Capgo != nil {
		for _, t := range c.source.Capgo() {
			e.counter(descs.capgo, t.N, t.Call, t.Answer)
		}
	}
	r := c.rows()
	e.gauge(descs.up, truth(r != nil))
	if r != nil {
		r.emit(e)
	}
}

// rows returns what the rows say, read anew if that is not of just now; nil where
// they cannot be read.
func (c *collector) rows() *rows {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.source.Now()
	if since := now.Sub(c.read); since >= 0 && since < sealift.MetricsPeriod {
		return c.last
	}
	ctx, cancel := context.WithTimeout(context.Background(), sealift.MetricsTimeout)
	defer cancel()
	r, err := readRows(ctx, &c.source, now)
	if err != nil {
		c.source.Log.Warn("reading metrics", "error", err)
		r = nil
	}
	c.read, c.last = now, r
	return r
}

// emitter hands numbers on.
type emitter struct{ out chan<- prometheus.Metric }

func (e emitter) gauge(d *prometheus.Desc, v float64, labels ...string) {
	e.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (e emitter) counter(d *prometheus.Desc, n int64, labels ...string) {
	e.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
