package capgo

import (
	"crypto/sha256"
	"sync"

	"github.com/sealift/sealift"
)

// mark stands for a release that failed on a device.
type mark [16]byte

func markOf(app sealift.AppID, device sealift.DeviceID, release sealift.Digest) (m mark) {
	text := make([]byte, 0, 256)
	text = append(append(append(text, app...), '/'), device...)
	sum := sha256.Sum256(append(text, release[:]...))
	copy(m[:], sum[:])
	return m
}

// memory is what decisions look at beside the catalog: on which of the few devices
// something on offer failed, and which asked to be on a channel. Whatever else a
// device says is in the store alone. The zero value is empty; it is safe for
// concurrent use.
type memory struct {
	mu     sync.RWMutex
	held   held
	asking bool          // the store, for all of it
	since  []func(*held) // what was noted meanwhile
}

type held struct {
	failed map[mark]struct{}
	chosen map[who]sealift.Channel
}

type who struct {
	app    sealift.AppID
	device sealift.DeviceID
}

func newHeld() held { return held{map[mark]struct{}{}, map[who]sealift.Channel{}} }

func (m *memory) failed(app sealift.AppID, device sealift.DeviceID, release sealift.Digest) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if len(m.held.failed) == 0 {
		return false
	}
	_, failed := m.held.failed[markOf(app, device, release)]
	return failed
}

func (m *memory) chosen(app sealift.AppID, device sealift.DeviceID) sealift.Channel {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.held.chosen[who{app, device}]
}

// choices is how many devices of an app are on a channel at their own request.
func (m *memory) choices(app sealift.AppID) (n int) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for of := range m.held.chosen {
		if of.app == app {
			n++
		}
	}
	return n
}

// note changes what is held, as the store was changed just now.
func (m *memory) note(change func(*held)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held.failed == nil {
		m.held = newHeld()
	}
	change(&m.held)
	if m.asking {
		m.since = append(m.since, change)
	}
}

// fail is that releases failed on a device. It is not held where a great many are: then
// the device fetches again what the store alone knows of.
func fail(app sealift.AppID, device sealift.DeviceID, releases []sealift.Digest) func(*held) {
	return func(h *held) {
		for _, release := range releases {
			if len(h.failed) >= sealift.MaxCapgoFailed {
				return
			}
			h.failed[markOf(app, device, release)] = struct{}{}
		}
	}
}

// choose is that a device is on a channel at its own request, or on none any more.
func choose(app sealift.AppID, device sealift.DeviceID, channel sealift.Channel) func(*held) {
	return func(h *held) {
		if channel == "" {
			delete(h.chosen, who{app, device})
		} else {
			h.chosen[who{app, device}] = channel
		}
	}
}

// begin is called before the store is asked for all of it, replace with what it said,
// and end in any case: what was noted in between is no less true.
func (m *memory) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asking, m.since = true, nil
}

func (m *memory) replace(with held) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, change := range m.since {
		change(&with)
	}
	m.held = with
}

func (m *memory) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asking, m.since = false, nil
}
