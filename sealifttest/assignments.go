package sealifttest

import (
	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// Assign has the director say on which channel a device is. A Sequence of 0 is the
// World's time, as a vault's would be, and a zero Expires is sealift.AssignmentLife
// from then. Whether the device may have the channel's keys, nobody looks at here.
func (w *World) Assign(a trust.Assignment) error {
	if a.Sequence == 0 {
		a.Sequence = uint64(w.Now().Unix())
	}
	if a.Expires.IsZero() {
		a.Expires = trust.At(w.Now().Add(sealift.AssignmentLife))
	}
	content, err := a.Encode()
	if err != nil {
		return err
	}
	return w.Direct(target(trust.AssignPath(a.Device), content))
}

// choose puts a device on the channel that it asks for, if devices may: SelfAssign.
func (w *World) choose(req *trust.Request) (trust.ChannelChosen, error) {
	var want trust.ChannelRequest
	if err := trust.DecodeBody(req.Body, &want); err != nil {
		return trust.ChannelChosen{}, err
	}
	if want.Channel != "" && !w.SelfAssign[want.Channel] {
		return trust.ChannelChosen{}, sealift.Errorf(sealift.KindDenied, "choosing a channel", "devices may not put themselves on %.64s", want.Channel).WithReason("channel")
	}
	sequence := uint64(w.Now().Unix())
	err := w.Assign(trust.Assignment{App: req.App, Device: req.Device, Channel: want.Channel, Sequence: sequence})
	return trust.ChannelChosen{Channel: want.Channel, Sequence: sequence}, err
}

// Unlist has the director list the assignment of a device no more.
func (w *World) Unlist(device sealift.DeviceID) error {
	return w.Direct(target(trust.AssignPath(device), nil))
}

// enrolled returns the devices of the World.
func (w *World) enrolled() (ids []sealift.DeviceID) {
	w.desk.mu.Lock()
	defer w.desk.mu.Unlock()
	for id := range w.desk.devices {
		ids = append(ids, id)
	}
	return ids
}

// assignmentAttacks are those of a thief of the director's key on where devices are.
func assignmentAttacks() []Attack {
	attack := func(name, title, reason string, bend func(*World, *trust.Assignment)) Attack {
		return Attack{
			Name: name, Title: title, Stolen: stolenDirector, Kind: sealift.KindMetadata, Reasons: []string{reason},
			stage: func(w *World, next Spec) (func() error, error) {
				var bent, gone []tufrepo.Target
				for _, id := range w.enrolled() {
					a := trust.Assignment{
						App: Default.App, Device: id, Channel: Default.Channel,
						Sequence: uint64(w.Now().Unix()), Expires: trust.At(w.Now().Add(sealift.AssignmentLife)),
					}
					bend(w, &a)
					content, err := a.Encode()
					if err != nil {
						return nil, err
					}
					bent = append(bent, target(trust.AssignPath(id), content))
					gone = append(gone, target(trust.AssignPath(id), nil))
				}
				if _, err := w.Publish(next); err != nil {
					return nil, err
				}
				return func() error { return w.Direct(gone...) }, w.Direct(bent...)
			},
		}
	}
	return []Attack{
		attack("assignment-of-another-device", "the assignment of another device in the place of this one's", "malformed",
			func(_ *World, a *trust.Assignment) { a.Device = sealift.DeviceIDOf([]byte("another device")) }),
		attack("assignment-of-another-app", "an assignment of the same device for another app", "malformed",
			func(_ *World, a *trust.Assignment) { a.App = "com.acme.other" }),
		attack("assignment-fast-forward", "an assignment numbered so high that none could follow", "sequence",
			func(_ *World, a *trust.Assignment) { a.Sequence = 1 << 40 }),
	}
}
