package vault

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// statedKind is a kind of row, and how its row comes about and changes.
type statedKind struct {
	table         string
	first, second func(ctx context.Context, tx *Tx) error
	// read checks the row as whoever goes by it does, or that there may be none.
	read func(ctx context.Context, w *world, tx store.Tx) error
}

const testApp = sealift.AppID("com.acme.shop")

// kindOf is a kind whose rows are R. write writes version n of its row.
func kindOf[R store.Authentic](table string, read func(context.Context, store.Tx) (R, error), like R, write func(ctx context.Context, tx *Tx, n int) error) statedKind {
	return statedKind{
		table:  table,
		first:  func(ctx context.Context, tx *Tx) error { return write(ctx, tx, 1) },
		second: func(ctx context.Context, tx *Tx) error { return write(ctx, tx, 2) },
		read: func(ctx context.Context, w *world, tx store.Tx) error {
			row, err := read(ctx, tx)
			if sealift.KindOf(err) == sealift.KindNotFound {
				return w.vault.CheckGone(ctx, tx, like)
			}
			if err != nil {
				return err
			}
			return w.vault.CheckRow(ctx, tx, row)
		},
	}
}

// written gives a row its MAC and writes it: inserted at first, and then over
// the one before.
func written[R store.Authentic](tx *Tx, n int, row func(mac []byte) R, old *[]byte, insert func(R) error, update func(R, []byte) error) error {
	mac, err := tx.Authenticate(row(nil))
	if err != nil {
		return err
	}
	before := *old
	*old = mac
	if n == 1 {
		return insert(row(mac))
	}
	return update(row(mac), before)
}

func statedKinds() map[string]statedKind {
	var old [14][]byte
	return map[string]statedKind{
		"token": kindOf("tokens", func(ctx context.Context, tx store.Tx) (store.Token, error) { return tx.Token(ctx, "t1") }, store.Token{ID: "t1"},
			func(ctx context.Context, tx *Tx, n int) error {
				row := func(mac []byte) store.Token { return store.Token{ID: "t1", Revoked: n > 1, MAC: mac} }
				return written(tx, n, row, &old[0], func(r store.Token) error { return tx.InsertToken(ctx, r) }, func(r store.Token, was []byte) error { return tx.UpdateToken(ctx, r, was) })
			}),
		"person": kindOf("persons", func(ctx context.Context, tx store.Tx) (store.Person, error) { return tx.Person(ctx, "p1") }, store.Person{ID: "p1"},
			func(ctx context.Context, tx *Tx, n int) error {
				row := func(mac []byte) store.Person {
					return store.Person{ID: "p1", Login: "a@b.c", Role: fmt.Sprint("role ", n), MAC: mac}
				}
				return written(tx, n, row, &old[1], func(r store.Person) error { return tx.InsertPerson(ctx, r) }, func(r store.Person, was []byte) error { return tx.UpdatePerson(ctx, r, was) })
			}),
		"credential": kindOf("credentials", func(ctx context.Context, tx store.Tx) (store.Credential, error) { return tx.Credential(ctx, "c1") }, store.Credential{ID: "c1"},
			func(ctx context.Context, tx *Tx, n int) error {
				row := func(mac []byte) store.Credential {
					return store.Credential{ID: "c1", Person: "p0", Counter: int64(n), MAC: mac}
				}
				return written(tx, n, row, &old[2], func(r store.Credential) error { return tx.InsertCredential(ctx, r) }, func(r store.Credential, was []byte) error { return tx.UpdateCredential(ctx, r, was) })
			}),
		"session": kindOf("sessions", func(ctx context.Context, tx store.Tx) (store.Session, error) { return tx.Session(ctx, "s1") }, store.Session{ID: "s1"},
			func(ctx context.Context, tx *Tx, n int) error {
				if n > 1 {
					return tx.DeleteSession(ctx, "s1")
				}
				row := func(mac []byte) store.Session { return store.Session{ID: "s1", Person: "p0", MAC: mac} }
				return written(tx, n, row, &old[3], func(r store.Session) error { return tx.InsertSession(ctx, r) }, nil)
			}),
		"policy": {
			table: "policies",
			first: func(ctx context.Context, tx *Tx) error { return putPolicy(ctx, tx, 1) },
			second: func(ctx context.Context, tx *Tx) error {
				return putPolicy(ctx, tx, 2)
			},
			read: func(ctx context.Context, w *world, tx store.Tx) error {
				rows, err := tx.Policies(ctx)
				if err == nil {
					err = CheckWhole(ctx, w.vault, tx, rows)
				}
				for _, r := range rows {
					err = errors.Join(err, w.vault.CheckRow(ctx, tx, r))
				}
				return err
			},
		},
		"approval-request": kindOf("approval_requests", func(ctx context.Context, tx store.Tx) (store.ApprovalRequest, error) {
			return tx.ApprovalRequest(ctx, "r1")
		}, store.ApprovalRequest{ID: "r1"},
			func(ctx context.Context, tx *Tx, n int) error {
				row := func(mac []byte) store.ApprovalRequest {
					return store.ApprovalRequest{ID: "r1", State: []store.ApprovalState{store.ApprovalGranted, store.ApprovalUsed}[n-1], MAC: mac}
				}
				return written(tx, n, row, &old[4], func(r store.ApprovalRequest) error { return tx.InsertApprovalRequest(ctx, r) }, func(r store.ApprovalRequest, was []byte) error { return tx.UpdateApprovalRequest(ctx, r, was) })
			}),
		"denial": kindOf("denials", func(ctx context.Context, tx store.Tx) (store.Denial, error) { return tx.Denial(ctx, "d1") }, store.Denial{ID: "d1"},
			func(ctx context.Context, tx *Tx, n int) error {
				row := func(mac []byte) store.Denial {
					return store.Denial{ID: "d1", State: []store.DenialState{store.DenialLifted, store.DenialActive}[n-1], MAC: mac}
				}
				return written(tx, n, row, &old[5], func(r store.Denial) error { return tx.InsertDenial(ctx, r) }, func(r store.Denial, was []byte) error { return tx.UpdateDenial(ctx, r, was) })
			}),
		"rollout": kindOf("rollouts", func(ctx context.Context, tx store.Tx) (store.Rollout, error) { return tx.Rollout(ctx, testApp, 1) },
			store.Rollout{Coordinates: store.Coordinates{App: testApp}, Counter: 1},
			func(ctx context.Context, tx *Tx, n int) error {
				row := func(mac []byte) store.Rollout {
					return store.Rollout{Coordinates: store.Coordinates{App: testApp, Channel: "production"}, Counter: 1, Phase: []string{"halted", "running"}[n-1], MAC: mac}
				}
				return written(tx, n, row, &old[10], func(r store.Rollout) error { return tx.InsertRollout(ctx, r) }, func(r store.Rollout, was []byte) error { return tx.UpdateRollout(ctx, r, was) })
			}),
		"channel-rules": kindOf("channel_rules", func(ctx context.Context, tx store.Tx) (store.ChannelRules, error) {
			return tx.ChannelRules(ctx, testApp, "production")
		}, store.ChannelRules{App: testApp, Channel: "production"},
			func(ctx context.Context, tx *Tx, n int) error {
				row := func(mac []byte) store.ChannelRules {
					return store.ChannelRules{App: testApp, Channel: "production", Private: n > 1, MAC: mac}
				}
				put := func(r store.ChannelRules) error { return tx.PutChannelRules(ctx, r) }
				return written(tx, n, row, &old[11], put, func(r store.ChannelRules, _ []byte) error { return put(r) })
			}),
		"assignment": kindOf("device_assignments", func(ctx context.Context, tx store.Tx) (store.Assignment, error) {
			return tx.Assignment(ctx, testApp, "v0")
		},
			store.Assignment{App: testApp, Device: "v0"},
			func(ctx context.Context, tx *Tx, n int) error {
				row := func(mac []byte) store.Assignment {
					return store.Assignment{App: testApp, Device: "v0", Channel: "production", Sequence: uint64(n), MAC: mac}
				}
				put := func(r store.Assignment) error { return tx.PutAssignment(ctx, r) }
				if n == 1 { // the device that it is about
					device := store.Device{App: testApp, ID: "v0", State: store.DeviceActive}
					var err error
					if device.MAC, err = tx.Authenticate(device); err != nil {
						return err
					}
					if err := tx.PutDevice(ctx, device); err != nil {
						return err
					}
				}
				return written(tx, n, row, &old[12], put, func(r store.Assignment, _ []byte) error { return put(r) })
			}),
		"capgo-bundle": kindOf("capgo_bundles", func(ctx context.Context, tx store.Tx) (store.CapgoBundle, error) {
			return tx.CapgoBundle(ctx, testApp, sealift.Digest{1})
		}, store.CapgoBundle{App: testApp, Release: sealift.Digest{1}},
			func(ctx context.Context, tx *Tx, n int) error {
				row := func(mac []byte) store.CapgoBundle {
					return store.CapgoBundle{App: testApp, Release: sealift.Digest{1}, Document: []byte{byte(n)}, MAC: mac}
				}
				put := func(r store.CapgoBundle) error { return tx.PutCapgoBundle(ctx, r) }
				if n == 1 { // the release that it is about, which stays when its row is taken away
					release := store.Release{Coordinates: store.Coordinates{App: testApp, Channel: "production"}, Counter: 1, Digest: sealift.Digest{1}}
					if err := tx.InsertRelease(ctx, release); err != nil && sealift.KindOf(err) != sealift.KindConflict {
						return err
					}
				}
				return written(tx, n, row, &old[13], put, func(r store.CapgoBundle, _ []byte) error { return put(r) })
			}),
		"draft": kindOf("drafts", func(ctx context.Context, tx store.Tx) (store.Draft, error) { return tx.Draft(ctx, "d1") }, store.Draft{ID: "d1"},
			func(ctx context.Context, tx *Tx, n int) error {
				state := []store.DraftState{store.DraftSubmitted, store.DraftAbandoned}[n-1]
				row := func(mac []byte) store.Draft {
					return store.Draft{ID: "d1", Coordinates: store.Coordinates{App: testApp, Channel: "production"}, State: state, MAC: mac}
				}
				return written(tx, n, row, &old[6], func(r store.Draft) error { return tx.InsertDraft(ctx, r) }, func(r store.Draft, _ []byte) error { return tx.UpdateDraft(ctx, r, store.DraftSubmitted) })
			}),
		"device": kindOf("devices", func(ctx context.Context, tx store.Tx) (store.Device, error) { return tx.Device(ctx, testApp, "v1") }, store.Device{App: testApp, ID: "v1"},
			func(ctx context.Context, tx *Tx, n int) error {
				row := func(mac []byte) store.Device {
					return store.Device{App: testApp, ID: "v1", State: []store.DeviceState{store.DeviceActive, store.DeviceRevoked}[n-1], MAC: mac}
				}
				put := func(r store.Device) error { return tx.PutDevice(ctx, r) }
				return written(tx, n, row, &old[7], put, func(r store.Device, _ []byte) error { return put(r) })
			}),
		"enrolment-token": kindOf("enrolment_tokens", func(ctx context.Context, tx store.Tx) (store.EnrolmentToken, error) {
			return tx.EnrolmentToken(ctx, "e1")
		}, store.EnrolmentToken{ID: "e1"},
			func(ctx context.Context, tx *Tx, n int) error {
				row := func(mac []byte) store.EnrolmentToken {
					return store.EnrolmentToken{ID: "e1", App: testApp, MaxUses: 1, Uses: int64(n - 1), MAC: mac}
				}
				return written(tx, n, row, &old[8], func(r store.EnrolmentToken) error { return tx.InsertEnrolmentToken(ctx, r) }, func(r store.EnrolmentToken, was []byte) error { return tx.UpdateEnrolmentToken(ctx, r, was) })
			}),
		"key": {
			table: "vault_keys",
			first: func(ctx context.Context, tx *Tx) error { return nil }, // newStated made it
			second: func(ctx context.Context, tx *Tx) error {
				return tx.setKeyState(ctx, Ref{"director", 1}, Deactivated)
			},
			read: func(ctx context.Context, w *world, tx store.Tx) error {
				_, err := w.vault.Lookup(ctx, tx, Ref{"director", 1})
				if sealift.KindOf(err) == sealift.KindNotFound { // what is gone signs nothing: it must not be made anew
					return checkStated(ctx, w.vault.ringFor(tx), tx, kindKey, Ref{"director", 1}.String(), "")
				}
				return err
			},
		},
	}
}

func (tx *Tx) setKeyState(ctx context.Context, ref Ref, to State) error {
	row, err := tx.Key(ctx, ref.ID, ref.Version)
	if err == nil {
		row.State = string(to)
		_, err = updateRow(ctx, tx, row, &event{})
	}
	return err
}

func putPolicy(ctx context.Context, tx *Tx, version uint64) (err error) {
	p := store.Policy{Action: "release", Version: version, Needed: 2}
	if p.MAC, err = tx.Authenticate(p); err != nil {
		return err
	}
	return tx.PutPolicy(ctx, p)
}

// newStated is a world with what most rows belong to.
func newStated(t *testing.T) *world {
	w := newWorld(t)
	w.create(PurposeDirector, "director")
	w.update(func(ctx context.Context, tx *Tx) error {
		for _, r := range []store.Authentic{store.App{ID: testApp}, store.Person{ID: "p0", Login: "p0@b.c"}} {
			mac, err := tx.Authenticate(r)
			switch r := r.(type) {
			case store.App:
				r.MAC = mac
				err = errors.Join(err, tx.InsertApp(ctx, r))
			case store.Person:
				r.MAC = mac
				err = errors.Join(err, tx.InsertPerson(ctx, r))
			}
			if err != nil {
				return err
			}
		}
		return tx.InsertChannel(ctx, store.Channel{App: testApp, Name: "production"})
	})
	return w
}

// behind runs statements behind the vault's back.
func (w *world) behind(statements ...string) {
	w.t.Helper()
	db, err := sql.Open("sqlite", w.path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.ExecContext(w.t.Context(), s); err != nil {
			w.t.Fatalf("%s: %v", s, err)
		}
	}
}
