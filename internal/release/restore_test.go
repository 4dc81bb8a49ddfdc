package release_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
)

// TestRestoresBySQL: nobody has the vault sign what the rows say by having it look
// restored.
func TestRestoresBySQL(t *testing.T) {
	t.Parallel()
	w, err := newWorld() // of its own: others publish
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	b := newBenchIn(t, w)
	put := func(change func(tx store.Tx) error) {
		b.check(b.store.Update(b.Context(), change))
	}
	r := store.Restore{Restored: b.clock.UTC().Truncate(time.Microsecond), Created: b.clock.UTC().Truncate(time.Microsecond), Known: true}
	tell := func() { // what whoever writes to the database can do as well, and the log then tells
		put(func(tx store.Tx) (err error) {
			if r.Entries, err = tx.AuditSize(b.Context()); err != nil {
				return err
			}
			_, err = audit.Append(b.Context(), tx, audit.Entry{
				Time: r.Restored, Actor: audit.Actor{Kind: audit.Person, ID: "local:root"}, Action: audit.ActionRestore, Result: audit.OK,
				Details: map[string]string{audit.RestoreDetail: r.RowName()},
			})
			if err == nil {
				err = tx.PutRestore(b.Context(), r)
			}
			return err
		})
	}
	refused := func(what, reason string) {
		t.Helper()
		wantRefusal(t, what, b.Continue(b.Context()), sealift.KindDenied, reason)
	}

	put(func(tx store.Tx) error { return tx.PutRestore(b.Context(), r) })
	refused("a restore that the log does not know", vault.ReasonForged)
	for name, bend := range map[string]func(*store.Restore){
		"of a new log": func(r *store.Restore) { r.LogVersion = 7 },
		"settled":      func(r *store.Restore) { r.Settled = true },
		"done":         func(r *store.Restore) { r.Directed = true },
	} {
		bent := r
		bend(&bent)
		put(func(tx store.Tx) error { return tx.PutRestore(b.Context(), bent) })
		if _, err := b.Anchors(b.Context()); sealift.KindOf(err) != sealift.KindDenied || sealift.ReasonOf(err) != vault.ReasonForged {
			t.Errorf("%s: %v", name, err)
		}
	}

	tell()
	var path string
	var content []byte
	b.view(func(tx store.Tx) (err error) {
		path = trust.EpochPath(b.app, "production")
		content, err = tx.Document(b.Context(), path)
		return err
	})
	other := strings.Replace(string(content), `"publicKey":"`, `"publicKey":"AAAA`, 1)
	put(func(tx store.Tx) error { return tx.SetDocument(b.Context(), path, []byte(other)) })
	refused("an epoch of somebody else's", vault.ReasonForged)
	put(func(tx store.Tx) error { return tx.SetDocument(b.Context(), path, content) })
	b.check(b.Continue(b.Context()))

	b.check(b.Continue(b.Context()))
	put(func(tx store.Tx) error { return tx.PutRestore(b.Context(), r) })
	refused("one that was done, put back", vault.ReasonForged)
}

// TestBeforeContinued: a restored vault publishes nothing, and moves no roll-out on, of
// which somebody may have stopped it since the backup, before it has done what is left
// to do.
func TestBeforeContinued(t *testing.T) {
	t.Parallel()
	w, err := newWorld()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	b := newBenchIn(t, w)
	b.publish("1.0.0")
	canary := b.publishAs("1.1.0", watched)
	next := b.reserve("1.2.0")
	b.upload(next)
	b.sign(next)
	r := store.Restore{Restored: b.clock, Created: b.clock, Known: true}
	b.check(b.store.Update(b.Context(), func(tx store.Tx) (err error) {
		if r.Entries, err = tx.AuditSize(b.Context()); err != nil {
			return err
		}
		_, err = audit.Append(b.Context(), tx, audit.Entry{
			Time: r.Restored, Actor: audit.Actor{Kind: audit.Person, ID: "local:root"}, Action: audit.ActionRestore, Result: audit.OK,
			Details: map[string]string{audit.RestoreDetail: r.RowName()},
		})
		if err == nil {
			err = tx.PutRestore(b.Context(), r)
		}
		return err
	}))
	b.clock = b.clock.Add(25 * time.Hour)
	_, err = b.submit(next)
	wantRefusal(t, "publishing", err, sealift.KindConflict, "restoring")
	_, err = b.Look(b.Context())
	if err == nil || !strings.Contains(err.Error(), "restored") {
		t.Errorf("looking: %v", err)
	}
	if p := b.phase(canary.Counter); p.State.Phase != rollout.Running {
		t.Errorf("the canary is %s", p.State.Phase)
	}
	b.check(b.Continue(b.Context()))
	if p := b.phase(canary.Counter); p.State.Phase != rollout.Paused {
		t.Errorf("and then it is %s", p.State.Phase)
	}
}
