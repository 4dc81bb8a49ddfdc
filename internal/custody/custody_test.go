package custody_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/custody"
	"github.com/sealift/sealift/internal/pkcs11"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
	"github.com/sealift/sealift/internal/vault"
)

var (
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	alice = access.Caller{ID: "alice", Kind: access.CallerPerson}
)

// online delivers nothing: it does with keys what the one that delivers does.
type online struct {
	vault    *vault.Vault
	vouched  map[sealift.Digest]string
	idle     error
	fails    error // of the transaction, once its work is done
	tx       bool  // one is under way in which a key may be wanted
	followed []string
}

func (o *online) Vouched(context.Context, store.DocumentTx) (map[sealift.Digest]string, error) {
	return o.vouched, nil
}

func (o *online) Replace(ctx context.Context, tx *vault.Tx, id string, to vault.State, by audit.Actor, reason string, next *vault.Material) (vault.Replaced, error) {
	o.tx = true
	defer func() { o.tx = false }()
	versions, err := o.vault.List(ctx, tx, vault.Filter{ID: id})
	if err != nil {
		return vault.Replaced{}, err
	}
	i := slices.IndexFunc(versions, func(k vault.KeyInfo) bool {
		return o.vouched[sealift.DigestOf(k.Public)] != "" && k.State == vault.PreActive
	})
	if i < 1 {
		return vault.Replaced{}, sealift.Errorf(sealift.KindConflict, "rotating", "devices know no standby").WithReason("standby")
	}
	r, err := o.vault.Replace(ctx, tx, versions[i-1], versions[i], to, by, reason, start)
	if err == nil {
		r.Standby, err = o.vault.Rotate(ctx, tx, id, next, by, reason, start)
	}
	return r, errors.Join(err, o.fails)
}

func (o *online) Follow(ctx context.Context, tx *vault.Tx, info vault.KeyInfo, by audit.Actor, reason string, next *vault.Material) error {
	o.tx = true
	defer func() { o.tx = false }()
	o.followed = append(o.followed, fmt.Sprint(info.Ref, " ", info.State))
	if next == nil {
		return nil
	}
	_, err := o.vault.Rotate(ctx, tx, info.ID, next, by, reason, start)
	return errors.Join(err, o.fails)
}

func (o *online) Idle(context.Context, store.Tx, vault.KeyInfo) error { return o.idle }
func (o *online) Flush(context.Context) error                         { return nil }
func (o *online) Forgotten(context.Context, store.DocumentTx, vault.Purpose) (root, targets int64, err error) {
	return 0, 0, nil
}

// token is a PKCS#11 token with nothing but keys on P-384.
type token struct {
	vault.TokenSealer
	online *online
	mu     sync.Mutex
	keys   map[string]*ecdsa.PrivateKey
	made   int
	inTx   int // how many of them in a transaction
	away   bool
}

func (k *token) Generate(_ context.Context, _, _ string) (pkcs11.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.away {
		return pkcs11.Key{}, sealift.Errorf(sealift.KindNetwork, "reaching the token", "it is away").WithReason("token-absent")
	}
	if k.online.tx {
		k.inTx++
	}
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return pkcs11.Key{}, err
	}
	k.made++
	uri := fmt.Sprintf("pkcs11:token=fake;object=ca;id=%%%02d", k.made)
	k.keys[uri] = key
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	return pkcs11.Key{URI: uri, Public: spki}, err
}

func (k *token) Sign(_ context.Context, uri string, _ crypto.PublicKey, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return k.keys[uri].Sign(rand.Reader, digest, opts)
}

func (k *token) Destroy(_ context.Context, uri string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.keys, uri)
	return nil
}

type world struct {
	*testing.T
	store   store.Store
	vault   *vault.Vault
	online  *online
	token   *token
	cabinet *custody.Cabinet
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "vault.db"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, store: s, online: &online{vouched: map[sealift.Digest]string{}}}
	w.token = &token{online: w.online, keys: map[string]*ecdsa.PrivateKey{}}
	w.vault = vault.New(s, vault.WithTokens(w.token))
	w.online.vault = w.vault
	w.cabinet = custody.New(s, w.vault, w.online, func() time.Time { return start })
	t.Cleanup(func() {
		w.vault.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w.check(w.vault.Init(t.Context(), "95fb50c3add7dabbaf9024f962102700", vault.Secrets{Unseal: vault.Passphrase("five random words are enough")}, alice.Actor(), start, nil))
	return w
}

func (w *world) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) refused(what string, err error, kind sealift.Kind, reason string) {
	w.Helper()
	if err == nil || sealift.KindOf(err) != kind || sealift.ReasonOf(err) != reason {
		w.Errorf("%s: %v (%s/%s), want %s/%s", what, err, sealift.KindOf(err), sealift.ReasonOf(err), kind, reason)
	}
}

// key makes the first version of a key, in use.
func (w *world) key(p vault.Purpose, m *vault.Material) (info vault.KeyInfo) {
	w.Helper()
	w.check(w.vault.Update(w.Context(), func(tx *vault.Tx) (err error) {
		info, err = w.vault.Create(w.Context(), tx, vault.CreateRequest{ID: string(p), Purpose: p, Owner: "vault", Material: m}, alice.Actor(), start)
		return err
	}))
	return info
}

// caInToken makes a release CA in the token, and a standby that devices know.
func (w *world) caInToken() {
	w.Helper()
	first, err := w.vault.GenerateInToken(w.Context(), "pkcs11:token=fake;object=ca", vault.PurposeReleaseCA, "")
	w.check(err)
	info := w.key(vault.PurposeReleaseCA, first)
	next, err := w.vault.GenerateNext(w.Context(), info)
	w.check(err)
	w.check(w.vault.Update(w.Context(), func(tx *vault.Tx) error {
		standby, err := w.vault.Rotate(w.Context(), tx, "release-ca", next, alice.Actor(), "its standby", start)
		w.online.vouched[sealift.DigestOf(standby.Public)] = "targets 1"
		return err
	}))
}

// TestKeyFilter: a state or a purpose that no key can have is refused.
func TestKeyFilter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, f := range []service.KeyFilter{{State: "actve"}, {Purpose: "release"}} {
		_, err := w.cabinet.Keys(t.Context(), f)
		w.refused(f.State+f.Purpose, err, sealift.KindInvalid, "")
	}
	w.key(vault.PurposeReleaseCA, nil)
	w.key(vault.PurposeAnswer, nil)
	keys, err := w.cabinet.Keys(t.Context(), service.KeyFilter{State: "active", Purpose: "release-ca"})
	w.check(err)
	if len(keys) != 1 {
		t.Errorf("%d active release CAs", len(keys))
	}
}

// states are those of the release CA's versions.
func (w *world) states() string {
	w.Helper()
	keys, err := w.cabinet.Keys(w.Context(), service.KeyFilter{ID: "release-ca"})
	w.check(err)
	var out []string
	for _, k := range keys {
		out = append(out, k.State)
	}
	return strings.Join(out, " ")
}

func (w *world) rotate() error {
	_, err := w.cabinet.RotateKey(w.Context(), alice, service.KeyRotation{ID: "release-ca", Reason: "yearly"})
	return err
}

func (w *world) change(version uint64, to vault.State) error {
	_, err := w.cabinet.SetKeyState(w.Context(), alice, service.KeyChange{ID: "release-ca", Version: version, To: string(to), Reason: "for a reason"})
	return err
}

// TestStandbyIsMadeBeforeTheTransaction: a token may take minutes to find primes,
// and nothing else waits for it; a key that no row came to hold does not stay.
func TestStandbyIsMadeBeforeTheTransaction(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.caInToken()
	w.check(w.rotate())
	if got := w.states(); got != "deactivated active pre-active" || w.token.made != 3 || len(w.token.keys) != 3 || w.token.inTx != 0 {
		t.Errorf("%s, made %d, %d in a transaction", got, w.token.made, w.token.inTx)
	}
	// Devices know no standby: nothing is made to be thrown away.
	w.refused("without a standby", w.rotate(), sealift.KindConflict, "standby")
	if w.token.made != 3 {
		t.Errorf("made %d", w.token.made)
	}
	// The transaction comes to nothing.
	keys, err := w.cabinet.Keys(t.Context(), service.KeyFilter{ID: "release-ca", State: "pre-active"})
	w.check(err)
	w.online.vouched[keys[0].Public] = "targets 2"
	w.online.fails = sealift.Errorf(sealift.KindConflict, "rotating", "somebody was faster")
	w.refused("lost", w.rotate(), sealift.KindConflict, "")
	if got := w.states(); got != "deactivated active pre-active" || w.token.made != 4 || len(w.token.keys) != 3 || w.token.inTx != 0 {
		t.Errorf("%s, made %d, kept %d", got, w.token.made, len(w.token.keys))
	}
	// It cannot be said whether it did: the key stays, for a row may name it.
	w.online.fails = sealift.Errorf(sealift.KindNetwork, "committing", "the database went away")
	w.refused("in doubt", w.rotate(), sealift.KindNetwork, "")
	if len(w.token.keys) != 4 {
		t.Errorf("kept %d", len(w.token.keys))
	}
	w.online.fails = nil
	w.token.away = true
	w.refused("a token that is away", w.rotate(), sealift.KindNetwork, "token-absent")
	if got := w.states(); got != "deactivated active pre-active" {
		t.Error(got)
	}
	w.token.away = false

	// A standby that ends has a successor, and so has one that takes the place of a
	// version that others may know.
	w.check(w.change(3, vault.Compromised))
	if got := w.states(); got != "deactivated active compromised pre-active" || w.token.inTx != 0 {
		t.Errorf("%s, %d in a transaction", got, w.token.inTx)
	}
	w.check(w.change(4, vault.Destroyed))
	if got := w.states(); got != "deactivated active compromised destroyed pre-active" || w.token.inTx != 0 {
		t.Errorf("%s, %d in a transaction", got, w.token.inTx)
	}
}

// TestServiceKeyInToken: a service's key is made in a token, and so are its next
// versions; one that is refused leaves nothing there.
func TestServiceKeyInToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.check(w.vault.Update(t.Context(), func(tx *vault.Tx) (err error) {
		row := store.App{ID: "com.acme.shop", Created: start}
		if row.MAC, err = tx.Authenticate(row); err != nil {
			return err
		}
		return tx.InsertApp(t.Context(), row)
	}))
	create := func(want service.NewKey) (service.Key, error) {
		want.Purpose, want.Algorithm, want.App, want.Owner = "artifact-signing", "ecdsa-p384", "com.acme.shop", "alice"
		return w.cabinet.CreateKey(t.Context(), alice, want)
	}
	k, err := create(service.NewKey{ID: "ci", Token: "pkcs11:token=fake;object=ci"})
	w.check(err)
	if k.Provider != vault.ProviderPKCS11 || len(w.token.keys) != 1 {
		t.Errorf("%+v, %d in the token", k, len(w.token.keys))
	}
	digest := make([]byte, crypto.SHA384.Size())
	signature, err := w.cabinet.SignWithKey(t.Context(), alice, service.SigningRequest{App: "com.acme.shop", Key: "ci", Hash: crypto.SHA384, Digest: digest})
	w.check(err)
	public, err := x509.ParsePKIXPublicKey(k.SPKI)
	w.check(err)
	if !ecdsa.VerifyASN1(public.(*ecdsa.PublicKey), digest, signature.Signature) {
		t.Error("its signature does not verify")
	}
	r, err := w.cabinet.RotateKey(t.Context(), alice, service.KeyRotation{ID: "ci", Reason: "yearly"})
	w.check(err)
	if r.Active.Provider != vault.ProviderPKCS11 || r.Active.Version != 2 || len(w.token.keys) != 2 || w.token.inTx != 0 {
		t.Errorf("%+v, %d in the token", r.Active, len(w.token.keys))
	}
	made := w.token.made
	_, err = create(service.NewKey{ID: "ci", Token: "pkcs11:token=fake;object=ci"})
	w.refused("an id that is taken", err, sealift.KindConflict, "")
	if w.token.made != made+1 || len(w.token.keys) != 2 {
		t.Errorf("made %d, kept %d", w.token.made, len(w.token.keys))
	}
	_, err = create(service.NewKey{ID: "mine", Token: "pkcs11:token=fake"})
	w.refused("no label", err, sealift.KindInvalid, vault.ReasonToken)
	_, err = create(service.NewKey{ID: "mine", Token: "pkcs11:token=fake;object=x", Exportable: true})
	w.refused("a key that leaves", err, sealift.KindInvalid, vault.ReasonToken)
	_, err = create(service.NewKey{ID: "../mine", Token: "pkcs11:token=fake;object=x"})
	w.refused("an id that is a path", err, sealift.KindInvalid, "")
	w.token.away = true
	_, err = create(service.NewKey{ID: "mine", Token: "pkcs11:token=fake;object=x"})
	w.refused("a token that is away", err, sealift.KindNetwork, "token-absent")
	if w.token.made != made+1 {
		t.Errorf("made %d for what was refused before", w.token.made-made)
	}
}

// TestRefusals: what people may not do with keys, and that each refusal is in the
// log.
func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.key(vault.PurposeReleaseCA, nil)
	w.key(vault.PurposeLog, nil)
	inUse := sealift.Errorf(sealift.KindConflict, "destroying", "devices believe it still").WithReason("key-in-use")
	for _, c := range []struct {
		what   string
		do     func(ctx context.Context) error
		kind   sealift.Kind
		reason string
		action string
	}{
		{"rotating what is not there", func(ctx context.Context) error {
			_, err := w.cabinet.RotateKey(ctx, alice, service.KeyRotation{ID: "nothing", Reason: "why"})
			return err
		}, sealift.KindNotFound, vault.ReasonUnknownKey, "key.rotate"},
		{"rotating without an id", func(ctx context.Context) error {
			_, err := w.cabinet.RotateKey(ctx, alice, service.KeyRotation{Reason: "why"})
			return err
		}, sealift.KindNotFound, vault.ReasonUnknownKey, "key.rotate"},
		{"the state that it has", func(context.Context) error { return w.change(1, vault.Active) }, sealift.KindConflict, "", "key.transition"},
		{"deactivating what is in use", func(context.Context) error { return w.change(1, vault.Deactivated) }, sealift.KindDenied, vault.ReasonState, "key.transition"},
		{"a version that is not there", func(context.Context) error { return w.change(9, vault.Suspended) }, sealift.KindNotFound, vault.ReasonUnknownKey, "key.transition"},
		{"destroying what is in use", func(context.Context) error { return w.change(1, vault.Destroyed) }, sealift.KindDenied, vault.ReasonState, "key.transition"},
		{"making a key of the vault's own", func(ctx context.Context) error {
			_, err := w.cabinet.CreateKey(ctx, alice, service.NewKey{ID: "mine", Purpose: "release-ca", Owner: "alice"})
			return err
		}, sealift.KindDenied, vault.ReasonPurpose, "key.create"},
		{"an unknown purpose", func(ctx context.Context) error {
			_, err := w.cabinet.CreateKey(ctx, alice, service.NewKey{ID: "mine", Purpose: "anything", Owner: "alice"})
			return err
		}, sealift.KindInvalid, "", "key.create"},
		{"an id that is a path", func(ctx context.Context) error {
			_, err := w.cabinet.CreateKey(ctx, alice, service.NewKey{ID: "../mine", Purpose: "artifact-signing", App: "com.acme.shop", Owner: "alice"})
			return err
		}, sealift.KindInvalid, "", "key.create"},
		{"for an app that is not there", func(ctx context.Context) error {
			_, err := w.cabinet.CreateKey(ctx, alice, service.NewKey{ID: "mine", Purpose: "artifact-signing", App: "com.acme.shop", Owner: "alice"})
			return err
		}, sealift.KindNotFound, "app", "key.create"},
		{"importing what is no key", func(ctx context.Context) error {
			_, err := w.cabinet.CreateKey(ctx, alice, service.NewKey{ID: "mine", Purpose: "capgo-app", App: "com.acme.shop", Owner: "alice", PEM: []byte("no PEM")})
			return err
		}, sealift.KindInvalid, "", "key.create"},
		{"exporting a CA", func(ctx context.Context) error {
			_, err := w.cabinet.ExportKey(ctx, alice, service.KeyExport{ID: "release-ca", Version: 1, Reason: "why"})
			return err
		}, sealift.KindDenied, vault.ReasonExport, "key.export"},
		{"signing with a key of the vault's own", func(ctx context.Context) error {
			_, err := w.cabinet.SignWithKey(ctx, alice, service.SigningRequest{App: "com.acme.shop", Key: "release-ca", Hash: crypto.SHA256, Digest: make([]byte, 32)})
			return err
		}, sealift.KindNotFound, vault.ReasonUnknownKey, "key.use"},
		{"a certificate without a version", func(ctx context.Context) error {
			_, err := w.cabinet.RequestCertificate(ctx, alice, "release-ca", 0)
			return err
		}, sealift.KindInvalid, "", "key.use"},
		{"a certificate for the log", func(ctx context.Context) error {
			_, err := w.cabinet.RequestCertificate(ctx, alice, "log", 1)
			return err
		}, sealift.KindDenied, vault.ReasonPurpose, "key.use"},
		{"installing one for the log", func(ctx context.Context) error {
			_, err := w.cabinet.InstallCertificate(ctx, alice, service.CACertificate{ID: "log", Version: 1})
			return err
		}, sealift.KindDenied, vault.ReasonPurpose, "key.certificate"},
		{"retiring what is in use", func(ctx context.Context) error {
			w.online.idle = inUse
			_, err := w.cabinet.RetireKey(ctx, alice, service.KeyRetirement{ID: "log", Version: 1, Reason: "why"})
			return err
		}, sealift.KindDenied, vault.ReasonState, "key.transition"},
	} {
		before := w.refusals(c.action)
		w.refused(c.what, c.do(t.Context()), c.kind, c.reason)
		if w.refusals(c.action) != before+1 {
			t.Errorf("%s: the log has no entry of its refusal", c.what)
		}
	}
	if len(w.online.followed) != 0 {
		t.Errorf("a refusal was followed: %q", w.online.followed)
	}
}

// refusals counts the entries of an action that was refused or failed.
func (w *world) refusals(action string) (n int) {
	w.Helper()
	w.check(w.store.View(w.Context(), func(tx store.Tx) error {
		entries, err := tx.AuditEntries(w.Context(), 0, 1000)
		for _, stored := range entries {
			if e, ok := audit.ParseEntry(stored.Leaf); ok && e.Action == action && e.Result != audit.OK {
				n++
			}
		}
		return err
	}))
	return n
}
