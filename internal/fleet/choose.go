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
