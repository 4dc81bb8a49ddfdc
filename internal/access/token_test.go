package access_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
)

func TestTokenRoundTrip(t *testing.T) {
	root := sealift.DigestOf([]byte("root.json"))
	for _, kind := range []access.Kind{access.KindOwner, access.KindService} {
		token := access.NewToken(kind, root)
		back, err := access.ParseToken(token.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		if back.ID() != token.ID() || back.Kind() != kind || back.Root() != root || back.Hash() != token.Hash() || back.Reveal() != token.Reveal() {
			t.Errorf("%s came back as %s", token, back)
		}
		if other := access.NewToken(kind, root); other.ID() == token.ID() || other.Hash() == token.Hash() {
			t.Error("two tokens are the same")
		}
	}
	if zero := (access.Token{}); zero.Reveal() != "" || !zero.Hash().IsZero() {
		t.Error("the zero value has a secret")
	}
}

func TestTokenKnownForm(t *testing.T) {
	text := "sealift_service_0123456789abcdef_" + strings.Repeat("5a", 32) + "_" + strings.Repeat("c3", 32)
	token, err := access.ParseToken(text)
	if err != nil {
		t.Fatal(err)
	}
	if token.Hash() != sealift.DigestOf(bytes.Repeat([]byte{0x5a}, 32)) || token.Root().String() != strings.Repeat("c3", 32) {
		t.Errorf("hash %s, root %s", token.Hash(), token.Root())
	}
}

func TestTokenRefusals(t *testing.T) {
	good := access.NewToken(access.KindOwner, sealift.Digest{}).Reveal()
	for _, bad := range []string{
		"", " " + good, good + "\n", good + "_", good[:len(good)-1], strings.ToUpper(good), "sealift_owner_", good + good,
		strings.Replace(good, "owner", "enrol", 1), strings.Replace(good, "owner", "", 1), strings.Replace(good, "owner_", "owner_g", 1),
	} {
		_, err := access.ParseToken(bad)
		if sealift.KindOf(err) != sealift.KindInvalid || sealift.HintOf(err) == "" {
			t.Errorf("%q: %v", bad, err)
		} else if len(bad) > 40 && strings.Contains(err.Error()+sealift.HintOf(err), bad[20:40]) {
			t.Errorf("the error repeats the token: %v", err)
		}
	}
}

func TestTokenNeverPrintsItsSecret(t *testing.T) {
	token := access.NewToken(access.KindOwner, sealift.Digest{})
	type inside struct{ token access.Token }
	type exported struct{ Token access.Token }
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
	secret, err := hex.DecodeString(strings.Split(token.Reveal(), "_")[3])
	if err != nil {
		t.Fatal(err)
	}
	decimal := strings.Trim(fmt.Sprint(secret[:8]), "[]")
	for _, form := range []string{hex.EncodeToString(secret[:8]), strings.ToUpper(hex.EncodeToString(secret[:8])), decimal, string(secret[:8])} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the secret was printed as %q", form)
		}
	}
}
