package client

import (
	"context"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// SetChannel asks the vault to put the device on a channel, whatever Config.Channel
// says; an empty one is to follow that again. The channel must let devices do so, and
// nobody else may have put the device somewhere by name: otherwise the vault's refusal
// is the error, of KindDenied with reason "channel" or "assigned". What the vault
// grants it has the director sign: the device follows the channel from its next check
// on, as far as that is published by then.
func (d *Device) SetChannel(ctx context.Context, channel sealift.Channel) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	const op = "asking the vault for a channel"
	if channel != "" {
		if _, err := sealift.ParseChannel(string(channel)); err != nil {
			return err
		}
	}
	s, err := d.store.load()
	if err != nil {
		return err
	}
	if !s.Enrolled {
		return d.notEnrolled(op)
	}
	rules, err := d.refresh(ctx)
	if err != nil {
		return err
	}
	answer, err := d.ask(ctx, rules, trust.RequestChannel, func(*trust.Request) any { return trust.ChannelRequest{Channel: channel} })
	if err != nil {
		return err
	}
	var chosen trust.ChannelChosen
	if err := trust.DecodeBody(answer.Body, &chosen); err != nil {
		return err
	}
	if channel != "" && chosen.Channel != channel {
		return sealift.Errorf(sealift.KindDenied, op, "the vault chose %.80q, this device asked for %s", chosen.Channel, channel).WithReason("channel")
	}
	return nil
}

func (d *Device) notEnrolled(op string) error {
	return sealift.Errorf(sealift.KindDenied, op, "this device is not enrolled").
		WithReason("not-enrolled").WithHint("enrol it first, with a token from: sealift enrol token --app %s --out FILE", d.cfg.App)
}
