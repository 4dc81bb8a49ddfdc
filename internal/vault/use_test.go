package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sealift/sealift"
)

func TestUseInEachState(t *testing.T) {
	ways := map[State][]State{
		PreActive: nil, Active: {Active}, Suspended: {Active, Suspended}, Deactivated: {Active, Deactivated},
		Compromised: {Active, Compromised}, Destroyed: {Active, Deactivated, Destroyed},
	}
	w := newWorld(t)
	for _, p := range Purposes() {
		for _, state := range States() {
			if state == Suspended && policies[p].noSuspend {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s", p, state), func(t *testing.T) {
				var info KeyInfo
				w.update(func(ctx context.Context, tx *Tx) (err error) {
					info, err = w.vault.Create(ctx, tx, CreateRequest{Purpose: p, Owner: "ops", Standby: true}, alice, start)
					return err
				})
				w.enter(info.Ref, ways[state]...)
				allowed := state == Active || state == Deactivated && (p == PurposeEpoch || p == PurposeWrapping)
				for _, version := range []uint64{1, 0} {
					u := use(info)
					u.Key.Version = version
					before := w.logSize()
					if err := w.tryUse(u); allowed {
						if err != nil {
							t.Error(err)
						}
						w.wantEntries(before, "key.use ok")
						continue
					} else {
						wantError(t, err, sealift.KindDenied, ReasonState)
					}
					if got := w.wantEntries(before, "key.use refused"); got[0].Details["reason"] != ReasonState {
						t.Errorf("details %v", got[0].Details)
					}
				}
			})
		}
	}
}

func TestDeactivatedWrappingKeyOnlyUnwraps(t *testing.T) {
	w := newWorld(t)
	info := w.create(PurposeWrapping, "wrapping")
	var wrapped []byte
	w.update(func(ctx context.Context, tx *Tx) error {
		return w.vault.Use(ctx, tx, use(info), func(key Key) (err error) {
			wrapped, err = key.(WrappingKey).Wrap([]byte("plain"), nil)
			return err
		})
	})
	w.enter(info.Ref, Deactivated)
	w.update(func(ctx context.Context, tx *Tx) error {
		return w.vault.Use(ctx, tx, use(info), func(key Key) error {
			if _, err := key.(WrappingKey).Wrap([]byte("plain"), nil); sealift.KindOf(err) != sealift.KindDenied {
				t.Errorf("wrapped: %v", err)
			}
			_, err := key.(WrappingKey).Unwrap(wrapped, nil)
			return err
		})
	})
}

func TestCryptoperiod(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		purpose Purpose
		at      time.Duration
		ok      bool
	}{
		{PurposeDirector, -time.Microsecond, false},
		{PurposeDirector, 0, true},
		{PurposeDirector, year - time.Microsecond, true},
		{PurposeDirector, year, false},
		{PurposeEnrolmentSecret, year, false},
		{PurposeEpoch, -time.Microsecond, false},
		{PurposeEpoch, 2 * year, true},
	} {
		info := w.create(c.purpose, "")
		u := use(info)
		u.Now = start.Add(c.at)
		err := w.tryUse(u)
		if c.ok && err != nil {
			t.Errorf("%s after %v: %v", c.purpose, c.at, err)
		}
		if !c.ok {
			wantError(t, err, sealift.KindDenied, ReasonPeriod)
		}
	}
}

func TestUseRefuses(t *testing.T) {
	w := newWorld(t)
	info := w.create(PurposeDirector, "director")
	for name, c := range map[string]struct {
		bend   func(u *Use)
		kind   sealift.Kind
		reason string
	}{
		"purpose":       {func(u *Use) { u.Purpose = PurposeSnapshot }, sealift.KindDenied, ReasonPurpose},
		"no purpose":    {func(u *Use) { u.Purpose = "" }, sealift.KindDenied, ReasonPurpose},
		"id":            {func(u *Use) { u.Key.ID = "directory" }, sealift.KindNotFound, ReasonUnknownKey},
		"id, newest":    {func(u *Use) { u.Key = Ref{ID: "directory"} }, sealift.KindNotFound, ReasonUnknownKey},
		"version":       {func(u *Use) { u.Key.Version = 2 }, sealift.KindNotFound, ReasonUnknownKey},
		"no key":        {func(u *Use) { u.Key = Ref{} }, sealift.KindNotFound, ReasonUnknownKey},
		"no action":     {func(u *Use) { u.Why.Action = "" }, sealift.KindInvalid, ""},
		"endless why":   {func(u *Use) { u.Why.Details = map[string]string{"x": string(make([]byte, 1<<20))} }, sealift.KindInvalid, ""},
		"endless names": {func(u *Use) { u.Key.ID, u.Purpose = string(make([]byte, 1<<20)), Purpose(make([]byte, 1<<20)) }, sealift.KindNotFound, ReasonUnknownKey},
	} {
		t.Run(name, func(t *testing.T) {
			u := use(info)
			c.bend(&u)
			before := w.logSize()
			err := w.try(func(ctx context.Context, tx *Tx) error {
				return w.vault.Use(ctx, tx, u, func(Key) error { t.Error("called"); return nil })
			})
			wantError(t, err, c.kind, c.reason)
			w.wantEntries(before, "key.use refused")
			err = w.try(func(ctx context.Context, tx *Tx) error { _, err := w.vault.Signer(ctx, tx, u); return err })
			wantError(t, err, c.kind, c.reason)
			w.wantEntries(before, "key.use refused", "key.use refused")
		})
	}
}

func TestUseIsRecorded(t *testing.T) {
	w := newWorld(t)
	info := w.create(PurposeReleaseCA, "release-ca")
	u := use(info)
	u.Key.Version = 0
	u.Why = Why{Action: "release.certify", Subject: "sha256:ab", Details: map[string]string{"app": "com.acme.shop"}}
	before := w.logSize()
	if err := w.tryUse(u); err != nil {
		t.Fatal(err)
	}
	got := w.wantEntries(before, "key.use ok")[0]
	if got.Key != "release-ca" || got.Version != 1 || got.Subject != "sha256:ab" || got.Actor != alice || !got.Time.Equal(u.Now) ||
		got.Details["for"] != "release.certify" || got.Details["app"] != "com.acme.shop" || got.Details["purpose"] != "release-ca" {
		t.Errorf("entry %+v", got)
	}

	// An error of the function is a failed use, and comes back as it is.
	broken := errors.New("SECRET TEXT")
	before = w.logSize()
	err := w.try(func(ctx context.Context, tx *Tx) error {
		return w.vault.Use(ctx, tx, u, func(Key) error { return broken })
	})
	if !errors.Is(err, broken) {
		t.Error(err)
	}
	for _, e := range w.wantEntries(before, "key.use abandoned", "key.use failed") {
		if s := fmt.Sprintf("%+v", e); bytes.Contains([]byte(s), []byte("SECRET")) {
			t.Errorf("the error's text is in the log: %s", s)
		}
	}

	// A maker of the transaction who goes on regardless has both entries too.
	before = w.logSize()
	w.update(func(ctx context.Context, tx *Tx) error {
		_ = w.vault.Use(ctx, tx, u, func(Key) error { return broken })
		bad := u
		bad.Purpose = PurposeDirector
		_ = w.vault.Use(ctx, tx, bad, func(Key) error { return nil })
		return nil
	})
	w.wantEntries(before, "key.use ok", "key.use failed", "key.use refused")
}
