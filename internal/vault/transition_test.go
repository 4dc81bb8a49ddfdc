package vault

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// Every change on a real row: allowed ones happen, others leave it as it was.
func TestTransitionOnRows(t *testing.T) {
	ways := map[State][]State{
		PreActive: nil, Active: {Active}, Suspended: {Active, Suspended}, Deactivated: {Active, Deactivated},
		Compromised: {Active, Compromised}, Destroyed: {Active, Deactivated, Destroyed},
	}
	w := newWorld(t)
	for _, from := range States() {
		for _, to := range append(States(), "lost") {
			t.Run(fmt.Sprintf("%s to %s", from, to), func(t *testing.T) {
				key, err := w.tryCreate(CreateRequest{Purpose: PurposeAnswer, Owner: "ops", Standby: true})
				if err != nil {
					t.Fatal(err)
				}
				w.enter(key.Ref, ways[from]...)
				before := w.logSize()
				err = w.try(func(ctx context.Context, tx *Tx) error {
					_, err := w.vault.Transition(ctx, tx, key.Ref, from, to, alice, "test", start)
					return err
				})
				want := from
				if CanTransition(from, to) {
					want = to
					if err != nil {
						t.Error(err)
					}
					e := w.wantEntries(before, "key.transition ok")[0]
					if e.Details["from"] != string(from) || e.Details["to"] != string(to) || e.Details["reason-given"] != "test" {
						t.Errorf("entry %+v", e)
					}
				} else {
					wantError(t, err, sealift.KindDenied, ReasonState)
					w.wantEntries(before, "key.transition refused")
				}
				w.wantState(key.Ref, want)
			})
		}
	}
}

func (w *world) wantState(ref Ref, want State) {
	w.t.Helper()
	w.update(func(ctx context.Context, tx *Tx) error {
		info, err := w.vault.Lookup(ctx, tx, ref)
		if info.State != want {
			w.t.Errorf("%v is %s, want %s", ref, info.State, want)
		}
		return err
	})
}

func TestTransitionRefuses(t *testing.T) {
	w := newWorld(t)
	answer, director := w.create(PurposeAnswer, "answer"), w.create(PurposeDirector, "director")
	for name, c := range map[string]struct {
		ref          Ref
		from, to     State
		why          string
		kind         sealift.Kind
		reason, hint string
	}{
		"not in that state": {answer.Ref, Suspended, Active, "test", sealift.KindConflict, "", ""},
		"no reason":         {answer.Ref, Active, Suspended, "", sealift.KindInvalid, "", ""},
		"control character": {answer.Ref, Active, Suspended, "a\nb", sealift.KindInvalid, "", ""},
		"no such key":       {Ref{"none", 1}, Active, Suspended, "test", sealift.KindNotFound, ReasonUnknownKey, ""},
		"stops the fleet":   {director.Ref, Active, Suspended, "test", sealift.KindDenied, ReasonState, ""},
	} {
		t.Run(name, func(t *testing.T) {
			before := w.logSize()
			err := w.try(func(ctx context.Context, tx *Tx) error {
				_, err := w.vault.Transition(ctx, tx, c.ref, c.from, c.to, alice, c.why, start)
				return err
			})
			wantError(t, err, c.kind, c.reason)
			w.wantEntries(before, "key.transition refused")
		})
	}
	w.wantState(answer.Ref, Active)
	w.wantState(director.Ref, Active)
}

func TestDestroyErases(t *testing.T) {
	w := newWorld(t)
	key := w.create(PurposeAnswer, "answer")
	w.enter(key.Ref, Compromised, Destroyed)
	err := w.store.View(t.Context(), func(tx store.Tx) error {
		row, err := tx.Key(t.Context(), "answer", 1)
		if len(row.DataKey)+len(row.Private)+len(row.KEK) != 0 {
			t.Error("private material is left in the row")
		}
		if len(row.Public) == 0 || row.Owner != "ops" {
			t.Error("the evidence is gone too")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, w.tryUse(use(key)), sealift.KindDenied, ReasonState)
}

// TestRetire sets a date and takes it back, for a version whose work is done.
func TestRetire(t *testing.T) {
	w := newWorld(t)
	info := w.create(PurposeLog, "log")
	retire := func(at time.Time, reason string) (got KeyInfo, err error) {
		err = w.try(func(ctx context.Context, tx *Tx) (err error) {
			got, err = w.vault.Retire(ctx, tx, info.Ref, Retirement{At: at, FleetWindow: 30 * 24 * time.Hour}, alice, reason, start)
			return err
		})
		return got, err
	}
	later := start.Add(24 * time.Hour)
	_, err := retire(later, "old")
	wantError(t, err, sealift.KindDenied, ReasonState)
	w.enter(info.Ref, Deactivated)
	_, err = retire(later, "")
	wantError(t, err, sealift.KindInvalid, "")
	before := w.logSize()
	got, err := retire(later, "old")
	if err != nil || !got.RetireAt.Equal(later) || got.FleetWindow != 30*24*time.Hour || got.State != Deactivated {
		t.Errorf("%+v, %v", got, err)
	}
	if e := w.wantEntries(before, "key.retire ok")[0]; e.Details["at"] != later.Format(time.RFC3339) || e.Details[RowDetail] == "" || e.Details["fleet"] != "or when no device seen in 720h0m0s believes it" {
		t.Errorf("entry %+v", e)
	}
	if got, err = retire(time.Time{}, "kept after all"); err != nil || !got.RetireAt.IsZero() || got.FleetWindow != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err = retire(later, "old"); err != nil {
		t.Fatal(err)
	}
	w.enter(info.Ref, Destroyed)
	if row := w.rowOfKey(info.Ref); !row.RetireAt.IsZero() || row.FleetWindow != 0 {
		t.Errorf("destroyed, and to be destroyed at %s", row.RetireAt)
	}
}

// TestReplace is both changes or neither.
func TestReplace(t *testing.T) {
	w := newWorld(t)
	was := w.create(PurposeLog, "log")
	replace := func(to State) (r Replaced, err error) {
		err = w.try(func(ctx context.Context, tx *Tx) (err error) {
			next, err := w.vault.Rotate(ctx, tx, "log", nil, alice, "yearly", start)
			if err != nil {
				return err
			}
			r, err = w.vault.Replace(ctx, tx, was, next, to, alice, "yearly", start)
			return err
		})
		return r, err
	}
	_, err := replace(Destroyed) // which an active one does not become
	wantError(t, err, sealift.KindDenied, ReasonState)
	w.wantState(was.Ref, Active)
	r, err := replace(Compromised)
	if err != nil || r.Was.State != Compromised || r.Is.State != Active || r.Is.Version != 2 {
		t.Errorf("%+v, %v", r, err)
	}
}
