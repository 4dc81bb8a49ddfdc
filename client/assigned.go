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
	Keys     sealift.Digest  `json:"keys"` // of the director that said it; zero if told before this was kept
}

// at returns the channel that it is on at now, or none.
func (a *assigned) at(now time.Time) sealift.Channel {
	if a == nil || !now.Before(a.Expires) {
		return ""
	}
	return a.Channel
}

// under returns a if the director said it that has these keys, and else nil.
func (a *assigned) under(keys sealift.Digest) *assigned {
	if a == nil || a.Keys != keys {
		return nil
	}
	return a
}

// assignment returns the channel that the vault put the device on, or none; kept is
// what it was told last. It goes by the document of the highest sequence that the
// device ever saw: an older one is one of before, and none at all is one that somebody
// hides, so what the device saw stays until it expires. What was said under other keys of the
// director than those that people name by now counts no more, as with a Memory: whoever
// stole them may have said it.
func (d *Device) assignment(ctx context.Context, kept *assigned) (sealift.Channel, error) {
	keys, err := d.meta.directors()
	if err != nil {
		return "", err
	}
	kept = kept.under(keys)
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
		if now := s.Assigned.under(keys); now == nil || now.Sequence < told.Sequence { // else another process was told of a later one
			s.Assigned = &assigned{Channel: told.Channel, Sequence: told.Sequence, Expires: told.Expires.Time, Keys: keys}
		}
		return nil
	})
	return s.Assigned.at(d.meta.Now()), err
}
