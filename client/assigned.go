package client

import (
	"context"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// assigned is what the device was told last of where the vault put it.
type assigned struct {
	Channel  sealift.Channel `json:"channel,omitempty"` // empty: on none any more
	Sequence uint64          `json:"sequence"`
	Expires  time.Time       `json:"expires"`
}

// at returns the channel that it is on at now, or none.
func (a *assigned) at(now time.Time) sealift.Channel {
	if a == nil || !now.Before(a.Expires) {
		return ""
	}
	return a.Channel
}

// assignment returns the channel that the vault put the device on, or none; kept is
// what it was told last. It goes by the document of the highest sequence that the
// device ever saw: an older one is one of before, and none at all is one that somebody
// hides, so what the device saw stays until it expires.
func (d *Device) assignment(ctx context.Context, kept *assigned) (sealift.Channel, error) {
	data, err := d.meta.Delegated(ctx, trust.AssignPath(d.keys.id))
	if sealift.KindOf(err) == sealift.KindNotFound {
		return kept.at(d.meta.Now()), nil
	}
	if err != nil {
		return "", err
	}
	told, err := trust.ParseAssignment(data, d.cfg.App, d.keys.id)
	if err != nil {
		return "", err
	}
	if err := told.CheckSequence(d.meta.Now()); err != nil {
		return "", err
	}
	if kept != nil && told.Sequence <= kept.Sequence {
		return kept.at(d.meta.Now()), nil
	}
	s, err := d.store.change(func(s *state) error {
		if s.Assigned == nil || s.Assigned.Sequence < told.Sequence { // else another process was told of a later one
			s.Assigned = &assigned{Channel: told.Channel, Sequence: told.Sequence, Expires: told.Expires.Time}
		}
		return nil
	})
	return s.Assigned.at(d.meta.Now()), err
}
