package vault

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/sealift/sealift"
)

const testVault = sealift.VaultID("00112233445566778899aabbccddeeff")

var testPassphrase = []byte("correct horse battery staple")

// cheapArgon2 is the least that a reader accepts, so that tests of what comes
// after it are quick.
func cheapArgon2() argon2Params {
	return argon2Params{Time: 1, Memory: sealift.MinArgon2Memory, Threads: 1, Salt: random(16)}
}

func newTestRecord(t testing.TB) (*record, *keyring) {
	t.Helper()
	r, ring, err := newRecord(t.Context(), testVault, Secrets{Unseal: Passphrase(testPassphrase)}, cheapArgon2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ring.wipe)
	return r, ring
}

func TestJoinIsInjective(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fields := rapid.SliceOfN(rapid.SliceOf(rapid.Byte()), 0, 5)
		a, b := fields.Draw(t, "a"), fields.Draw(t, "b")
		same := len(a) == len(b)
		for i := 0; same && i < len(a); i++ {
			same = bytes.Equal(a[i], b[i])
		}
		if got := bytes.Equal(join("f", a...), join("f", b...)); got != same {
			t.Fatalf("join equal: %v, fields equal: %v", got, same)
		}
		back, err := split(join("f", a...), "f", len(a))
		if err != nil || len(back) != len(a) {
			t.Fatalf("split: %v", err)
		}
	})
}

func TestSplitRefuses(t *testing.T) {
	good := join("f", []byte("one"), []byte("two"))
	for name, data := range map[string][]byte{
		"nothing":        {},
		"cut":            good[:len(good)-1],
		"longer":         append(bytes.Clone(good), 0),
		"field too many": append(bytes.Clone(good), 0, 0, 0, 0),
		"huge length":    {0xff, 0xff, 0xff, 0xff, 'f'},
		"other format":   join("g", []byte("one"), []byte("two")),
		"field missing":  join("f", []byte("one")),
	} {
		if _, err := split(data, "f", 2); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestRecordOpensWithItsPassphraseOnly(t *testing.T) {
	r, ring := newTestRecord(t)
	data, err := r.marshal()
	if err != nil {
		t.Fatal(err)
	}
	read, err := parseRecord(data)
	if err != nil {
		t.Fatal(err)
	}
	opened, _, err := read.open(t.Context(), Passphrase(testPassphrase))
	if err != nil {
		t.Fatal(err)
	}
	defer opened.wipe()
	sealed, err := ring.seal([]byte("secret"), []byte("here"), false)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := opened.open(sealed, []byte("here")); err != nil || string(got) != "secret" {
		t.Fatalf("opened %q, %v", got, err)
	}
	for _, wrong := range []string{"", "correct horse battery stapl", "correct horse battery staple\n"} {
		if _, _, err := read.open(t.Context(), Passphrase(wrong)); err != errPassphrase {
			t.Errorf("passphrase %q: %v", wrong, err)
		}
	}
}

// Every field of the record, bent one at a time, must keep it from opening.
func TestRecordTampered(t *testing.T) {
	r, _ := newTestRecord(t)
	other, _ := newTestRecord(t)
	bends := map[string]func(r *record){
		"vault":          func(r *record) { r.Vault = "ffffffffffffffffffffffffffffffff" },
		"wrapped root":   func(r *record) { r.Wraps[0].Wrapped[20] ^= 1 },
		"wrap id":        func(r *record) { r.Wraps[0].ID = newID() },
		"wrap params":    func(r *record) { r.Wraps[0].Params = other.Wraps[0].Params },
		"wrap of other":  func(r *record) { r.Wraps[0] = other.Wraps[0] },
		"another wrap":   func(r *record) { r.Wraps = append(r.Wraps, other.Wraps[0]) },
		"doubled wrap":   func(r *record) { r.Wraps = append(r.Wraps, r.Wraps[0]) },
		"foreign sealer": func(r *record) { r.Wraps[0].Sealer = "pkcs11" },
		"kek id":         func(r *record) { r.KEK, r.KEKs[0].ID = "x", "x" },
		"kek missing":    func(r *record) { r.KEK = "x" },
		"kek wrapped":    func(r *record) { r.KEKs[0].Wrapped[20] ^= 1 },
		"kek of other":   func(r *record) { r.KEKs = other.KEKs; r.KEK = other.KEK },
		"no kek":         func(r *record) { r.KEKs = nil },
		"mac":            func(r *record) { r.MAC[0] ^= 1 },
		"no mac":         func(r *record) { r.MAC = nil },
	}
	for name, bend := range bends {
		t.Run(name, func(t *testing.T) {
			data, err := r.marshal()
			if err != nil {
				t.Fatal(err)
			}
			bent, err := parseRecord(data)
			if err != nil {
				t.Fatal(err)
			}
			bend(bent)
			if ring, _, err := bent.open(t.Context(), Passphrase(testPassphrase)); err == nil {
				ring.wipe()
				t.Error("opened")
			}
		})
	}
}

// A removed recovery wrap is noticed by the passphrase that is left.
func TestRecordWrapRemoved(t *testing.T) {
	r, ring := newTestRecord(t)
	var second wrap
	err := ring.with(rootAt, func(root []byte) (err error) {
		if second, err = sealArgon2(root, []byte("recovery phrase"), sealing{testVault, PathUnseal, cheapArgon2}); err != nil {
			return err
		}
		r.Wraps = append(r.Wraps, second)
		r.MAC, err = r.mac(root)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range [][]byte{testPassphrase, []byte("recovery phrase")} {
		opened, _, err := r.open(t.Context(), Passphrase(p))
		if err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		opened.wipe()
	}
	r.Wraps = r.Wraps[:1]
	if _, _, err := r.open(t.Context(), Passphrase(testPassphrase)); err == nil || err == errPassphrase {
		t.Errorf("a record without its second wrap: %v", err)
	}
}

// A sealer that this release does not know stays in the record, byte for byte.
func TestRecordKeepsUnknownSealers(t *testing.T) {
	r, ring := newTestRecord(t)
	r.Wraps = append(r.Wraps, wrap{Sealer: "kms", ID: newID(), Params: json.RawMessage(`{"key":"a"}`), Wrapped: []byte{1}})
	if err := ring.with(rootAt, func(root []byte) (err error) { r.MAC, err = r.mac(root); return err }); err != nil {
		t.Fatal(err)
	}
	data, err := r.marshal()
	if err != nil {
		t.Fatal(err)
	}
	read, err := parseRecord(data)
	if err != nil {
		t.Fatal(err)
	}
	opened, _, err := read.open(t.Context(), Passphrase(testPassphrase))
	if err != nil {
		t.Fatal(err)
	}
	opened.wipe()
}

func TestArgon2Bounds(t *testing.T) {
	salt := make([]byte, 16)
	for name, p := range map[string]argon2Params{
		"terabyte":      {1, 1 << 30, 1, salt},
		"most memory":   {1, math.MaxUint32, 1, salt},
		"little memory": {1, 8, 1, salt},
		"no pass":       {0, 64 << 10, 4, salt},
		"many passes":   {math.MaxUint32, 64 << 10, 4, salt},
		"no lane":       {3, 64 << 10, 0, salt},
		"many lanes":    {3, 64 << 10, 255, salt},
		"no salt":       {3, 64 << 10, 4, nil},
		"long salt":     {3, 64 << 10, 4, make([]byte, 65)},
	} {
		r, _ := newTestRecord(t)
		params, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		r.Wraps[0].Params = params
		data, err := r.marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseRecord(data); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := recommendedArgon2().check(); err != nil {
		t.Error(err)
	}
}

func TestParseRecordRefuses(t *testing.T) {
	r, _ := newTestRecord(t)
	for name, bend := range map[string]func(r *record){
		"format":         func(r *record) { r.Format = "sealift/vault-seal/v2" },
		"vault":          func(r *record) { r.Vault = "x" },
		"no wraps":       func(r *record) { r.Wraps = nil },
		"too many wraps": func(r *record) { r.Wraps = make([]wrap, sealift.MaxSealWraps+1) },
	} {
		bent := *r
		bend(&bent)
		for i := range bent.Wraps {
			if bent.Wraps[i].Params == nil {
				bent.Wraps[i] = r.Wraps[0]
			}
		}
		data, err := bent.marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseRecord(data); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for _, data := range []string{"", "null", "{}", "[]", `{"format":"sealift/vault-seal/v1"`} {
		if _, err := parseRecord([]byte(data)); err == nil {
			t.Errorf("%q: accepted", data)
		}
	}
}

func TestSealedIsBoundToItsPlace(t *testing.T) {
	_, ring := newTestRecord(t)
	home := keyBinding("director", 1, PurposeDirector)
	sealed, err := ring.seal([]byte("secret"), home, false)
	if err != nil {
		t.Fatal(err)
	}
	for name, place := range map[string][]byte{
		"id":      keyBinding("directors", 1, PurposeDirector),
		"version": keyBinding("director", 2, PurposeDirector),
		"purpose": keyBinding("director", 1, PurposeSnapshot),
		"secret":  secretBinding("director"),
		"none":    nil,
	} {
		if _, err := ring.open(sealed, place); err == nil {
			t.Errorf("%s: opened elsewhere", name)
		}
	}
	whole := sealed.marshal()
	for i := range whole {
		bent := bytes.Clone(whole)
		bent[i] ^= 1
		if parsed, err := parseSealed(bent); err == nil {
			if _, err := ring.open(parsed, home); err == nil {
				t.Errorf("byte %d bent: opened", i)
			}
		}
	}
	if bytes.Contains(whole, []byte("secret")) {
		t.Error("plaintext in the sealed form")
	}
}

func TestWipedKeyringDoesNothing(t *testing.T) {
	_, ring := newTestRecord(t)
	sealed, err := ring.seal([]byte("secret"), nil, false)
	if err != nil {
		t.Fatal(err)
	}
	ring.wipe()
	ring.wipe()
	for _, ring := range []*keyring{ring, nil} {
		if _, err := ring.open(sealed, nil); sealift.KindOf(err) != sealift.KindSealed {
			t.Errorf("open: %v", err)
		}
		if _, err := ring.seal(nil, nil, false); sealift.KindOf(err) != sealift.KindSealed {
			t.Errorf("seal: %v", err)
		}
		if _, err := ring.rowMAC(nil); sealift.KindOf(err) != sealift.KindSealed {
			t.Errorf("rowMAC: %v", err)
		}
	}
}

func TestPageIsZeroedBeforeItIsGivenBack(t *testing.T) {
	given := false
	p := newPageOf(make([]byte, pageSize), func(b []byte) {
		given = true
		if !bytes.Equal(b, make([]byte, pageSize)) {
			t.Error("not zero")
		}
	})
	copy(p.bytes(), "secret")
	p.wipe()
	if !given || p.bytes != nil {
		t.Error("not given back")
	}
}
