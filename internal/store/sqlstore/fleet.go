package sqlstore

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// Devices implements store.FleetTx.
func (t *tx) Devices(ctx context.Context, app sealift.AppID, f store.DeviceFilter) ([]store.Device, error) {
	since, until := int64(math.MinInt64), int64(math.MaxInt64)
	if !f.Since.IsZero() {
		since = micros(f.Since)
	}
	if !f.Until.IsZero() {
		until = micros(f.Until)
	}
	rows, err := t.q.Devices(ctx, sqlcgen.DevicesParams{
		App: string(app), Behind: string(f.Behind), Least: f.Prefix, Beyond: f.Prefix + "g", // ids are hex
		Channel: string(f.Channel), Version: string(f.Version), Platform: string(f.Platform), Label: string(f.Label), State: string(f.State),
		Since: since, Until: until, Pairs: pairs(f.Among), Most: most(f.Limit),
	})
	return collect(rows, t.fail(ctx, "listing devices of "+string(app), err), deviceOf)
}

// pairs writes versions for a LIKE: neither a counter nor a version has a comma,
// a percent sign or an underscore in it.
func pairs(among []store.DeviceVersion) string {
	if among == nil {
		return ""
	}
	var b strings.Builder
	b.WriteString(",")
	for _, v := range among {
		fmt.Fprintf(&b, "%d:%s,", v.Counter, v.Version)
	}
	return b.String()
}

// DeviceVersions implements store.FleetTx.
func (t *tx) DeviceVersions(ctx context.Context, app sealift.AppID, channel sealift.Channel, platform sealift.Platform, limit int) ([]store.DeviceVersion, error) {
	rows, err := t.q.DeviceVersions(ctx, sqlcgen.DeviceVersionsParams{App: string(app), Channel: string(channel), Platform: string(platform), Most: most(limit)})
	return collect(rows, t.fail(ctx, "counting what devices of "+string(app)+" have installed", err), func(r sqlcgen.DeviceVersionsRow) store.DeviceVersion {
		return store.DeviceVersion{Version: sealift.Version(r.Version), Counter: sealift.Counter(r.Counter), Devices: r.Devices}
	})
}

// ForgetDevice implements store.FleetTx.
func (t *tx) ForgetDevice(ctx context.Context, app sealift.AppID, id sealift.DeviceID) error {
	op := "forgetting what device " + string(id) + " said"
	if err := t.q.DropDeviceSteps(ctx, sqlcgen.DropDeviceStepsParams{App: string(app), Device: string(id)}); err != nil {
		return t.fail(ctx, op, err)
	}
	if err := t.q.DropDeviceOutcomes(ctx, sqlcgen.DropDeviceOutcomesParams{App: string(app), Device: string(id)}); err != nil {
		return t.fail(ctx, op, err)
	}
	return t.fail(ctx, op, t.q.DropDeviceReport(ctx, sqlcgen.DropDeviceReportParams{App: string(app), Device: string(id)}))
}
