package control

import (
	"cmp"
	"maps"
	"net/http"
	"slices"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/trust"
)

// ListChannels implements GET /apps/{app}/channels.
func (h *handler) ListChannels(w http.ResponseWriter, r *http.Request, app api.InApp) {
	h.do(w, r, access.ListChannels, app, http.StatusOK, func(access.Caller) (any, error) {
		id, err := sealift.ParseAppID(app)
		if err != nil {
			return nil, err
		}
		channels, err := h.Apps.Channels(r.Context(), id)
		return api.ChannelList{Channels: each(channels, channelOut)}, err
	})
}

// CreateChannel implements POST /apps/{app}/channels.
func (h *handler) CreateChannel(w http.ResponseWriter, r *http.Request, app api.InApp) {
	h.do(w, r, access.CreateChannel, app, http.StatusCreated, func(by access.Caller) (any, error) {
		id, err := sealift.ParseAppID(app)
		if err != nil {
			return nil, err
		}
		var body api.NewChannel
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		name, err := sealift.ParseChannel(body.Name)
		if err != nil {
			return nil, err
		}
		channel, err := h.Apps.CreateChannel(r.Context(), by, id, name)
		return channelOut(channel), err
	})
}

// GetChannel implements GET /apps/{app}/channels/{channel}.
func (h *handler) GetChannel(w http.ResponseWriter, r *http.Request, app api.InApp, channel api.InChannel) {
	h.do(w, r, access.ListChannels, app, http.StatusOK, func(access.Caller) (any, error) {
		id, name, err := channelIn(app, channel)
		if err != nil {
			return nil, err
		}
		out, err := h.Apps.Channel(r.Context(), id, name)
		return channelOut(out), err
	})
}

// ChangeChannel implements PATCH /apps/{app}/channels/{channel}.
func (h *handler) ChangeChannel(w http.ResponseWriter, r *http.Request, app api.InApp, channel api.InChannel) {
	h.do(w, r, access.ChangeChannel, app, http.StatusOK, func(by access.Caller) (any, error) {
		id, name, err := channelIn(app, channel)
		if err != nil {
			return nil, err
		}
		var body api.ChannelChange
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		change, err := channelChange(body)
		if err != nil {
			return nil, err
		}
		out, err := h.Apps.ChangeChannel(r.Context(), by, id, name, change)
		return channelOut(out), err
	})
}

func channelIn(app, channel string) (sealift.AppID, sealift.Channel, error) {
	id, err := sealift.ParseAppID(app)
	if err != nil {
		return "", "", err
	}
	name, err := sealift.ParseChannel(channel)
	return id, name, err
}

// channelChange reads what is to be set of a channel.
func channelChange(body api.ChannelChange) (service.ChannelChange, error) {
	const op = "checking the channel's settings"
	change := service.ChannelChange{Archived: body.Archived, Default: body.Default, Private: body.Private, SelfAssign: body.SelfAssign, Emulators: body.Emulators, EpochDays: body.EpochDays, UnderNative: body.CapgoUnderNative}
	if body == (api.ChannelChange{}) {
		return change, sealift.Errorf(sealift.KindInvalid, op, "there is nothing to change").WithHint("name what is to be set, such as private")
	}
	if days := body.EpochDays; days != nil && (*days < 0 || *days > sealift.MaxEpochDays) {
		return change, sealift.Errorf(sealift.KindInvalid, op, "an epoch of %d days", *days).WithHint("1 to %d are allowed, or 0 for as long as its key is good", sealift.MaxEpochDays)
	}
	if refuse := body.CapgoRefuseNew; refuse != nil {
		if !refuse.Valid() {
			return change, sealift.Errorf(sealift.KindInvalid, op, "%.20q is no number of a version", *refuse).WithHint("name major, minor or patch, or none")
		}
		number := string(*refuse)
		if *refuse == api.RefuseNewNone {
			number = ""
		}
		change.RefuseNew = &number
	}
	if body.Platforms != nil {
		if len(*body.Platforms) > sealift.MaxRulePlatforms {
			return change, sealift.Errorf(sealift.KindInvalid, op, "%d platforms", len(*body.Platforms)).WithHint("name at most %d, or none for all", sealift.MaxRulePlatforms)
		}
		list, err := parsedEach(*body.Platforms, sealift.ParsePlatform)
		if err != nil {
			return change, err
		}
		change.Platforms = &list
	}
	if body.Runtime != nil {
		runtime, err := sealift.ParseRuntimeRange(string(*body.Runtime))
		if err != nil {
			return change, err
		}
		change.Runtime = &runtime
	}
	if body.Builds != nil {
		list, err := parsedEach(*body.Builds, trust.ParseBuild)
		if err != nil {
			return change, err
		}
		change.Builds = &list
	}
	return change, nil
}

// parsedEach holds each of a list to its form.
func parsedEach[A ~string, B any](as []A, parse func(string) (B, error)) ([]B, error) {
	bs := make([]B, len(as))
	for i, a := range as {
		var err error
		if bs[i], err = parse(string(a)); err != nil {
			return nil, err
		}
	}
	return bs, nil
}

// refuseNewOut is which versions are kept from Capgo devices.
func refuseNewOut(number string) api.RefuseNew {
	return cmp.Or(api.RefuseNew(number), api.RefuseNewNone)
}

func channelOut(c service.Channel) api.Channel {
	out := api.Channel{App: string(c.App), Name: string(c.Name), Epoch: c.Epoch, Created: c.Created.UTC()}
	if s := c.Settings; s != nil {
		out.Settings = &api.ChannelSettings{
			Archived: s.Archived, Default: s.Default, Private: s.Private, SelfAssign: s.SelfAssign,
			Platforms: each(s.Platforms, func(p sealift.Platform) string { return string(p) }),
			Runtime:   string(cmp.Or(s.Runtime, "*")),
			Builds:    each(s.Builds, func(b trust.Build) api.Build { return api.Build(b) }),
			Emulators: s.Emulators, EpochDays: s.EpochDays, CapgoRefuseNew: refuseNewOut(s.RefuseNew), CapgoUnderNative: s.UnderNative, Changed: timeOut(s.Changed),
		}
	}
	for _, p := range c.Policies {
		out.Policies = append(out.Policies, channelPolicyOut(p))
	}
	if d := c.Devices; d != nil {
		out.Devices = &api.ChannelDevices{
			Placed: d.Placed, Following: d.Following, Assigned: d.Assigned, Labelled: d.Labelled, Chosen: d.Chosen, Own: d.Own, Excluded: []api.ExcludedDevices{},
		}
		for _, reason := range slices.Sorted(maps.Keys(d.Excluded)) {
			out.Devices.Excluded = append(out.Devices.Excluded, api.ExcludedDevices{Reason: api.ExcludedDevicesReason(reason), Devices: d.Excluded[reason]})
		}
	}
	return out
}
