package vault

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
)

func (w *world) tryCreate(req CreateRequest) (info KeyInfo, err error) {
	err = w.try(func(ctx context.Context, tx *Tx) (err error) {
		info, err = w.vault.Create(ctx, tx, req, alice, start)
		return err
	})
	return info, err
}

func TestCreate(t *testing.T) {
	w := newWorld(t)
	before := w.logSize()
	made, err := w.tryCreate(CreateRequest{
		ID: "epoch:com.acme.shop/production", Purpose: PurposeEpoch, Algorithm: HPKEP256, Owner: "ops", Label: "Größe",
		Cryptoperiod: 30 * 24 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := KeyInfo{
		Ref: Ref{"epoch:com.acme.shop/production", 1}, Purpose: PurposeEpoch, Algorithm: HPKEP256, Provider: "software",
		Owner: "ops", Label: "Größe", State: Active, Created: start, Changed: start, NotBefore: start,
		NotAfter: start.Add(30 * 24 * time.Hour), Public: made.Public,
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Error(diff)
	}
	var read KeyInfo
	w.update(func(ctx context.Context, tx *Tx) (err error) {
		read, err = w.vault.Lookup(ctx, tx, made.Ref)
		return err
	})
	read.Certificate = nil // empty or nil is the store's affair
	if diff := cmp.Diff(want, read); diff != "" {
		t.Errorf("read back: %s", diff)
	}
	entry := w.wantEntries(before, "key.create ok")[0]
	if entry.Key != made.ID || entry.Version != 1 || entry.Details["algorithm"] != "hpke-p256" || entry.Details["owner"] != "ops" {
		t.Errorf("entry %+v", entry)
	}
	random, err := w.tryCreate(CreateRequest{Purpose: PurposeDirector, Owner: "ops"})
	if err != nil || len(random.ID) != 32 || random.Algorithm != Ed25519 {
		t.Errorf("%+v, %v", random, err)
	}
}

func TestCreateRefuses(t *testing.T) {
	w := newWorld(t)
	w.create(PurposeDirector, "director")
	ready, err := Generate(t.Context(), Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	used, err := Generate(t.Context(), Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.tryCreate(CreateRequest{Purpose: PurposeDirector, Owner: "ops", Material: used}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		req  CreateRequest
		kind sealift.Kind
	}{
		"purpose":           {CreateRequest{Purpose: "anything", Owner: "ops"}, sealift.KindInvalid},
		"no purpose":        {CreateRequest{Owner: "ops"}, sealift.KindInvalid},
		"algorithm":         {CreateRequest{Purpose: PurposeDirector, Algorithm: RSA4096, Owner: "ops"}, sealift.KindInvalid},
		"small RSA":         {CreateRequest{Purpose: PurposeReleaseCA, Algorithm: "rsa-3072", Owner: "ops"}, sealift.KindInvalid},
		"no owner":          {CreateRequest{Purpose: PurposeDirector}, sealift.KindInvalid},
		"owner of escapes":  {CreateRequest{Purpose: PurposeDirector, Owner: "ops\x1b[2J"}, sealift.KindInvalid},
		"long owner":        {CreateRequest{Purpose: PurposeDirector, Owner: strings.Repeat("o", 257)}, sealift.KindInvalid},
		"label not UTF-8":   {CreateRequest{Purpose: PurposeDirector, Owner: "ops", Label: "\xff"}, sealift.KindInvalid},
		"id":                {CreateRequest{ID: "a b", Purpose: PurposeDirector, Owner: "ops"}, sealift.KindInvalid},
		"long id":           {CreateRequest{ID: strings.Repeat("i", 257), Purpose: PurposeDirector, Owner: "ops"}, sealift.KindInvalid},
		"taken id":          {CreateRequest{ID: "director", Purpose: PurposeDirector, Owner: "ops"}, sealift.KindConflict},
		"long period":       {CreateRequest{Purpose: PurposeDirector, Owner: "ops", Cryptoperiod: 3*year + 1}, sealift.KindInvalid},
		"negative period":   {CreateRequest{Purpose: PurposeDirector, Owner: "ops", Cryptoperiod: -1}, sealift.KindInvalid},
		"other material":    {CreateRequest{Purpose: PurposeAnswer, Owner: "ops", Material: ready}, sealift.KindInvalid},
		"material used up":  {CreateRequest{Purpose: PurposeDirector, Owner: "ops", Material: used}, sealift.KindInvalid},
		"other's purpose":   {CreateRequest{Purpose: PurposeEpoch, Algorithm: AES256, Owner: "ops"}, sealift.KindInvalid},
		"unknown algorithm": {CreateRequest{Purpose: PurposeEpoch, Algorithm: "rot13", Owner: "ops"}, sealift.KindInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			before := w.logSize()
			_, err := w.tryCreate(c.req)
			if sealift.KindOf(err) != c.kind {
				t.Errorf("%v is %q", err, sealift.KindOf(err))
			}
			w.wantEntries(before, "key.create refused")
		})
	}
}

func TestRotate(t *testing.T) {
	w := newWorld(t)
	first := w.create(PurposeDirector, "director")
	later := start.Add(24 * time.Hour)
	rotate := func(id, reason string) (info KeyInfo, err error) {
		err = w.try(func(ctx context.Context, tx *Tx) (err error) {
			info, err = w.vault.Rotate(ctx, tx, id, nil, alice, reason, later)
			return err
		})
		return info, err
	}
	before := w.logSize()
	second, err := rotate("director", "yearly")
	if err != nil {
		t.Fatal(err)
	}
	if e := w.wantEntries(before, "key.rotate ok")[0]; e.Version != 2 || e.Details["reason-given"] != "yearly" {
		t.Errorf("entry %+v", e)
	}
	want := first
	want.Version, want.State, want.Created, want.Changed, want.NotBefore, want.NotAfter, want.Public = 2, PreActive, later, later, later, later.Add(year), second.Public
	if diff := cmp.Diff(want, second); diff != "" {
		t.Error(diff)
	}
	if string(first.Public) == string(second.Public) {
		t.Error("the same key again")
	}
	newest := func(want uint64) {
		t.Helper()
		u := use(first)
		u.Key.Version, u.Now = 0, later
		w.update(func(ctx context.Context, tx *Tx) error {
			if info, err := w.vault.Lookup(ctx, tx, Ref{ID: "director"}); err != nil || info.Version != want {
				t.Errorf("lookup: %v, %v", info, err)
			}
			return w.vault.Use(ctx, tx, u, func(key Key) error {
				if key.Ref().Version != want {
					t.Errorf("used %v, want version %d", key.Ref(), want)
				}
				return nil
			})
		})
	}
	newest(1)
	w.update(func(ctx context.Context, tx *Tx) error {
		info, err := w.vault.Transition(ctx, tx, second.Ref, PreActive, Active, alice, "in root 2", later.Add(time.Hour))
		if !info.NotBefore.Equal(later.Add(time.Hour)) || !info.NotAfter.Equal(later.Add(time.Hour+year)) {
			t.Errorf("the cryptoperiod does not begin with the activation: %v to %v", info.NotBefore, info.NotAfter)
		}
		return err
	})
	later = later.Add(2 * time.Hour)
	newest(2)
	w.enter(first.Ref, Deactivated)
	newest(2)
	w.enter(second.Ref, Compromised)
	err = w.try(func(ctx context.Context, tx *Tx) error {
		_, err := w.vault.Lookup(ctx, tx, Ref{ID: "director"})
		return err
	})
	wantError(t, err, sealift.KindDenied, ReasonState)

	for _, c := range []struct{ id, reason string }{{"none", "yearly"}, {"", "yearly"}, {"director", ""}, {"director", strings.Repeat("x", 2000)}} {
		before := w.logSize()
		if _, err := rotate(c.id, c.reason); err == nil {
			t.Errorf("rotated %q because %.10q", c.id, c.reason)
		}
		w.wantEntries(before, "key.rotate refused")
	}
}

func TestList(t *testing.T) {
	w := newWorld(t)
	w.create(PurposeSnapshot, "snapshot")
	w.create(PurposeDirector, "director")
	w.create(PurposeDirector, "another")
	w.enter(Ref{"director", 1}, Deactivated)
	for _, c := range []struct {
		filter Filter
		want   []string
	}{
		{Filter{}, []string{"another", "director", "snapshot"}},
		{Filter{Purpose: PurposeDirector}, []string{"another", "director"}},
		{Filter{State: Active}, []string{"another", "snapshot"}},
		{Filter{ID: "snapshot"}, []string{"snapshot"}},
		{Filter{ID: "none"}, []string{}},
	} {
		got := []string{}
		w.update(func(ctx context.Context, tx *Tx) error {
			infos, err := w.vault.List(ctx, tx, c.filter)
			for _, i := range infos {
				got = append(got, i.ID)
			}
			return err
		})
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%+v: %s", c.filter, diff)
		}
	}
}
