package fleet

import (
	"context"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
)

// choose puts the device on the channel that it asks for, if that lets devices put
// themselves on it; or takes it off the one that it asked for before. What a person
// said of it by name stands.
func (v *visit) choose(ctx context.Context) (trust.ChannelChosen, error) {
	const op = "choosing a channel"
	var want trust.ChannelRequest
	if err := trust.DecodeBody(v.req.Body, &want); err != nil {
		return trust.ChannelChosen{}, err
	}
	if err := v.demandActive(op); err != nil {
		return trust.ChannelChosen{}, err
	}
	was, err := v.desk.assignment(ctx, v.tx, v.req.App, v.req.Device)
	if err != nil {
		return trust.ChannelChosen{}, err
	}
	if was.Origin == store.ByPerson && assigned(was, was.Channel, v.now) {
		return trust.ChannelChosen{}, sealift.Errorf(sealift.KindDenied, op, "a person put the device on channel %s", was.Channel).WithReason("assigned").
			WithHint("have an operator take it off: sealift device unassign %s --app %s --reason TEXT", v.req.Device, v.req.App)
	}
	a := v.desk.assigning(v.tx, v.actor(), "it asked for it")
	if err := a.mayLeave(ctx, was, want.Channel); err != nil {
		return trust.ChannelChosen{}, err
	}
	next, err := a.chosen(ctx, was, v.device, want.Channel)
	if err != nil {
		return trust.ChannelChosen{}, err
	}
	chosen := trust.ChannelChosen{Channel: next.Channel, Sequence: was.Sequence}
	if next.Channel == was.Channel && next.Origin == was.Origin || next.Channel == "" && was.Channel == "" {
		return chosen, nil
	}
	if err := a.put(ctx, was, next); err != nil {
		return trust.ChannelChosen{}, err
	}
	chosen.Sequence = a.made[0].Sequence
	return chosen, a.finish(ctx)
}

// mayLeave refuses to let a device leave, by its own word, a private channel that a
// label put it on: it could come back by its word, and each time the epoch would turn,
// which voids what waits to be published there.
func (a *assigning) mayLeave(ctx context.Context, was store.Assignment, want sealift.Channel) error {
	if was.Origin != store.ByLabel || was.Channel == "" || want == "" || want == was.Channel {
		return nil
	}
	rules, err := a.rules(ctx, was.App, was.Channel)
	if err != nil || !turnsWhenLeft(rules) {
		return err
	}
	return sealift.Errorf(sealift.KindDenied, "choosing a channel", "a label put the device on the private channel %s", was.Channel).WithReason("assigned").
		WithHint("have an operator take the label off it: sealift device label remove %s --app %s --label LABEL --reason TEXT", was.Device, was.App)
}

// chosen is where a device is that asks for a channel, or for none.
func (a *assigning) chosen(ctx context.Context, was store.Assignment, device store.Device, want sealift.Channel) (store.Assignment, error) {
	const op = "choosing a channel"
	if want == "" {
		return a.fallback(ctx, was, device, store.ByDevice)
	}
	next := store.Assignment{App: device.App, Device: device.ID, Channel: want, Origin: store.ByDevice}
	if _, err := sealift.ParseChannel(string(want)); err != nil {
		return next, err
	}
	rules, err := a.rules(ctx, device.App, want)
	if sealift.KindOf(err) != sealift.KindNotFound && err != nil {
		return next, err
	}
	if err != nil || !rules.SelfAssign || rules.Archived {
		return next, sealift.Errorf(sealift.KindDenied, op, "there is no channel %s that devices may put themselves on", want).WithReason("channel").
			WithHint("let devices do so with: sealift channel set %s --app %s --self-assign yes", want, device.App)
	}
	if was.Channel != "" && was.Origin == store.ByDevice {
		return next, nil // it is one of those that are counted
	}
	n, err := a.tx.CountAssignments(ctx, store.ByDevice)
	if err == nil && n >= sealift.MaxChosen {
		err = sealift.Errorf(sealift.KindDenied, op, "%d devices are on a channel at their own request, at most %d may be", n, sealift.MaxChosen).WithReason("assignments").
			WithHint("let the device follow the channel by its own configuration")
	}
	return next, err
}
