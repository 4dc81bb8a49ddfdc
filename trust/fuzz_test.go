package trust_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/mod/sumdb/note"

	"github.com/sealift/sealift/trust"
)

// fuzzDocument: what is read is written again so that it reads the same, and
// nothing panics. A list that is empty reads as one that is absent.
func fuzzDocument[T any](f *testing.F, name string, parse func([]byte) (T, error), write func(T) ([]byte, error)) {
	d := documents(f)[name]
	f.Add(d.good)
	f.Add(bytes.Replace(d.good, []byte("{"), []byte(`{"critical":["app"],"later":[{}],`), 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := parse(data)
		if err != nil {
			return
		}
		again, err := write(doc)
		if err != nil {
			t.Fatalf("%q was read and cannot be written: %v", data, err)
		}
		back, err := parse(again)
		if err != nil {
			t.Fatalf("%q was written as %q, which cannot be read: %v", data, again, err)
		}
		if diff := cmp.Diff(doc, back, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%q reads otherwise once written:\n%s", data, diff)
		}
	})
}

func FuzzParseTrust(f *testing.F) {
	fuzzDocument(f, "trust", trust.ParseTrust, (*trust.Trust).Encode)
}

func FuzzParseDeny(f *testing.F) {
	fuzzDocument(f, "deny", trust.ParseDeny, (*trust.Deny).Encode)
}

func FuzzParseOffer(f *testing.F) {
	fuzzDocument(f, "offer", func(data []byte) (*trust.Offer, error) {
		return trust.ParseOffer(data, testApp, "production", "web")
	}, (*trust.Offer).Encode)
}

func FuzzParseEpoch(f *testing.F) {
	fuzzDocument(f, "epoch", func(data []byte) (*trust.Epoch, error) {
		return trust.ParseEpoch(data, testApp, "production")
	}, (*trust.Epoch).Encode)
}

func FuzzParseChannels(f *testing.F) {
	fuzzDocument(f, "channels", func(data []byte) (*trust.Channels, error) { return trust.ParseChannels(data, testApp) }, (*trust.Channels).Encode)
}

func FuzzParseAssignment(f *testing.F) {
	fuzzDocument(f, "assignment", func(data []byte) (*trust.Assignment, error) {
		return trust.ParseAssignment(data, testApp, testAssigned)
	}, (*trust.Assignment).Encode)
}

func FuzzParseRelease(f *testing.F) {
	fuzzDocument(f, "release", trust.ParseRelease, (*trust.Release).Encode)
}

func FuzzParseProof(f *testing.F) {
	f.Add([]byte("c2sp.org/tlog-proof@v1\nindex 5\n" + b64(hash("a")) + "\n\ncheckpoint\n"))
	f.Add([]byte("c2sp.org/tlog-proof@v1\nindex 0\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := trust.ParseProof(data); err == nil && !bytes.Equal(p.Encode(), data) {
			t.Errorf("%q is written as %q", data, p.Encode())
		}
	})
}

func FuzzParseCheckpoint(f *testing.F) {
	origin := trust.LogOrigin(testVault)
	signer, verifier := newLogKey(f, origin)
	text := origin + "\n12\n" + b64(hash("root")) + "\n"
	f.Add(text)
	f.Add(text + "extension\n")
	f.Fuzz(func(t *testing.T, text string) {
		signed, err := note.Sign(&note.Note{Text: text}, signer)
		if err != nil {
			return
		}
		if c, err := trust.ParseCheckpoint(signed, origin, note.VerifierList(verifier)); err == nil && c.Text() != text {
			t.Errorf("%q reads as %q", text, c.Text())
		}
	})
}

// FuzzParseMessages: files and messages from outside, read before anything is
// verified.
func FuzzParseMessages(f *testing.F) {
	c := newCaller(f, testVault)
	message, err := trust.SignRequest(c.req, c.key)
	if err != nil {
		f.Fatal(err)
	}
	signed, err := signRelease([]byte("{}"), c.key)
	if err != nil {
		f.Fatal(err)
	}
	release, err := trust.AssembleRelease(signed, []byte("leaf"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(message)
	f.Add(release)
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := trust.ParseRequest(data); err == nil {
			_, _ = s.Claims()
			if _, err := s.Verify(c.spki); err == nil && !benign(message, data) {
				t.Errorf("verified: %q", data)
			}
		}
		if r, err := trust.ParseReleaseFile(data); err == nil {
			_ = r.Payload()
		}
		_, _ = trust.ParseReleaseEnvelope(data)
	})
}
