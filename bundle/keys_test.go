package bundle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/sealift/sealift"
)

const (
	testVault  = sealift.VaultID("00112233445566778899aabbccddeeff")
	testDevice = sealift.DeviceID("ffeeddccbbaa99887766554433221100")
)

var (
	testContentInfo = ContentKeyInfo{App: testApp, Channel: "production", Epoch: 3, Archive: sealift.Digest{1}}
	testEpochInfo   = EpochKeyInfo{Vault: testVault, App: testApp, Device: testDevice, Channel: "production", Epoch: 3}
)

func generate(t *testing.T, suite Suite) *PrivateKey {
	t.Helper()
	key, err := GenerateKey(suite)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func eachSuite(t *testing.T, test func(t *testing.T, suite Suite)) {
	for name, suite := range map[string]Suite{"hybrid": DefaultSuite, "P-256": P256Suite} {
		t.Run(name, func(t *testing.T) { test(t, suite) })
	}
}

func TestContentKeySealing(t *testing.T) {
	eachSuite(t, func(t *testing.T, suite Suite) {
		epoch, key := generate(t, suite), NewContentKey()
		sealed, err := SealContentKey(epoch.Public(), key, testContentInfo)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := OpenContentKey(epoch, sealed, testContentInfo); err != nil || got != key {
			t.Fatal(err)
		}
		refused := func(what string, with *PrivateKey, sealed []byte, info ContentKeyInfo) {
			t.Helper()
			got, err := OpenContentKey(with, sealed, info)
			if sealift.KindOf(err) != sealift.KindIntegrity || sealift.ReasonOf(err) != "content_key" || got != (ContentKey{}) {
				t.Errorf("%s: %v", what, err)
			}
		}
		for what, bend := range map[string]func(*ContentKeyInfo){
			"app":     func(i *ContentKeyInfo) { i.App = "com.acme.shoq" },
			"channel": func(i *ContentKeyInfo) { i.Channel = "productioo" },
			"epoch":   func(i *ContentKeyInfo) { i.Epoch++ },
			"archive": func(i *ContentKeyInfo) { i.Archive[31]++ },
			"border":  func(i *ContentKeyInfo) { i.App, i.Channel = i.App+"p", "roduction" },
		} {
			info := testContentInfo
			bend(&info)
			refused(what, epoch, sealed, info)
		}
		refused("another key", generate(t, suite), sealed, testContentInfo)
		refused("another suite", generate(t, otherSuite(suite)), sealed, testContentInfo)
		refused("nothing", epoch, nil, testContentInfo)
		refused("one byte less", epoch, sealed[:len(sealed)-1], testContentInfo)
		refused("one byte more", epoch, append(bytes.Clone(sealed), 0), testContentInfo)
		for _, at := range []int{0, len(sealed) / 2, len(sealed) - 1} {
			bent := bytes.Clone(sealed)
			bent[at] ^= 1
			refused(fmt.Sprint("byte ", at), epoch, bent, testContentInfo)
		}
		short, err := sealTo(epoch.Public(), testContentInfo.bind(), key[:16])
		if err != nil {
			t.Fatal(err)
		}
		refused("a key of 128 bits", epoch, short, testContentInfo)
	})
}

func otherSuite(suite Suite) Suite {
	if suite == DefaultSuite {
		return P256Suite
	}
	return DefaultSuite
}

func TestEpochKeySealing(t *testing.T) {
	eachSuite(t, func(t *testing.T, suite Suite) {
		device, epoch := generate(t, suite), generate(t, otherSuite(suite))
		sealed, err := SealEpochKey(device.Public(), epoch, testEpochInfo)
		if err != nil {
			t.Fatal(err)
		}
		got, err := OpenEpochKey(device, sealed, testEpochInfo)
		if err != nil || got.Public().Digest() != epoch.Public().Digest() || got.Suite() != epoch.Suite() {
			t.Fatal(err)
		}
		refused := func(what string, with *PrivateKey, sealed []byte, info EpochKeyInfo) {
			t.Helper()
			got, err := OpenEpochKey(with, sealed, info)
			if sealift.KindOf(err) != sealift.KindIntegrity || sealift.ReasonOf(err) != "epoch_key" || got != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		for what, bend := range map[string]func(*EpochKeyInfo){
			"vault":   func(i *EpochKeyInfo) { i.Vault = testVault[1:] + "0" },
			"app":     func(i *EpochKeyInfo) { i.App = "com.acme.shoq" },
			"device":  func(i *EpochKeyInfo) { i.Device = testDevice[1:] + "0" },
			"channel": func(i *EpochKeyInfo) { i.Channel = "beta" },
			"epoch":   func(i *EpochKeyInfo) { i.Epoch++ },
		} {
			info := testEpochInfo
			bend(&info)
			refused(what, device, sealed, info)
		}
		refused("another device", generate(t, suite), sealed, testEpochInfo)
		refused("another suite", generate(t, otherSuite(suite)), sealed, testEpochInfo)
		refused("nothing", device, nil, testEpochInfo)
		refused("one byte less", device, sealed[:len(sealed)-1], testEpochInfo)

		for what, plain := range map[string][]byte{
			"a short secret":        epoch.appendSecret(nil)[:20],
			"a suite not allowed":   append([]byte{0, 0x20, 0, 1, 0, 2}, epoch.seed[:]...),
			"a scalar out of range": append([]byte{0, 0x10, 0, 1, 0, 2}, bytes.Repeat([]byte{0xff}, 32)...),
		} {
			sealed, err := sealTo(device.Public(), testEpochInfo.bind(), plain)
			if err != nil {
				t.Fatal(err)
			}
			refused(what, device, sealed, testEpochInfo)
		}
	})
}

// A content key's sealing does not open as an epoch key's, nor the reverse.
func TestSealingsAreOfOneKind(t *testing.T) {
	content, epoch := testContentInfo.bind(), testEpochInfo.bind()
	bundle := fullBinding(testApp, sealift.Digest{1})
	if bytes.HasPrefix(content, epoch[:24]) || bytes.HasPrefix(bundle, content[:24]) || bytes.HasPrefix(bundle, epoch[:24]) {
		t.Error("two formats have one name")
	}
}

func TestSecretRoundTrip(t *testing.T) {
	eachSuite(t, func(t *testing.T, suite Suite) {
		key := generate(t, suite)
		secret, err := key.MarshalSecret()
		if err != nil {
			t.Fatal(err)
		}
		if len(secret) > sealift.MaxSecretKey/2 {
			t.Errorf("%d bytes of secret", len(secret))
		}
		got, err := ParseSecret(secret)
		if err != nil || got.seed != key.seed || got.suite != suite || !bytes.Equal(got.Public().Bytes, key.Public().Bytes) {
			t.Error(err)
		}
		for _, bad := range []string{"", "{}", "null", "[]", string(secret[:len(secret)-1]), strings.Replace(string(secret), `"kem":`, `"kem":1`, 1), strings.Repeat(" ", 300) + string(secret)} {
			if _, err := ParseSecret([]byte(bad)); sealift.KindOf(err) != sealift.KindInvalid || strings.Contains(fmt.Sprint(err), "seed\":") {
				t.Errorf("%q: %v", bad, err)
			}
		}
	})
}

func TestSuites(t *testing.T) {
	for _, bad := range []Suite{{}, {0x20, 1, 2}, {0x647a, 1, 1}, {0x647a, 2, 2}, {0x0010, 1, 3}} {
		for what, err := range map[string]error{
			"parse":    second(ParseSuite(bad.KEM, bad.KDF, bad.AEAD)),
			"generate": second(GenerateKey(bad)),
			"private":  second(NewPrivateKey(bad, make([]byte, 32))),
			"public":   second(ParsePublicKey(bad, make([]byte, 32))),
			"seal":     second(SealContentKey(PublicKey{Suite: bad}, ContentKey{}, testContentInfo)),
		} {
			if sealift.KindOf(err) != sealift.KindInvalid || sealift.ReasonOf(err) != "suite" {
				t.Errorf("%s with %v: %v", what, bad, err)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestPublicKeys(t *testing.T) {
	eachSuite(t, func(t *testing.T, suite Suite) {
		good := generate(t, suite).Public()
		if got, err := ParsePublicKey(suite, good.Bytes); err != nil || got.Digest() != good.Digest() {
			t.Error(err)
		}
		for _, bad := range [][]byte{nil, good.Bytes[1:], bytes.Repeat([]byte{0xff}, len(good.Bytes))} {
			if _, err := ParsePublicKey(suite, bad); sealift.ReasonOf(err) != "public_key" {
				t.Errorf("%d bytes: %v", len(bad), err)
			}
		}
	})
}

func TestSecretsDoNotPrint(t *testing.T) {
	private, content := generate(t, DefaultSuite), NewContentKey()
	var out bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&out, nil))
	logger.Info("keys", "private", private, "content", content, "pointer", &content)
	slog.New(slog.NewTextHandler(&out, nil)).Info("keys", "private", private, "content", content)
	fmt.Fprintf(&out, "%v %+v %#v %s %x %d %q", private, private, private, private, private, private, private)
	fmt.Fprintf(&out, "%v %+v %#v %s %x %d %q", content, content, content, content, content, content, content)
	fmt.Fprintln(&out, private, content, struct{ K ContentKey }{content}, private.String(), content.String())
	if err := json.NewEncoder(&out).Encode(map[string]any{"a": private, "b": content}); err != nil {
		t.Fatal(err)
	}
	for what, secret := range map[string][]byte{"private": private.seed[:], "content": content[:]} {
		for _, form := range []string{fmt.Sprintf("%x", secret[:4]), fmt.Sprintf("%X", secret[:4]), fmt.Sprint(secret[0], " ", secret[1], " ", secret[2]), fmt.Sprintf("%#x, %#x", secret[0], secret[1])} {
			if strings.Contains(out.String(), form) {
				t.Errorf("the %s key prints: %s", what, out.String())
			}
		}
	}
	if !strings.Contains(out.String(), "[content key]") || !strings.Contains(out.String(), "[private key]") {
		t.Error(out.String())
	}
}
