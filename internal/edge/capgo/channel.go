package capgo

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/stats"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
)

// The answers about channels, with exact types.
type (
	channelDone struct {
		Status string `json:"status"`
		Unset  bool   `json:"unset,omitempty"`
	}
	channelIs struct {
		Channel  string `json:"channel"`
		Status   string `json:"status"` // "default" or "override"
		AllowSet bool   `json:"allowSet"`
	}
	channelListed struct {
		ID           int64  `json:"id"`
		Name         string `json:"name"`
		Public       bool   `json:"public"`
		AllowSelfSet bool   `json:"allow_self_set"`
	}
	saidChannel struct {
		said
		Channel text `json:"channel"`
	}
)

// The plugin's codes of what is not to be.
const (
	codeNoSuch  = "channel_not_found"
	codeNotSelf = "channel_self_set_not_allowed"
	codeRate    = "too_many_requests"
)

// asking is a question about channels.
type asking struct {
	in   Info
	app  *App
	said saidChannel
}

// channelSelf answers questions about channels.
func (e *Edge) channelSelf(w http.ResponseWriter, r *http.Request) {
	q, f := e.asked(w, r)
	if f != nil {
		e.refuse(w, callChannel, f)
		return
	}
	var out any
	var err error
	switch r.Method {
	case http.MethodPut:
		out, f = e.channelOf(q)
	case http.MethodGet:
		out = q.channels()
	case http.MethodDelete:
		out, f, err = e.choose(r.Context(), q, "", e.Address(r))
	default:
		if q.said.Channel == "" {
			f = &fault{codeMissing, "channel is missing"}
		} else {
			out, f, err = e.choose(r.Context(), q, string(q.said.Channel), e.Address(r))
		}
	}
	if err != nil {
		e.complainTo(r, "keeping the channel of a Capgo device", err)
		e.later(w, callChannel, "failed", time.Minute)
		return
	}
	if f != nil {
		e.refuse(w, callChannel, f)
		return
	}
	body, err := encode(out)
	if err != nil {
		e.broken(w, callChannel, err)
		return
	}
	e.answer(w, callChannel, "ok", body)
}

// asked reads a question from the body, or from the query where there is none.
func (e *Edge) asked(w http.ResponseWriter, r *http.Request) (q asking, f *fault) {
	body, f := readBody(w, r, sealift.MaxCapgoBody)
	switch {
	case f != nil:
		return q, f
	case len(body) > 0 && r.Method != http.MethodGet:
		f = unmarshal(body, &q.said)
	default:
		q.said.said = fromQuery(r.URL.Query())
	}
	if f == nil {
		q.in, f = q.said.identity()
	}
	if f == nil {
		if q.app = e.app(q.in.App); q.app == nil {
			f = noApp()
		}
	}
	return q, f
}

// channelOf tells a device on which channel it is.
func (e *Edge) channelOf(q asking) (any, *fault) {
	on, assigned := q.app.place(&q.in, e.memory.chosen(q.in.App, q.in.Device))
	if on == nil || on.Rules.Private && !assigned {
		return nil, &fault{codeNoSuch, "the device is on no channel"}
	}
	is := channelIs{Channel: string(on.Name), Status: "override", AllowSet: on.SelfAssign}
	if on.Name == q.app.Default {
		is.Status = "default"
	}
	return is, nil
}

// channels lists those that the device may be on at its own word, by name.
func (q asking) channels() any {
	list := []channelListed{}
	build := trust.BuildProduction
	if !q.in.Production {
		build = trust.BuildDevelopment
	}
	for _, c := range q.app.Channels {
		device := trust.ChannelDevice{Platform: q.in.Platform, Runtime: q.in.Build, Build: build, Emulator: q.in.Emulator, Assigned: true}
		if q.in.Build == "" {
			device.Runtime, _ = c.Rules.Runtime.Sample()
		}
		if c.open() && c.Rules.Excludes(device) == "" {
			list = append(list, channelListed{ID: c.Number(q.app.ID), Name: string(c.Name), Public: !c.Rules.Private, AllowSelfSet: c.SelfAssign})
		}
	}
	slices.SortFunc(list, func(a, b channelListed) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// choose puts a device on the channel that it asks for, or on none of its own choice,
// as does asking for the app's default. A plugin that keeps its channel by itself is
// only told whether it may: what the server kept would outlive what it forgets.
func (e *Edge) choose(ctx context.Context, q asking, want, address string) (any, *fault, error) {
	done := channelDone{Status: "ok"}
	keep := sealift.Channel(want)
	switch c := q.app.Channels[keep]; {
	case want == "":
	case c == nil || c.Archived:
		return nil, &fault{codeNoSuch, "the app has no such channel"}, nil
	case c.Name == q.app.Default:
		keep, done.Unset = "", dropsChannel.can(q.in.Plugin)
	case !c.SelfAssign:
		return nil, &fault{codeNotSelf, "devices may not put themselves on this channel"}, nil
	case keepsChannel.can(q.in.Plugin):
		keep = ""
	}
	if keep == e.memory.chosen(q.in.App, q.in.Device) {
		return done, nil, nil
	}
	f, err := e.keepChoice(ctx, q, keep, address)
	return done, f, err
}

// keepChoice keeps the channel that a device asked for, durably.
func (e *Edge) keepChoice(ctx context.Context, q asking, keep sealift.Channel, address string) (*fault, error) {
	if _, admitted := e.choices.Admit(stats.NetworkOf(address), e.Now()); !admitted {
		return &fault{codeRate, "too many devices of this network change their channel: try again in an hour"}, nil
	}
	if keep != "" && e.memory.choices(q.in.App) >= sealift.MaxCapgoChosen {
		return &fault{codeNotSelf, "too many devices are on a channel at their own request"}, nil
	}
	in := checkIn{device: e.device(&q.in, &q.said.said, ""), address: address}
	room := true
	err := e.Store.Update(ctx, func(tx store.Tx) error {
		row, _, err := e.deviceBefore(ctx, tx, &in)
		if room = row.ID != ""; err != nil || !room {
			return err
		}
		row.Chosen, row.Seen = keep, in.device.Seen
		return tx.UpdateCapgoDevice(ctx, row)
	})
	if err != nil {
		return nil, err
	}
	if !room {
		return &fault{codeRate, "too many new devices come from this network: try again in an hour"}, nil
	}
	e.memory.note(choose(q.in.App, q.in.Device, keep))
	return nil, nil
}
