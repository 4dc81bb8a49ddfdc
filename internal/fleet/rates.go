package fleet

import (
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/throttle"
	"github.com/sealift/sealift/trust"
)

// rates bounds how often devices say what costs the vault something.
type rates struct {
	reports    *throttle.Counter[sealift.DeviceID]
	choices    *throttle.Counter[sealift.DeviceID] // of channels
	appChoices *throttle.Counter[sealift.AppID]
}

func newRates() rates {
	return rates{
		reports:    throttle.NewCounter[sealift.DeviceID](sealift.ReportsPerHour, time.Hour),
		choices:    throttle.NewCounter[sealift.DeviceID](sealift.ChoicesPerHour, time.Hour),
		appChoices: throttle.NewCounter[sealift.AppID](sealift.AppChoicesPerHour, time.Hour),
	}
}

// admit counts a request whose device was verified, and refuses one too many, with
// KindExhausted and reason "rate".
func (r *rates) admit(v *visit) error {
	switch v.req.Kind {
	case trust.RequestReport:
		if wait, ok := r.reports.Admit(v.req.Device, v.now); !ok {
			return sealift.Errorf(sealift.KindExhausted, op, "more than %d reports an hour come from device %s", sealift.ReportsPerHour, v.req.Device).
				WithReason("rate").WithHint("report again in %d minutes", int(wait/time.Minute)+1)
		}
	case trust.RequestChannel:
		wait, ok := r.choices.Admit(v.req.Device, v.now)
		if ok {
			wait, ok = r.appChoices.Admit(v.req.App, v.now)
		}
		if !ok {
			return sealift.Errorf(sealift.KindExhausted, op, "device %s asks for channels more than %d times an hour, or the devices of %s more than %d times", v.req.Device, sealift.ChoicesPerHour, v.req.App, sealift.AppChoicesPerHour).
				WithReason("rate").WithHint("ask again in %d minutes", int(wait/time.Minute)+1)
		}
	}
	return nil
}

// giveBack takes back that a request was counted which had come before: whoever
// sends a device's message again must not use up what it may say.
func (r *rates) giveBack(v *visit) {
	switch v.req.Kind {
	case trust.RequestReport:
		r.reports.Return(v.req.Device)
	case trust.RequestChannel:
		r.choices.Return(v.req.Device)
		r.appChoices.Return(v.req.App)
	}
}
