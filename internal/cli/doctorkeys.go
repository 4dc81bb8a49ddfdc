package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/release"
	"github.com/sealift/sealift/internal/vault"
)

// keys looks at each key that is in use, and at its standby.
func (d *doctor) keys(ctx context.Context) {
	const check = "keys"
	keys, err := d.client.Keys(ctx, api.ListKeysParams{})
	if err != nil {
		d.unseen(check, err)
		return
	}
	var first *api.Key
	for i, k := range keys {
		if k.State == "suspended" {
			d.found(check, stateWarning, "%s/%d is suspended", k.ID, k.Version).Hint = fmt.Sprintf("restore it with: sealift key restore %s --version %d --reason TEXT", k.ID, k.Version)
		}
		if k.RetireAt != nil && k.RetireAt.Before(d.now.Add(-time.Hour)) {
			d.found(check, stateWarning, "%s/%d was to be destroyed at %s, and something depends on it still", k.ID, k.Version, k.RetireAt.UTC().Format(time.DateOnly)).
				Hint = fmt.Sprintf("see what with: sealift key destroy %s --version %d --reason TEXT", k.ID, k.Version)
		}
		if k.State == "active" && (first == nil || k.NotAfter.Before(first.NotAfter)) {
			first = &keys[i]
		}
	}
	if first != nil {
		d.ends(check, fmt.Sprintf("the first cryptoperiod to end, of %s/%d,", first.ID, first.Version), first.NotAfter,
			fmt.Sprintf("rotate it: sealift key rotate %s --reason TEXT", first.ID))
	}
	d.standbys(keys)
}

// standbys says which rotation waits for a ceremony, and until when. By itself
// the vault rotates a key when a part in sealift.RotateShare of its cryptoperiod
// is left; a quarter of a year before that, people should know.
func (d *doctor) standbys(keys []api.Key) {
	const check = "standbys"
	waiting := map[string]bool{} // ceremonies
	var ids []string
	var until time.Time
	for _, k := range keys {
		if k.State != "active" || !k.Standby || slices.ContainsFunc(keys, func(s api.Key) bool {
			return s.ID == k.ID && s.State == "pre-active" && s.Vouched != ""
		}) {
			continue
		}
		ids = append(ids, k.ID)
		waiting[release.Ceremony(vault.Purpose(k.Purpose))] = true
		if rotates := k.NotAfter.Add(-k.NotAfter.Sub(k.NotBefore) / sealift.RotateShare); until.IsZero() || rotates.Before(until) {
			until = rotates
		}
	}
	if len(ids) == 0 {
		d.found(check, stateOK, "devices know the next version of every key that signs for them")
		return
	}
	f := d.found(check, stateOK, "devices do not know the next version yet of %s; the first is due to rotate at %s", ids, until.UTC().Format(time.DateOnly))
	if until.Sub(d.now) < 3*soon {
		f.State = stateWarning
		for _, command := range []string{release.Ceremony(vault.PurposeTimestamp), release.Ceremony(vault.PurposeDirector)} {
			if waiting[command] {
				f.Hint += map[bool]string{true: "have people vouch for it: ", false: ", and "}[f.Hint == ""] + command
			}
		}
	}
}
