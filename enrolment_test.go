package sealift_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/sealift/sealift"
)

func TestEnrolmentTokenRoundTrip(t *testing.T) {
	root := sealift.DigestOf([]byte("root.json"))
	token := sealift.NewEnrolmentToken(root)
	back, err := sealift.ParseEnrolmentToken(token.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if back.ID() != token.ID() || !bytes.Equal(back.Secret(), token.Secret()) || back.Root() != root || back.Reveal() != token.Reveal() {
		t.Errorf("%s came back as another token", token)
	}
	if other := sealift.NewEnrolmentToken(root); other.ID() == token.ID() || bytes.Equal(other.Secret(), token.Secret()) {
		t.Error("two tokens are the same")
	}
	token.Secret()[0] ^= 1
	if !bytes.Equal(back.Secret(), token.Secret()) {
		t.Error("writing to Secret()'s copy changed the token")
	}
	if zero := (sealift.EnrolmentToken{}); zero.Reveal() != "" || zero.Secret() != nil {
		t.Error("the zero value has a secret")
	}
}

func TestEnrolmentTokenKnownForm(t *testing.T) {
	text := "sealift_enrol_0123456789abcdef_" + strings.Repeat("5a", 32) + "_" + strings.Repeat("c3", 32)
	token, err := sealift.ParseEnrolmentToken(text)
	if err != nil {
		t.Fatal(err)
	}
	if token.ID() != "0123456789abcdef" || token.Secret()[31] != 0x5a || token.Root().String() != strings.Repeat("c3", 32) || token.Reveal() != text {
		t.Errorf("parsed id %s, root %s", token.ID(), token.Root())
	}
}

func TestEnrolmentTokenRefusals(t *testing.T) {
	good := sealift.NewEnrolmentToken(sealift.Digest{}).Reveal()
	for _, bad := range []string{
		"", " " + good, good + "\n", good + "_", good[:len(good)-1], strings.ToUpper(good), "sealift_enrol_",
		strings.Replace(good, "enrol", "owner", 1), strings.Replace(good, "enrol_", "enrol_g", 1), good[len("sealift_enrol_"):],
	} {
		_, err := sealift.ParseEnrolmentToken(bad)
		if sealift.KindOf(err) != sealift.KindInvalid || sealift.HintOf(err) == "" {
			t.Errorf("%q: %v", bad, err)
		} else if len(bad) > 40 && strings.Contains(err.Error()+sealift.HintOf(err), bad[20:40]) {
			t.Errorf("the error repeats the token: %v", err)
		}
	}
}

func TestEnrolmentTokenNeverPrintsItsSecret(t *testing.T) {
	token := sealift.NewEnrolmentToken(sealift.DigestOf([]byte("root.json")))
	type inside struct{ token sealift.EnrolmentToken }
	type exported struct{ Token sealift.EnrolmentToken }
	var out bytes.Buffer
	for _, v := range []any{token, &token, inside{token}, &inside{token}, exported{token}, []any{token}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(text)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "token", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "token", v)
	}
	secret := token.Secret()
	decimal := strings.Trim(fmt.Sprint(secret[:8]), "[]")
	for _, form := range []string{hex.EncodeToString(secret[:8]), strings.ToUpper(hex.EncodeToString(secret[:8])), decimal, string(secret[:8])} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the secret was printed as %q", form)
		}
	}
}
