package cli

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sealift/sealift/internal/control/api"
)

// trust looks at what people sign with the targets keys, and at what waits for
// them to.
func (d *doctor) trust(ctx context.Context) {
	said, err := d.client.Trust(ctx)
	var targets signedPart
	if err == nil {
		err = json.Unmarshal(said.Targets, &targets)
	}
	if err != nil {
		d.unseen("targets", err)
		return
	}
	d.ends("targets", "targets.json", targets.Signed.Expires, "sign it anew with: sealift trust propose --keys DIR --renew")
	d.denials(ctx)
}

// unconfirmed is how long a denial may wait for people before the doctor speaks
// of it: until then it hangs on the director's key alone.
const unconfirmed = 30 * 24 * time.Hour

func (d *doctor) denials(ctx context.Context) {
	const check = "denials"
	denials, err := d.client.Denials(ctx)
	if err != nil {
		d.unseen(check, err)
		return
	}
	forged, active, old := 0, 0, 0
	for _, denial := range denials {
		switch {
		case denial.Forged:
			forged++
		case denial.State != api.DenialStateActive:
		case d.now.Sub(denial.Created) > unconfirmed:
			old++
			active++
		default:
			active++
		}
	}
	switch {
	case forged > 0:
		d.found(check, stateFailed, "%d were not written by the vault", forged).Hint = "somebody writes to the database: see sealift deny list --all"
	case old > 0:
		d.found(check, stateWarning, "%d of %d wait for longer than %d days to be confirmed", old, active, int(unconfirmed/(24*time.Hour))).Hint = "hold a ceremony: sealift trust propose --keys DIR --confirm-denials"
	default:
		d.found(check, stateOK, "%d wait to be confirmed", active)
	}
}
