package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

// shared is a folder whose agent's lock everybody gets. It tells of each write of the
// state that is about to be.
type shared struct {
	client.Files
	writing func()
}

func (f shared) Lock(name string) (io.Closer, error) {
	switch name {
	case "agent.lock":
		return io.NopCloser(nil), nil
	case "state.lock":
		f.writing()
	}
	return f.Files.Lock(name)
}

// known is what no process may put back, as it stands in state.json.
type known struct {
	Memory    client.Memory     `json:"memory"`
	Log       trust.Seen        `json:"log"`
	Assigned  json.RawMessage   `json:"assigned"`
	Confirmed sealift.Counter   `json:"confirmed"`
	Installed *client.Installed `json:"installed"`
	Pending   *client.Pending   `json:"pending"`
	Refused   []sealift.Digest  `json:"refused"`
	Blocked   bool              `json:"blocked"`
	Reports   struct {
		Channel sealift.Channel `json:"channel"`
	} `json:"reports"`
}

func (s *scene) known() (k known) {
	s.Helper()
	data, err := os.ReadFile(filepath.Join(s.config.Dir, "state.json"))
	s.must(err)
	s.must(json.Unmarshal(data, &k))
	return k
}

// rivalry is two processes in one folder.
type rivalry struct {
	before, act, rival func(s *scene)
	check              func(then, now known) string // nil: all is as the rival left it
	end                sealift.Version
}

// play has act be overtaken by the rival at each of its writes of the state in turn.
func (r rivalry) play(t *testing.T) {
	if r.act == nil {
		r.act = func(s *scene) { _ = s.update() } // it may well fail
	}
	if r.check == nil {
		r.check = func(then, now known) string { return cmp.Diff(then, now) }
	}
	writes := 0
	for came := true; came; writes++ {
		came = false
		play(t, func(s *scene) {
			r.before(s)
			left, armed := writes, false
			var then known
			s.host.wrap = func(f client.Files) client.Files {
				return shared{f, func() {
					if left--; !armed || left != -1 {
						return
					}
					mine, config := s.device, s.config
					r.rival(s)
					then, came = s.known(), true
					if s.device != mine {
						s.must(s.device.Close())
					}
					s.device, s.config = mine, config
				}}
			}
			s.reopen()
			s.host.wrap = nil
			left, armed = writes, true
			r.act(s)
			if !came {
				return
			}
			if diff := r.check(then, s.known()); diff != "" {
				t.Errorf("overtaken at write %d: %s", writes, diff)
			}
			s.reopen()
			s.wantVersion(fmt.Sprint("overtaken at write ", writes), r.end)
		})
	}
	if writes < 4 {
		t.Errorf("only %d writes", writes)
	}
}

// What one process has seen, another one that saw less does not undo.
func TestRivals(t *testing.T) {
	floor := func(s *scene, version sealift.Version) {
		s.world.Deny.Floors = map[sealift.AppID]trust.Floor{s.config.App: {Version: version}}
		s.must(s.world.Direct())
	}
	first := func(s *scene) {
		s.publish("1.0.0")
		s.must(s.update())
	}
	for name, r := range map[string]rivalry{
		"newer metadata": {
			before: func(s *scene) {
				first(s)
				s.publishTo("beta", "1.1.0")
				s.assign("beta", nil)
				floor(s, "1.0.5")
			},
			rival: func(s *scene) {
				s.world.Advance(time.Minute)
				s.assign("production", nil)
				s.publish("1.2.0")
				floor(s, "1.1.5")
				s.open()
				s.must(s.update())
			},
			end: "1.2.0",
		},
		"a release that failed": {
			before: func(s *scene) { first(s); s.publish("1.1.0") },
			rival: func(s *scene) {
				s.config.HealthCheck = func(context.Context, string) error { return errors.New("the screen stays dark") }
				s.open()
				s.refused(s.update(), sealift.KindRollback, "unhealthy")
			},
			end: "1.0.0",
		},
		"another candidate": {
			before: func(s *scene) {
				first(s)
				older, err := s.world.Prepare(sealifttest.Spec{Version: "1.1.0", Runtime: ">=2.0.0", Bundle: content("1.1.0")})
				s.must(err)
				newer, err := s.world.Prepare(sealifttest.Spec{Version: "1.2.0", Bundle: content("1.2.0")})
				s.must(err)
				s.offer(older.Candidate, newer.Candidate)
			},
			rival: func(s *scene) {
				s.config.Runtime = "1.0.0"
				s.open()
				s.must(s.update())
			},
			end: "1.2.0",
		},
		"who confirms": {
			before: func(s *scene) { s.waiting(); floor(s, "1.0.5") },
			act: func(s *scene) {
				_, err := s.device.Check(s.Context())
				s.must(err)
			},
			rival: func(s *scene) {
				_, err := client.ConfirmIn(s.host, s.config.Dir)
				s.must(err)
			},
			check: func(_, now known) string {
				if now.Blocked || now.Installed.Version != "1.1.0" {
					return fmt.Sprintf("%+v", now)
				}
				return ""
			},
			end: "1.1.0",
		},
	} {
		t.Run(name, r.play)
	}
}

// What was seen of the log with a release that waits counts for the urgent one beside
// it.
func TestLogBesideUrgent(t *testing.T) {
	play(t, func(s *scene) {
		s.quiet()
		hotfix := s.urgent("1.1.1", "")
		canary := s.publish("1.2.0")
		s.offer(canary.Candidate, hotfix.Candidate)
		s.must(s.update())
		s.wantInstalled("1.1.1")
		if got, want := s.known().Log.Size, s.world.LogSize(); got != want {
			t.Errorf("the log was seen at %d, and is remembered at %d", want, got)
		}
	})
}
