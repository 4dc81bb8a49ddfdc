package release_test

import (
	"slices"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// TestTurnDue: an epoch turns when its channel wants it to, and no other.
func TestTurnDue(t *testing.T) {
	b := alone(t)
	_, err := b.CreateChannel(b.Context(), officer, b.app, "beta")
	b.check(err)
	subject := string(b.app) + "/production"
	turned := func() []string {
		t.Helper()
		done, err := b.TurnDue(b.Context())
		b.check(err)
		return done
	}
	wantEpoch := func(number uint64) {
		t.Helper()
		for channel, want := range map[sealift.Channel]uint64{"production": number, "beta": 1} {
			is, err := b.Channel(b.Context(), b.app, channel)
			b.check(err)
			if is.Epoch != want {
				t.Errorf("%s is at epoch %d, want %d", channel, is.Epoch, want)
			}
		}
	}
	got := b.setChannel("production", service.ChannelChange{EpochDays: ptr(30)})
	if got.Settings.EpochDays != 30 {
		t.Errorf("%+v", got.Settings)
	}
	const day = 24 * time.Hour
	b.clock = b.clock.Add(30*day - time.Minute)
	if done := turned(); len(done) > 0 {
		t.Errorf("turned %q a minute before", done)
	}
	b.clock = b.clock.Add(time.Minute)
	if done := turned(); !slices.Equal(done, []string{subject}) {
		t.Errorf("turned %q", done)
	}
	wantEpoch(2)
	if done := turned(); len(done) > 0 {
		t.Errorf("turned %q once more", done)
	}
	b.clock = b.clock.Add(29 * day)
	b.setChannel("production", service.ChannelChange{EpochDays: ptr(7)})
	if done := turned(); len(done) != 1 {
		t.Errorf("turned %q", done)
	}
	wantEpoch(3)

	// What somebody wrote by SQL turns nothing, and is said.
	b.check(b.store.Update(b.Context(), func(tx store.Tx) error {
		row, err := tx.ChannelRules(b.Context(), b.app, "production")
		b.check(err)
		row.EpochDays = 1
		return tx.PutChannelRules(b.Context(), row)
	}))
	b.clock = b.clock.Add(2 * day)
	_, err = b.TurnDue(b.Context())
	wantRefusal(t, "by SQL", err, sealift.KindDenied, vault.ReasonForged)
	b.check(b.store.Update(b.Context(), func(tx store.Tx) error {
		row, err := tx.ChannelRules(b.Context(), b.app, "production")
		b.check(err)
		row.EpochDays = 7
		return tx.PutChannelRules(b.Context(), row)
	}))
	b.setChannel("production", service.ChannelChange{Archived: ptr(true)})
	b.clock = b.clock.Add(30 * day)
	if done := turned(); len(done) > 0 {
		t.Errorf("turned %q of an archived channel", done)
	}
	b.setChannel("production", service.ChannelChange{Archived: ptr(false), EpochDays: ptr(0)})
	if done := turned(); len(done) > 0 {
		t.Errorf("turned %q, which nobody wants", done)
	}
	wantEpoch(3)
}
