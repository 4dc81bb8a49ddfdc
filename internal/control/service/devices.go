package service

import (
	"context"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/trust"
)

// Devices shows what devices are and what they say of themselves: claims, which
// their keys signed; and sends them away.
type Devices interface {
	// Devices returns at most page.Limit devices of app, by id, or KindNotFound if
	// there is no such app.
	Devices(ctx context.Context, app sealift.AppID, page DevicePage) ([]Device, error)
	// Device returns one device of app, or KindNotFound, with at most limit of its
	// steps, newest first; with before, only those of a smaller sequence.
	Device(ctx context.Context, app sealift.AppID, id sealift.DeviceID, before uint64, limit int) (Device, []DeviceStep, error)
	// CapgoDevices returns at most page.Limit devices of app that have Capgo's plugin, by
	// id, with how many there are, or KindNotFound if there is no such app.
	CapgoDevices(ctx context.Context, app sealift.AppID, page CapgoPage) ([]CapgoDevice, CapgoCounts, error)
	// CountDevices counts the devices of app by state.
	CountDevices(ctx context.Context, app sealift.AppID) (DeviceCounts, error)
	// RevokeDevices ends devices of app for good, and turns the epochs of its
	// channels, all or nothing. Those that are not active any more are passed over.
	// KindNotFound if there is no such app or device, KindConflict with reason
	// "device-state" if none is active.
	RevokeDevices(ctx context.Context, by access.Caller, app sealift.AppID, which DeviceAct) (Revoked, error)
	// EraseDevices forgets all of devices but their ids, all or nothing, and returns
	// which. Errors are those of RevokeDevices, for devices that were erased before.
	EraseDevices(ctx context.Context, by access.Caller, app sealift.AppID, which DeviceAct) ([]sealift.DeviceID, error)
	// Stats returns sums of what app's devices claim, or KindNotFound if there is no
	// such app.
	Stats(ctx context.Context, app sealift.AppID, filter StatsFilter) (AppStats, error)
}

// DeviceAct is what is done to devices, and why.
type DeviceAct struct {
	Devices []sealift.DeviceID // 1 to sealift.MaxPage
	Reason  string             // in a person's words
}

// Revoked is what became of a revocation.
type Revoked struct {
	Devices []sealift.DeviceID // that were active
	Epochs  []Channel          // with their new epochs
}

// DeviceCounts counts devices by state, and the active ones that say that what they
// have installed is under the app's floor.
type DeviceCounts struct{ Active, Revoked, Erased, Outdated int64 }

// DevicePage picks a page of devices.
type DevicePage struct {
	Limit   int              // 1 to 101: a page and one more, to see whether there is another
	Behind  sealift.DeviceID // only those whose id comes behind it; "" for all
	Channel sealift.Channel  // only those that last reported to follow it; "" for all

	Prefix   string           // of their ids; "" for all
	Version  sealift.Version  // that they last reported to have installed; "" for all
	Platform sealift.Platform // "" for all
	Label    sealift.Label    // that they carry; "" for all
	State    string           // "" for all that were not erased
	Since    time.Time        // seen then or later; zero for all
	Until    time.Time        // seen before; zero for all
	Outdated bool             // only those that last reported to have something under the app's floor
}

// Device is a device as the vault knows it.
type Device struct {
	App      sealift.AppID
	ID       sealift.DeviceID
	State    string // active, revoked or erased
	Token    string // id of the enrolment token; empty where it enrolled openly
	Platform sealift.Platform
	Runtime  sealift.Version // when it enrolled
	Enrolled time.Time
	Seen     time.Time          // when it last said something
	Reported time.Time          // when it last reported; zero for never
	Lost     uint64             // how many steps it had no room to keep
	Report   *trust.DeviceState // how it said it was; nil before its first report
	Assigned *Assignment        // where it was put; nil where it never was
	Labels   []sealift.Label    // sorted
	Forged   bool               // its row, or one of its assignment or labels, is not as the vault wrote it
}

// DeviceStep is a step that a device reported.
type DeviceStep struct {
	trust.ReportStep
	Received time.Time
}
