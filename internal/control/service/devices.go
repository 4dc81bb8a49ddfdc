package service

import (
	"context"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// Devices shows what devices are and what they say of themselves: claims, which
// their keys signed.
type Devices interface {
	// Devices returns at most page.Limit devices of app, by id, or KindNotFound if
	// there is no such app.
	Devices(ctx context.Context, app sealift.AppID, page DevicePage) ([]Device, error)
	// Device returns one device of app, or KindNotFound, with at most limit of its
	// steps, newest first; with before, only those of a smaller sequence.
	Device(ctx context.Context, app sealift.AppID, id sealift.DeviceID, before uint64, limit int) (Device, []DeviceStep, error)
}

// DevicePage picks a page of devices.
type DevicePage struct {
	Limit   int              // 1 to 101: a page and one more, to see whether there is another
	Behind  sealift.DeviceID // only those whose id comes behind it; "" for all
	Channel sealift.Channel  // only those that last reported to follow it; "" for all
}

// Device is a device as the vault knows it.
type Device struct {
	App      sealift.AppID
	ID       sealift.DeviceID
	State    string // active or revoked
	Token    string // id of the enrolment token; empty where it enrolled openly
	Platform sealift.Platform
	Runtime  sealift.Version // when it enrolled
	Enrolled time.Time
	Seen     time.Time          // when it last said something
	Reported time.Time          // when it last reported; zero for never
	Lost     uint64             // how many steps it had no room to keep
	Report   *trust.DeviceState // how it said it was; nil before its first report
	Forged   bool               // its row is not as the vault wrote it
}

// DeviceStep is a step that a device reported.
type DeviceStep struct {
	trust.ReportStep
	Received time.Time
}
