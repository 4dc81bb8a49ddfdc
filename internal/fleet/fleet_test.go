package fleet_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"database/sql"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

func TestEnrolAndGrant(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d, token := b.newDevice(), b.token(1, time.Hour)
	req := b.request(d, trust.RequestEnrol)
	a, _, err := b.ask(req, b.proven(token, req, b.enrolment(d)), d.identity)
	b.check(err)
	var said trust.Enrolled
	b.check(trust.DecodeBody(a.Body, &said))
	if said.Device != d.id || a.Nonce != req.Nonce || !a.Time.Equal(b.clock) {
		t.Errorf("answer %+v, %+v", a, said)
	}
	row := b.row(d)
	if row.State != store.DeviceActive || row.Token != token.ID() || !bytes.Equal(row.Identity, d.spki) || row.Platform != "web" || row.Runtime != "1.0.0" {
		t.Errorf("row %+v", row)
	}

	a, _, err = b.ask(b.request(d, trust.RequestEpoch), trust.EpochRequest{Channel: "production", Number: 1}, d.identity)
	b.check(err)
	var grant trust.EpochGrant
	b.check(trust.DecodeBody(a.Body, &grant))
	info := bundle.EpochKeyInfo{Vault: vaultID, App: b.app, Device: d.id, Channel: "production", Epoch: 1}
	key, err := bundle.OpenEpochKey(d.hpke, grant.Sealed, info)
	b.check(err)
	b.check(b.store.View(b.Context(), func(tx store.Tx) error {
		epoch, err := tx.Epoch(b.Context(), b.app, "production", 1)
		if err == nil && !bytes.Equal(epoch.PublicKey, key.Public().Bytes) {
			t.Error("the granted key is not that of the epoch")
		}
		return err
	}))
	if _, err := bundle.OpenEpochKey(b.newDevice().hpke, grant.Sealed, info); err == nil {
		t.Error("another device opens the grant")
	}

	var told []string
	for _, e := range b.log(d) {
		if e.Actor.Kind != audit.Device || e.Actor.Address != address {
			t.Errorf("%s by %+v", e.Action, e.Actor)
		}
		told = append(told, e.Action+" "+string(e.Result))
		if e.Action == "key.use" {
			told = append(told, e.Key+" for "+e.Details["for"])
		}
	}
	for _, want := range []string{"secret.unwrap ok", "device.enrol ok", "answer for device.answer", "device.epoch ok", "epoch:" + string(b.app) + "/production for epoch.grant"} {
		if !slices.Contains(told, want) {
			t.Errorf("no %q in %q", want, told)
		}
	}
	secret := strings.Split(token.Reveal(), "_")[3]
	for _, e := range b.log(d) {
		if leaf, err := e.Leaf(); err != nil || bytes.Contains(leaf, []byte(secret)) {
			t.Errorf("a secret is in the log: %s, %v", leaf, err)
		}
	}
}

// TestSilence: who fails the first checks is not answered, so that nobody can
// have the vault sign at will, and nothing is noted of them.
func TestSilence(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d, other, stranger := b.enrolled(), b.enrolled(), b.newDevice()
	epoch := trust.EpochRequest{Channel: "production", Number: 1}
	ask := func(d *device, bend func(*trust.Request), key *ecdsa.PrivateKey) (bool, error) {
		req := b.request(d, trust.RequestEpoch)
		if bend != nil {
			bend(req)
		}
		_, answered, err := b.ask(req, epoch, key)
		return answered, err
	}
	before := b.logSize()

	answered, err := ask(d, nil, other.identity)
	b.wantSilence("signed by another device's key", answered, err, sealift.KindDenied, "signature")
	answered, err = ask(stranger, nil, stranger.identity)
	b.wantSilence("a device that is not enrolled", answered, err, sealift.KindDenied, "unknown-device")
	answered, err = ask(d, func(r *trust.Request) { r.App = b.makeApp(false) }, d.identity)
	b.wantSilence("a device of another app", answered, err, sealift.KindDenied, "unknown-device")
	answered, err = ask(d, func(r *trust.Request) { r.Vault = "ffffffffffffffffffffffffffffffff" }, d.identity)
	b.wantSilence("another vault", answered, err, sealift.KindDenied, "vault")
	answered, err = ask(d, func(r *trust.Request) { r.Time = trust.At(b.clock.Add(-sealift.MaxRequestAge - time.Second)) }, d.identity)
	b.wantSilence("too old", answered, err, sealift.KindDenied, "time")
	answered, err = ask(d, func(r *trust.Request) { r.Time = trust.At(b.clock.Add(sealift.MaxClockAhead + time.Second)) }, d.identity)
	b.wantSilence("too new", answered, err, sealift.KindDenied, "time")
	answered, err = ask(d, func(r *trust.Request) { r.Nonce = "x" }, d.identity)
	b.wantSilence("no nonce", answered, err, sealift.KindInvalid, "malformed")

	// An enrolment under an id that its key does not give.
	req := b.request(stranger, trust.RequestEnrol)
	req.Device = d.id
	_, answered, err = b.ask(req, b.enrolment(stranger), stranger.identity)
	b.wantSilence("the id of another device", answered, err, sealift.KindDenied, "signature")
	req = b.request(stranger, trust.RequestEnrol)
	_, answered, err = b.ask(req, b.enrolment(stranger), other.identity)
	b.wantSilence("an enrolment by another key", answered, err, sealift.KindDenied, "signature")
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	b.check(err)
	odd := b.newDevice()
	odd.spki, err = x509.MarshalPKIXPublicKey(p384.Public())
	b.check(err)
	odd.id = sealift.DeviceIDOf(odd.spki)
	_, answered, err = b.ask(b.request(odd, trust.RequestEnrol), b.enrolment(odd), p384)
	b.wantSilence("an identity on P-384", answered, err, sealift.KindDenied, "signature")

	for what, message := range map[string][]byte{
		"nothing": nil, "null": []byte("null"), "no DSSE": []byte(`{"a":1}`),
		"oversized": bytes.Repeat([]byte(" "), sealift.MaxMessage+1),
	} {
		_, err := b.desk.Answer(b.Context(), message, address)
		b.wantSilence(what, false, err, sealift.KindInvalid, "malformed")
	}
	if after := b.logSize(); after != before {
		t.Errorf("the log grew by %d entries", after-before)
	}
}

func TestNonceIsGoodOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d, other := b.enrolled(), b.enrolled()
	epoch := trust.EpochRequest{Channel: "production", Number: 1}
	req := b.request(d, trust.RequestEpoch)
	_, _, err := b.ask(req, epoch, d.identity)
	b.check(err)
	_, answered, err := b.ask(req, epoch, d.identity)
	b.wantSilence("replayed", answered, err, sealift.KindConflict, "nonce")
	// Signed anew with the nonce of before, and for something else.
	_, answered, err = b.ask(req, trust.EpochRequest{Channel: "production", Number: 2}, d.identity)
	b.wantSilence("the nonce of another request", answered, err, sealift.KindConflict, "nonce")
	// Another device may have the same by chance.
	theirs := b.request(other, trust.RequestEpoch)
	theirs.Nonce = req.Nonce
	_, _, err = b.ask(theirs, epoch, other.identity)
	b.check(err)
	// A refused enrolment used its nonce up, too.
	stranger := b.newDevice()
	again := b.request(stranger, trust.RequestEnrol)
	_, answered, err = b.ask(again, b.enrolment(stranger), stranger.identity)
	b.wantSigned("without a token", answered, err, sealift.KindDenied, "token")
	_, answered, err = b.ask(again, b.enrolment(stranger), stranger.identity)
	b.wantSilence("again", answered, err, sealift.KindConflict, "nonce")
	// As long as a request is not too old, its nonce is remembered.
	b.clock = b.clock.Add(sealift.MaxRequestAge)
	b.check(b.store.Update(b.Context(), func(tx store.Tx) error {
		_, err := tx.PruneNonces(b.Context(), b.clock)
		return err
	}))
	_, answered, err = b.ask(req, epoch, d.identity)
	b.wantSilence("replayed a week later", answered, err, sealift.KindConflict, "nonce")
}

func TestEnrolmentTokens(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	refused := func(what string, d *device, answered bool, err error) {
		t.Helper()
		b.wantSigned(what, answered, err, sealift.KindDenied, "token")
		const text = "asking the vault for enrol: enrolling the device: the enrolment token is missing, unknown, expired or used up"
		if err == nil || err.Error() != text || sealift.HintOf(err) == "" {
			t.Errorf("%s: says %v", what, err) // every refusal looks the same
		}
		entries := b.log(d)
		if !slices.ContainsFunc(entries, func(e audit.Entry) bool {
			return e.Action == "device.enrol" && e.Result == audit.Refused && e.Details["reason"] == "token"
		}) {
			t.Errorf("%s: not in the log", what)
		}
	}
	d := b.newDevice()
	_, answered, err := b.ask(b.request(d, trust.RequestEnrol), b.enrolment(d), d.identity)
	refused("no token", d, answered, err)
	d = b.newDevice()
	answered, err = b.enrol(d, sealift.NewEnrolmentToken(sealift.Digest{}))
	refused("unknown token", d, answered, err)

	good := b.token(0, time.Hour)
	for what, bend := range map[string]func(*trust.Request, *trust.Enrolment){
		"wrong secret":   func(r *trust.Request, e *trust.Enrolment) { e.Token.MAC = trust.EnrolmentMAC([]byte("guess"), r, e) },
		"no MAC":         func(_ *trust.Request, e *trust.Enrolment) { e.Token.MAC = nil },
		"other platform": func(_ *trust.Request, e *trust.Enrolment) { e.Platform = "ios" },
		"other runtime":  func(_ *trust.Request, e *trust.Enrolment) { e.Runtime = "2.0.0" },
		"other HPKE key": func(_ *trust.Request, e *trust.Enrolment) { e.HPKE.PublicKey = b.newDevice().hpke.Public().Bytes },
		"another's proof": func(r *trust.Request, e *trust.Enrolment) {
			e.Token.MAC = trust.EnrolmentMAC(good.Secret(), b.request(b.newDevice(), r.Kind), e)
		},
	} {
		d := b.newDevice()
		req := b.request(d, trust.RequestEnrol)
		e := b.proven(good, req, b.enrolment(d))
		bend(req, e)
		_, answered, err := b.ask(req, e, d.identity)
		refused(what, d, answered, err)
	}

	own := b.app
	b.app = b.makeApp(false)
	elsewhere := b.token(0, time.Hour)
	b.app = own
	d = b.newDevice()
	answered, err = b.enrol(d, elsewhere)
	refused("token of another app", d, answered, err)

	twice := b.token(2, time.Hour)
	for range 2 {
		_, err := b.enrol(b.newDevice(), twice)
		b.check(err)
	}
	d = b.newDevice()
	answered, err = b.enrol(d, twice)
	refused("used up", d, answered, err)

	short := b.token(0, time.Minute)
	b.clock = b.clock.Add(time.Minute - time.Second)
	_, err = b.enrol(b.newDevice(), short)
	b.check(err)
	b.clock = b.clock.Add(time.Second)
	d = b.newDevice()
	answered, err = b.enrol(d, short)
	refused("expired", d, answered, err)

	_, err = b.desk.CreateEnrolmentToken(b.Context(), alice, "com.acme.none", service.NewEnrolmentToken{Life: time.Hour})
	b.wantRefusal("a token for an unknown app", err, sealift.KindNotFound, "app")
}

// TestTokenRacing: a token with one use makes one device, however many try.
func TestTokenRacing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	once := b.token(1, time.Hour)
	outcomes := make(chan error)
	const racers = 8
	for range racers {
		d := b.newDevice()
		req := b.request(d, trust.RequestEnrol)
		e := b.proven(once, req, b.enrolment(d))
		go func() {
			_, _, err := b.ask(req, e, d.identity)
			outcomes <- err
		}()
	}
	won := 0
	for range racers {
		if err := <-outcomes; err == nil {
			won++
		} else if sealift.ReasonOf(err) != "token" {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d devices enrolled with one use", won)
	}
}

// TestEnrolmentTokenBySQL: nobody uses a token more often or longer, or for another app,
// by changing its row, nor by putting the one of before it was used in its place.
func TestEnrolmentTokenBySQL(t *testing.T) {
	t.Parallel()
	for what, statement := range map[string]string{
		"used less":       "UPDATE enrolment_tokens SET uses = 0 WHERE app = ?",
		"good more often": "UPDATE enrolment_tokens SET max_uses = 9 WHERE app = ?",
		"good longer":     "UPDATE enrolment_tokens SET expires = expires + 3600000000 WHERE app = ?",
	} {
		b := newBench(t)
		once := b.token(1, time.Hour)
		_, err := b.enrol(b.newDevice(), once)
		b.check(err)
		b.behind(statement, b.app)
		if what == "good longer" {
			b.clock = b.clock.Add(time.Hour)
			b.behind("UPDATE enrolment_tokens SET max_uses = 9 WHERE app = ?", b.app)
		}
		answered, err := b.enrol(b.newDevice(), once)
		b.wantSigned(what, answered, err, sealift.KindDenied, vault.ReasonForged)
	}
	b := newBench(t)
	once := b.token(1, time.Hour)
	var before store.EnrolmentToken
	b.check(b.store.View(b.Context(), func(tx store.Tx) (err error) {
		before, err = tx.EnrolmentToken(b.Context(), once.ID())
		return err
	}))
	_, err := b.enrol(b.newDevice(), once)
	b.check(err)
	b.behind("DELETE FROM enrolment_tokens WHERE app = ?", b.app)
	b.check(b.store.Update(b.Context(), func(tx store.Tx) error { return tx.InsertEnrolmentToken(b.Context(), before) }))
	answered, err := b.enrol(b.newDevice(), once)
	b.wantSigned("the row of before", answered, err, sealift.KindDenied, vault.ReasonPutBack)
}

func TestEnrolmentForm(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.app = b.makeApp(true)
	open := b.newDevice()
	_, _, err := b.ask(b.request(open, trust.RequestEnrol), b.enrolment(open), open.identity)
	b.check(err) // openly, without a token
	if row := b.row(open); row.Token != "" {
		t.Errorf("row %+v", row)
	}
	for what, bend := range map[string]func(*trust.Enrolment){
		"platform":    func(e *trust.Enrolment) { e.Platform = "I OS" },
		"runtime":     func(e *trust.Enrolment) { e.Runtime = "one" },
		"suite":       func(e *trust.Enrolment) { e.HPKE.KEM = 1 },
		"key":         func(e *trust.Enrolment) { e.HPKE.PublicKey = e.HPKE.PublicKey[1:] },
		"no HPKE key": func(e *trust.Enrolment) { e.HPKE.PublicKey = nil },
	} {
		d := b.newDevice()
		e := b.enrolment(d)
		bend(e)
		_, answered, err := b.ask(b.request(d, trust.RequestEnrol), e, d.identity)
		b.wantSigned(what, answered, err, sealift.KindInvalid, "malformed")
	}
	d := b.newDevice()
	req := b.request(d, trust.RequestEnrol)
	req.App = "com.acme.none"
	_, answered, err := b.ask(req, b.enrolment(d), d.identity)
	b.wantSilence("unknown app", answered, err, sealift.KindNotFound, "app")
	// A token that is shown must be good even where none is needed.
	answered, err = b.enrol(b.newDevice(), sealift.NewEnrolmentToken(sealift.Digest{}))
	b.wantSigned("a bad token for an open app", answered, err, sealift.KindDenied, "token")

	// Enrolling again brings a new HPKE key and changes nothing else.
	fresh, err := bundle.GenerateKey(bundle.P256Suite)
	b.check(err)
	open.hpke = fresh
	_, _, err = b.ask(b.request(open, trust.RequestEnrol), b.enrolment(open), open.identity)
	b.check(err)
	if row := b.row(open); !bytes.Equal(row.PublicKey, fresh.Public().Bytes) || row.State != store.DeviceActive {
		t.Errorf("row %+v", row)
	}
	a, _, err := b.ask(b.request(open, trust.RequestEpoch), trust.EpochRequest{Channel: "production", Number: 1}, open.identity)
	b.check(err)
	var grant trust.EpochGrant
	b.check(trust.DecodeBody(a.Body, &grant))
	_, err = bundle.OpenEpochKey(fresh, grant.Sealed, bundle.EpochKeyInfo{Vault: vaultID, App: b.app, Device: open.id, Channel: "production", Epoch: 1})
	b.check(err)
}

func TestGrantRefusals(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.enrolled()
	for what, body := range map[string]trust.EpochRequest{
		"unknown channel": {Channel: "beta", Number: 1},
		"no such epoch":   {Channel: "production", Number: 2},
		"far too high":    {Channel: "production", Number: 1<<63 + 5},
	} {
		_, answered, err := b.ask(b.request(d, trust.RequestEpoch), body, d.identity)
		b.wantSigned(what, answered, err, sealift.KindNotFound, "epoch")
	}
	_, answered, err := b.ask(b.request(d, trust.RequestEpoch), trust.EpochRequest{Channel: "production"}, d.identity)
	b.wantSigned("epoch 0", answered, err, sealift.KindInvalid, "epoch")
	_, answered, err = b.ask(b.request(d, trust.RequestEpoch), []string{"no", "object"}, d.identity)
	b.wantSigned("a strange body", answered, err, sealift.KindInvalid, "malformed")
	_, answered, err = b.ask(b.request(d, "dance"), struct{}{}, d.identity)
	b.wantSilence("an unknown request", answered, err, sealift.KindInvalid, "malformed")

	row := b.row(d)
	row.State = store.DeviceRevoked
	b.put(row)
	_, answered, err = b.ask(b.request(d, trust.RequestEpoch), trust.EpochRequest{Channel: "production", Number: 1}, d.identity)
	b.wantSigned("revoked", answered, err, sealift.KindDenied, "revoked")
	answered, err = b.enrol(d, b.token(0, time.Hour)) // nor does it come back by itself
	b.wantSigned("revoked, enrolling again", answered, err, sealift.KindDenied, "revoked")
	if got := b.row(d); got.State != store.DeviceRevoked {
		t.Errorf("state %s", got.State)
	}

	var told []string
	for _, e := range b.log(d) {
		if e.Result == audit.Refused {
			told = append(told, e.Action+" "+e.Details["reason"])
		}
		if e.Details["for"] == "epoch.grant" {
			t.Errorf("a key was used: %+v", e)
		}
	}
	slices.Sort(told)
	want := []string{
		"device.enrol revoked", "device.epoch epoch", "device.epoch epoch", "device.epoch epoch",
		"device.epoch epoch", "device.epoch malformed", "device.epoch revoked",
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Error(diff)
	}
}

// logSize counts what the log says of devices of the test's app.
func (b *bench) logSize() (n int) {
	b.Helper()
	b.check(b.store.View(b.Context(), func(tx store.Tx) error {
		records, err := audit.Records(b.Context(), tx, 0, 1_000_000)
		n = 0
		for _, r := range records {
			if r.Entry != nil && r.Entry.Actor.Kind == audit.Device && r.Entry.Details["app"] == string(b.app) {
				n++
			}
		}
		return err
	}))
	return n
}

// Rows that something else than the vault wrote make nobody a device, and no
// app open.
func TestForgedRows(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.enrolled()
	epoch := func() (bool, error) {
		_, answered, err := b.ask(b.request(d, trust.RequestEpoch), trust.EpochRequest{Channel: "production", Number: 1}, d.identity)
		return answered, err
	}
	put := func(row store.Device) {
		b.check(b.store.Update(b.Context(), func(tx store.Tx) error { return tx.PutDevice(b.Context(), row) }))
	}
	good := b.row(d)
	for what, bend := range map[string]func(*store.Device){
		"another HPKE key": func(r *store.Device) { r.PublicKey = slices.Concat(r.PublicKey[1:], r.PublicKey[:1]) },
		"another state":    func(r *store.Device) { r.State = "favourite" },
		"no MAC":           func(r *store.Device) { r.MAC = nil },
	} {
		row := good
		bend(&row)
		put(row)
		answered, err := epoch()
		b.wantSilence(what, answered, err, sealift.KindDenied, vault.ReasonForged)
	}
	put(good)
	if answered, err := epoch(); !answered || err != nil {
		t.Errorf("the row as the vault wrote it: %t, %v", answered, err)
	}

	stranger := b.newDevice()
	b.bendApp("UPDATE apps SET open_enrolment = 1 WHERE id = ?")
	_, answered, err := b.ask(b.request(stranger, trust.RequestEnrol), b.enrolment(stranger), stranger.identity)
	b.wantSilence("an app that was opened by SQL", answered, err, sealift.KindDenied, vault.ReasonForged)
}

// TestEpochBySQL: which key is an epoch's is the vault's word, or whoever writes rows had
// that of a private channel given out as another's.
func TestEpochBySQL(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.channel("secret", true)
	d := b.enrolled()
	b.behind(`UPDATE epochs SET (key_id, key_version) = (SELECT key_id, key_version FROM epochs WHERE app = ?1 AND channel = 'secret')
		WHERE app = ?1 AND channel = 'production'`, b.app)
	answered, err := b.askEpochOf(d, "production", 1)
	b.wantSigned("another channel's key", answered, err, sealift.KindDenied, vault.ReasonForged)
}

// bendApp changes the app's row behind the store's back.
func (b *bench) bendApp(statement string) {
	b.Helper()
	b.behind(statement, b.app)
}

// behind runs a statement behind the store's back.
func (b *bench) behind(statement string, args ...any) {
	b.Helper()
	db, err := sql.Open("sqlite", filepath.Join(b.dir, "vault.db")+"?_pragma=busy_timeout(5000)")
	b.check(err)
	defer db.Close()
	_, err = db.ExecContext(b.Context(), statement, args...)
	b.check(err)
}
