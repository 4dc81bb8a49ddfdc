package installation_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// anchors are the keys that the server asks people to vouch for.
func (b *bench) anchors() (a ceremony.Anchors) {
	b.Helper()
	said, err := b.api.Anchors(b.Context())
	b.check(err)
	of, err := trust.ParseTrust(said.Trust)
	b.check(err)
	a.Vault, a.Trust = sealift.VaultID(said.Vault), *of
	for _, k := range said.Keys {
		pub, err := x509.ParsePKIXPublicKey(k.Public)
		b.check(err)
		switch k.Purpose {
		case "director":
			a.Director = append(a.Director, pub)
		case "snapshot":
			a.Snapshot = append(a.Snapshot, pub)
		case "timestamp":
			a.Timestamp = append(a.Timestamp, pub)
		}
	}
	return a
}

// targetsKey is the targets key of every bench, which are copies of one keys
// folder: scrypt is slow on purpose.
var targetsKey = sync.OnceValues(func() (crypto.Signer, error) {
	dir, err := founded()
	if err != nil {
		return nil, err
	}
	sealed, err := os.ReadFile(filepath.Join(dir, "keys", "targets-1.key"))
	if err != nil {
		return nil, err
	}
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, err
	}
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(sealed)), identity)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	return key.(crypto.Signer), nil
})

// ceremony holds the yearly ceremony: root and targets anew, over what the
// vault signs with now.
func (b *bench) ceremony() {
	b.Helper()
	folder := b.keysFolder()
	a := b.anchors()
	p := b.proposeRoot(folder, ceremony.RootChange{})
	next, err := tufrepo.ReadRoot(p.Next)
	b.check(err)
	trustJSON, err := a.Trust.Encode()
	b.check(err)
	key, err := targetsKey()
	b.check(err)
	targets, err := tufrepo.SignTargets(tufrepo.Targets{
		Version: next.Version, Expires: b.now().Add(sealift.TargetsLife), Trust: trustJSON, Director: tufrepo.Role{Keys: a.Director, Threshold: 1},
	}, []crypto.Signer{key})
	b.check(err)
	_, err = b.api.AcceptRoot(b.Context(), api.Ceremony{Root: p.Next, Targets: targets, Trust: trustJSON})
	b.check(err)
	_, err = folder.Finish(p)
	b.check(err)
}

// keep does what a server does by itself.
func (b *bench) keep() (done []string) {
	b.Helper()
	b.check(b.i.Fresh(b.Context()))
	done, failed := b.i.Keys.Keep(b.Context())
	for _, err := range failed {
		b.Errorf("at %s: %v", b.clock, err)
	}
	return done
}

// rotate exchanges the active version of a key, as people do by hand.
func (b *bench) rotate(id string) (api.RotatedKey, error) {
	return b.api.RotateKey(b.Context(), api.KeyRotation{ID: id, Reason: "a drill"})
}

// states are the states of a key's versions, and by which document devices know
// them.
func (b *bench) states(id string) string {
	b.Helper()
	keys, err := b.api.Keys(b.Context(), api.ListKeysParams{ID: id})
	b.check(err)
	var out []string
	for _, k := range keys {
		out = append(out, strings.TrimSuffix(fmt.Sprintf("%s %s", k.State, k.Vouched), " "))
	}
	return strings.Join(out, ", ")
}

func (b *bench) wantStates(id, want string) {
	b.Helper()
	if got := b.states(id); got != want {
		b.Errorf("%s is %s; want %s", id, got, want)
	}
}

// wantUpdate lets a device update, and wants it to run a version then.
func (b *bench) wantUpdate(d device, version sealift.Version) {
	b.Helper()
	r, err := d.agent.Update(b.Context())
	if err != nil || r.Installed == nil || r.Installed.Version != version {
		b.Errorf("at %s the device has %+v, %v; want %s", b.clock.Format(time.DateOnly), r.Installed, err, version)
	}
}

// theOnline are the keys that devices must know beforehand.
var (
	theOnline = []string{"director", "snapshot", "timestamp", "release-ca", "device-ca", "log"}
	documents = []string{"targets 1", "root 1", "root 1", "targets 1", "targets 1", "targets 1"}
)

// TestRotateEachKey: the standby takes over at once, for a device that was there
// before and one that comes after, and without people a second time it does not.
func TestRotateEachKey(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.makeApp("web")
	_, err := b.publish("1.0.0")
	b.check(err)
	before := b.device()
	b.wantUpdate(before, "1.0.0")
	for i, id := range theOnline {
		r, err := b.rotate(id)
		b.check(err)
		if r.Active.Version != 2 || r.Before.Version != 1 || r.Standby == nil || r.Standby.Version != 3 {
			t.Errorf("%s: %+v", id, r)
		}
		b.wantStates(id, fmt.Sprintf("deactivated %[1]s, active %[1]s, pre-active", documents[i]))
		_, err = b.rotate(id)
		b.wantRefusal(err, sealift.KindConflict, "standby")
		if !strings.Contains(sealift.HintOf(err), "--keys DIR") {
			t.Errorf("%s: hint %q", id, sealift.HintOf(err))
		}
	}
	r, err := b.rotate("answer")
	b.check(err)
	if r.Standby != nil {
		t.Errorf("answer: %+v", r)
	}
	r, err = b.rotate("epoch:com.acme.shop/production")
	b.check(err)
	if r.Active.Version != 2 || r.Standby != nil {
		t.Errorf("epoch: %+v", r)
	}
	b.wantStates("epoch:com.acme.shop/production", "deactivated, active")
	b.wantUpdate(b.device(), "1.0.0") // sealed to the epoch before, certified by the CA before
	_, err = b.publish("1.1.0")
	b.check(err)
	b.wantUpdate(before, "1.1.0")
	b.wantUpdate(b.device(), "1.1.0")
	if _, err := b.i.CheckLog(b.Context()); err != nil {
		t.Error(err)
	}
}

// TestThreeYears: a month is a step, and once a year people hold a ceremony.
// Keys rotate by themselves, old versions go, and devices follow: one that checks
// every month, one that comes anew, and one that sleeps for thirteen months.
func TestThreeYears(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.makeApp("web")
	_, err := b.publish("1.0.0")
	b.check(err)
	often, seldom := b.device(), b.device()
	b.wantUpdate(often, "1.0.0")
	b.wantUpdate(seldom, "1.0.0")
	rotated := map[string]int{}
	for month := 1; month <= 36; month++ {
		b.clock = b.clock.Add(30 * 24 * time.Hour)
		for _, what := range b.keep() {
			rotated[strings.TrimPrefix(what, "rotated ")]++
		}
		if month%11 == 0 {
			b.ceremony()
		}
		version := sealift.Version(fmt.Sprintf("1.%d.0", month-month%4))
		if month%4 == 0 {
			_, err := b.publish(version)
			b.check(err)
		}
		if month > 4 {
			b.wantUpdate(often, version)
		}
		if month%13 == 0 {
			b.wantUpdate(seldom, version)
			b.wantUpdate(b.device(), version)
		}
	}
	for _, id := range append(slices.Clone(theOnline), "answer", "epoch:com.acme.shop/production") {
		if rotated[id] != 3 {
			t.Errorf("%s rotated %d times", id, rotated[id])
		}
	}
	// What the last ceremony left out is destroyed, what it lists is not.
	b.wantStates("timestamp", "deactivated, deactivated, deactivated, active root 4, pre-active root 4")
	for version := uint64(1); version <= 3; version++ {
		_, err := b.api.SetKeyState(b.Context(), api.KeyChange{ID: "timestamp", Version: version, To: "destroyed", Reason: "old"})
		b.check(err)
	}
	_, err = b.rotate("timestamp")
	b.check(err)
	_, err = b.api.SetKeyState(b.Context(), api.KeyChange{ID: "timestamp", Version: 4, To: "destroyed", Reason: "too early"})
	b.wantRefusal(err, sealift.KindConflict, "key-in-use")
	if _, err := b.i.CheckLog(b.Context()); err != nil {
		t.Error(err)
	}
}

// TestWithoutCeremonyNothingRotates: the server tries, says what is missing, and
// enters no refusal an hour into the log.
func TestWithoutCeremonyNothingRotates(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for range 2 {
		_, err := b.rotate("timestamp")
		if err != nil {
			b.wantRefusal(err, sealift.KindConflict, "standby")
		}
	}
	b.clock = b.clock.Add(300 * 24 * time.Hour)
	b.check(b.i.Fresh(b.Context()))
	size := func() (n int) {
		list, err := b.api.Entries(b.Context(), api.ListEntriesParams{Action: "key.rotate", Limit: 100})
		b.check(err)
		return len(list.Entries)
	}
	_, failed := b.i.Keys.Keep(b.Context())
	if len(failed) != 1 || sealift.ReasonOf(failed[0]) != "standby" || !strings.Contains(sealift.HintOf(failed[0]), "sealift root rotate") {
		t.Errorf("failed: %v", failed)
	}
	before := size()
	if done, failed := b.i.Keys.Keep(b.Context()); len(failed) != 1 || len(done) != 0 || size() != before {
		t.Errorf("done %v, failed %v, %d entries more", done, failed, size()-before)
	}
	b.ceremony()
	if done, failed := b.i.Keys.Keep(b.Context()); len(failed) != 0 || !slices.Equal(done, []string{"rotated timestamp"}) {
		t.Errorf("done %v, failed %v", done, failed)
	}
}

// TestStandbysAreMade: an installation from before there were any gets them.
func TestStandbysAreMade(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	by := audit.Actor{Kind: audit.System, ID: "test"}
	for i, id := range theOnline {
		b.check(b.i.Vault.Update(b.Context(), func(tx *vault.Tx) error {
			_, err := b.i.Vault.Transition(b.Context(), tx, vault.Ref{ID: id, Version: 2}, vault.PreActive, vault.Destroyed, by, "as if it had never been", b.now())
			return err
		}))
		if done := b.keep(); !slices.Equal(done, []string{"made a standby of " + id}) {
			t.Errorf("the server did %v", done)
		}
		b.wantStates(id, fmt.Sprintf("active %[1]s, destroyed %[1]s, pre-active", documents[i]))
	}
	// And one that is destroyed over the API has a successor at once.
	_, err := b.api.SetKeyState(b.Context(), api.KeyChange{ID: "director", Version: 3, To: "destroyed", Reason: "the backup was lost"})
	b.check(err)
	b.wantStates("director", "active targets 1, destroyed targets 1, destroyed, pre-active")
}

// TestCompromise: what signs with the key is replaced in the same act.
func TestCompromise(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.makeApp("web")
	_, err := b.publish("1.0.0")
	b.check(err)
	d := b.device()
	b.wantUpdate(d, "1.0.0")
	k, err := b.api.SetKeyState(b.Context(), api.KeyChange{ID: "timestamp", Version: 1, To: "compromised", Reason: "a laptop was stolen"})
	b.check(err)
	if k.Version != 1 || k.State != "compromised" {
		t.Errorf("%+v", k)
	}
	b.wantStates("timestamp", "compromised root 1, active root 1, pre-active")

	// A release CA: what it certified is refused at once, and the next release
	// is certified by its standby.
	_, err = b.api.SetKeyState(b.Context(), api.KeyChange{ID: "release-ca", Version: 1, To: "compromised", Reason: "seen outside"})
	b.check(err)
	b.wantStates("release-ca", "compromised targets 1, active targets 1, pre-active")
	err = b.device().try()
	b.wantRefusal(err, sealift.KindChain, "ca-suspended")
	_, err = b.publish("1.1.0")
	b.check(err)
	b.wantUpdate(d, "1.1.0")
	b.wantUpdate(b.device(), "1.1.0")
	if a := b.anchors(); len(a.Trust.ReleaseCAs) != 2 || len(a.Timestamp) != 2 {
		t.Errorf("people are asked to vouch for a compromised key: %d CAs, %d timestamp keys", len(a.Trust.ReleaseCAs), len(a.Timestamp))
	}
	// A compromised one may go at once.
	_, err = b.api.SetKeyState(b.Context(), api.KeyChange{ID: "release-ca", Version: 1, To: "destroyed", Reason: "done with it"})
	b.check(err)
	// And with no standby that devices know, a key that is needed stays.
	_, err = b.api.SetKeyState(b.Context(), api.KeyChange{ID: "timestamp", Version: 2, To: "compromised", Reason: "again"})
	b.wantRefusal(err, sealift.KindConflict, "standby")
}

// TestCompromisedLogKey: what it proved is proven anew, so that nothing is lost
// when the next ceremony leaves it out.
func TestCompromisedLogKey(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.makeApp("web")
	_, err := b.publish("1.0.0")
	b.check(err)
	before := b.offered()
	_, err = b.api.SetKeyState(b.Context(), api.KeyChange{ID: "log", Version: 1, To: "compromised", Reason: "seen outside"})
	b.check(err)
	if after := b.offered(); after[0].Release != before[0].Release || after[0].Proof == before[0].Proof {
		t.Errorf("offered %+v, before %+v", after, before)
	}
	b.wantUpdate(b.device(), "1.0.0")
	b.ceremony()
	b.wantStates("log", "compromised, active targets 2, pre-active targets 2")
	b.wantUpdate(b.device(), "1.0.0")
	if _, err := b.i.CheckLog(b.Context()); err != nil {
		t.Error(err)
	}
}

// TestRetire: at its date, and as soon as nothing depends on it.
func TestRetire(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.makeApp("web")
	_, err := b.publish("1.0.0")
	b.check(err)
	_, err = b.api.RetireKey(b.Context(), api.KeyRetirement{ID: "log", Version: 1, After: 60, Reason: "x"})
	b.wantRefusal(err, sealift.KindDenied, vault.ReasonState)
	for _, id := range []string{"log", "release-ca", "epoch:com.acme.shop/production"} {
		_, err := b.rotate(id)
		b.check(err)
		k, err := b.api.RetireKey(b.Context(), api.KeyRetirement{ID: id, Version: 1, After: 3600, Reason: "a drill"})
		b.check(err)
		if k.RetireAt == nil || !k.RetireAt.Equal(b.clock.Add(time.Hour)) || k.State != "deactivated" {
			t.Errorf("%+v", k)
		}
	}
	if done := b.keep(); len(done) != 0 {
		t.Errorf("before its time: %v", done)
	}
	b.clock = b.clock.Add(time.Hour)
	reasons := func() (reasons []string) {
		done, failed := b.i.Keys.Keep(b.Context())
		for _, err := range failed {
			if sealift.ReasonOf(err) != "key-in-use" || sealift.HintOf(err) == "" {
				t.Errorf("%v", err)
			}
			reasons = append(reasons, err.Error())
		}
		return append(done, reasons...)
	}
	got := strings.Join(reasons(), "\n")
	for _, want := range []string{"destroyed log version 1", "release-ca version 1: a release that is offered is certified by it", "epoch:com.acme.shop/production version 1: release 1.0.0 of production/web is offered and sealed to it"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	_, err = b.publish("1.1.0")
	b.check(err)
	got = strings.Join(reasons(), "\n")
	for _, want := range []string{"destroyed epoch:com.acme.shop/production version 1", "release-ca version 1: targets 1 lists it"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	b.ceremony()
	if done := b.keep(); !slices.Equal(done, []string{"destroyed release-ca version 1"}) {
		t.Errorf("done %v", done)
	}
	b.wantUpdate(b.device(), "1.1.0")
	if _, err := b.i.CheckLog(b.Context()); err != nil {
		t.Error(err)
	}
}
