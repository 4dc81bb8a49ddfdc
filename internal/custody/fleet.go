package custody

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// fleet says how far the fleet is from letting go of a version that it may retire.
func (c *Cabinet) fleet(ctx context.Context, tx store.Tx, k vault.KeyInfo, now time.Time) (service.FleetRetirement, error) {
	f := service.FleetRetirement{SeenWithin: k.FleetWindow, NotBefore: k.Changed.Add(sealift.FleetPatience)}
	err := c.online.Idle(ctx, tx, k)
	if used := new(sealift.Error); errors.As(err, &used) && used.Kind == sealift.KindConflict {
		f.Waits, f.Hint = used.Err.Error(), used.Hint
	} else if err != nil {
		return f, err
	}
	if f.Root, f.Targets, err = c.online.Forgotten(ctx, tx, k.Purpose); err != nil {
		return f, err
	}
	counted, err := tx.CountFleet(ctx, now.Add(-k.FleetWindow), f.Root, f.Targets)
	if err != nil {
		return f, err
	}
	f.Devices, f.Behind, f.Oldest = counted.Devices, counted.Behind, counted.Oldest
	if f.Waits != "" { // the document that leaves it out is yet to come, so nobody has it
		f.Behind, f.Oldest = f.Devices, time.Time{}
	}
	return f, nil
}

// due says why a version is to be destroyed now; "" for not yet. The date stands
// whatever devices say, so that no device, lost or lying, holds a key alive for
// ever. Before it, all devices that somebody vouched for, and that are there, must
// have said themselves that they do not believe the version any more: one that
// enrolled openly counts for nothing, in either direction, and where there is none
// that counts nobody has said anything.
func (c *Cabinet) due(ctx context.Context, tx store.Tx, k vault.KeyInfo, now time.Time) (why string, err error) {
	switch {
	case k.RetireAt.IsZero():
		return "", nil
	case !now.Before(k.RetireAt):
		return "the date of its retirement has come", nil
	case k.FleetWindow == 0 || now.Before(k.Changed.Add(sealift.FleetPatience)):
		return "", nil
	}
	f, err := c.fleet(ctx, tx, k, now)
	if err != nil || f.Waits != "" || f.Devices == 0 || f.Behind > 0 {
		return "", err
	}
	return fmt.Sprintf("none of the %d devices of the last %d days believes it any more", f.Devices, k.FleetWindow/(24*time.Hour)), nil
}

// retire destroys a version if it is due, and reports whether it was.
func (c *Cabinet) retire(ctx context.Context, k vault.KeyInfo) (done bool, err error) {
	now := c.now().UTC()
	var why string
	err = c.store.View(ctx, func(tx store.Tx) (err error) {
		why, err = c.due(ctx, tx, k, now)
		return err
	})
	if err != nil || why == "" {
		return false, err
	}
	_, err = c.changed(ctx, func(tx *vault.Tx, now time.Time) (vault.KeyInfo, error) {
		info, err := c.vault.Lookup(ctx, tx, k.Ref)
		if err != nil {
			return info, err
		}
		if why, err = c.due(ctx, tx, info, now); err != nil || why == "" { // somebody changed it meanwhile
			return info, err
		}
		if err := c.online.Idle(ctx, tx, info); err != nil {
			return info, err
		}
		return c.vault.Transition(ctx, tx, info.Ref, info.State, vault.Destroyed, keeper, why, now)
	})
	return err == nil && why != "", err
}

// mayAskFleet refuses to let the fleet retire what devices are not asked about.
func (c *Cabinet) mayAskFleet(ctx context.Context, tx *vault.Tx, ref vault.Ref) error {
	info, err := c.vault.Lookup(ctx, tx, ref)
	if err != nil {
		return err
	}
	if info.State == vault.Compromised {
		return sealift.Errorf(sealift.KindDenied, "retiring key "+ref.String(), "it is compromised: nobody waits for devices to let go of it").WithReason(vault.ReasonState).
			WithHint("hold the ceremony that leaves it out, then: sealift key destroy %s --version %d --reason TEXT", ref.ID, ref.Version)
	}
	_, _, err = c.online.Forgotten(ctx, tx, info.Purpose)
	return err
}
