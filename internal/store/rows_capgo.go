package store

import (
	"time"

	"github.com/sealift/sealift"
)

// CapgoBundle is what devices that run Capgo's plugin are told of a release.
type CapgoBundle struct {
	App      sealift.AppID
	Release  sealift.Digest // of release.json
	Document []byte         // JSON of a capgo.Bundle
	Created  time.Time
	MAC      []byte // see Authentic
}

// CapgoDraft is what a draft that waits is to become for such devices.
type CapgoDraft struct {
	Draft    string
	Document []byte         // JSON of a capgo.Plan; empty where Source has its bundle
	Source   sealift.Digest // the release whose bundle it carries on; zero for none
	Created  time.Time
	MAC      []byte // see Authentic
}
