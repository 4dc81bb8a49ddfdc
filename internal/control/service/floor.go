package service

import (
	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
)

// AppFloor is under which floor devices run nothing of an app, and what it means
// for them.
type AppFloor struct {
	App      sealift.AppID
	Trust    trust.Floor           // that people signed into trust.json
	Deny     trust.Floor           // that stands in deny.json until they do
	Floor    trust.Floor           // the higher of both, and of what was asked about
	Active   int64                 // devices that are enrolled and not revoked
	Under    int64                 // of them, those that say they run something under it
	Versions []store.DeviceVersion // what those run, the most frequent first
	Unserved []Place               // where something is offered, and nothing that holds it
}

// Place is where an offer is for.
type Place struct {
	Channel  sealift.Channel
	Platform sealift.Platform
	Devices  int64 // that are on it, as ChannelDevices has them; 0 where they are not counted
}
