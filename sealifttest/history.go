package sealifttest

import (
	"crypto"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// Baseline gives the World a past: 0.9.0, a bad 0.9.1, the roll-back to 0.9.0,
// and then 1.0.0, which it returns, on the default channel. Attacks take what they replay from here.
func (w *World) Baseline() (*Published, error) {
	w.Channels[Default.App] = trust.Channels{App: Default.App, Default: Default.Channel}
	if _, err := w.Publish(Spec{Version: "0.9.0"}); err != nil {
		return nil, err
	}
	bad, err := w.Publish(Spec{Version: "0.9.1"})
	if err != nil {
		return nil, err
	}
	back := &trust.Rollback{
		From: []sealift.Digest{bad.Candidate.Release.Digest}, NotAfter: trust.At(w.Now().Add(30 * 24 * time.Hour)), Reason: "white screen",
	}
	if _, err := w.Publish(Spec{Version: "0.9.0", Act: sealift.ActRollback, Rollback: back}); err != nil {
		return nil, err
	}
	return w.Publish(Spec{Version: "1.0.0"})
}

// published returns the oldest release of an act.
func (w *World) published(act sealift.Act) *Published {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.history {
		if p.Release.Act == act {
			return p
		}
	}
	return nil
}

// Offered returns the release that was offered last, as what the next one may
// have a patch against; none before the first.
func (w *World) Offered() []*Published {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.offered == nil {
		return nil
	}
	return []*Published{w.offered}
}

// newest returns the release that was prepared last.
func (w *World) newest() *Published {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.history[len(w.history)-1]
}

// used returns the highest counter that the vault allocated.
func (w *World) used(app sealift.AppID) sealift.Counter {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counter[app]
}

func (w *World) setUsed(app sealift.AppID, used sealift.Counter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counter[app] = used
}

// Renew changes all that a device fetches once and keeps: trust.json, deny.json
// (each revokes a certificate that never was), channels.json (a channel that never
// was is private) and every channel's epoch. All metadata is signed anew.
func (w *World) Renew() error {
	strange := trust.Revocation{Issuer: sealift.DigestOf([]byte("nobody")), Serial: fmt.Sprint(len(w.Trust.Revoked) + 1)}
	w.Trust.Revoked = append(w.Trust.Revoked, strange)
	w.Deny.Revoked = append(w.Deny.Revoked, strange)
	for app, channels := range w.Channels {
		channels.Channels = maps.Clone(channels.Channels)
		if channels.Channels == nil {
			channels.Channels = map[sealift.Channel]trust.ChannelRules{}
		}
		channels.Channels[sealift.Channel("nobody-"+strange.Serial)] = trust.ChannelRules{Private: true}
		w.Channels[app] = channels
	}
	if err := w.turnEpochs(); err != nil {
		return err
	}
	if err := w.SignTargets(); err != nil {
		return err
	}
	return w.Redirect()
}

func (w *World) turnEpochs() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, path := range slices.Sorted(maps.Keys(w.epochs)) {
		app, channel, _ := strings.Cut(strings.TrimSuffix(path, "/epoch.json"), "/")
		if err := w.turnEpoch(sealift.AppID(app), sealift.Channel(channel)); err != nil {
			return err
		}
	}
	return nil
}

// fastForward is the version that a thief of online keys signs.
const fastForward = 2_000_000_000

// FastForward publishes a timestamp, a snapshot and bins of a version so high
// that, were no key replaced, a device could never take an honest one again.
func (w *World) FastForward() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.honest = maps.Clone(w.roles)
	above := map[string]int64{}
	for role := range w.roles {
		above[role] = fastForward - 1
	}
	return w.directAbove(above, nil, w.now.AddDate(100, 0, 0))
}

// forgetFastForward makes the vault's own metadata the newest again.
func (w *World) forgetFastForward() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.roles = w.honest
}

// ReplaceOnlineKeys makes new director, snapshot and timestamp keys, and a root
// and targets.json that say so: what a vault does after they were stolen.
func (w *World) ReplaceOnlineKeys() error {
	err := w.RotateRoot(func() {
		for _, key := range []*crypto.Signer{&w.Director, &w.Snapshot, &w.Timestamp} {
			*key = NewKey()
		}
	})
	if err != nil {
		return err
	}
	if err := w.SignTargets(); err != nil {
		return err
	}
	return w.Redirect()
}

// saveLog returns the log's size, and what makes it again what it is now.
func (w *World) saveLog() (size int64, restore func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	saved := log{w.log.size, slices.Clone(w.log.hashes)}
	tiles := map[string][]byte{}
	for path, content := range w.files {
		if strings.HasPrefix(path, "log/") {
			tiles[path] = content
		}
	}
	return saved.size, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.log = log{saved.size, append([]tlog.Hash{}, saved.hashes...)}
		maps.Copy(w.files, tiles)
	}
}

// ReplaceLog makes a new log key, forgets all but the first size records of the
// log, and signs a trust.json that names the new key alone: what people do after
// a restore that lost entries which devices saw.
func (w *World) ReplaceLog(size int64) error {
	key, public, err := newLogKey(w.Vault)
	if err != nil {
		return err
	}
	w.ForkLog(size)
	w.mu.Lock()
	w.LogKey, w.Trust.Log = key, trust.Log{Keys: []string{public}}
	w.mu.Unlock()
	if err := w.SignTargets(); err != nil {
		return err
	}
	return w.Direct()
}

func target(path string, content []byte) tufrepo.Target {
	return tufrepo.Target{Path: path, Content: content}
}
