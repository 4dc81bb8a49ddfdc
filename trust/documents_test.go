package trust_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

const (
	testVault = sealift.VaultID("0123456789abcdef0123456789abcdef")
	testApp   = sealift.AppID("com.acme.shop")
)

func digest(s string) sealift.Digest { return sealift.DigestOf([]byte(s)) }

func goodRelease() *trust.Release {
	base := digest("base")
	return &trust.Release{
		Vault: testVault, App: testApp, Channel: "production", Platform: "web", Runtime: ">=1.0.0",
		Version: "1.2.3", Counter: 7, Act: sealift.ActRelease, SignedAt: trust.At(start),
		Archive: trust.Pointer{Digest: digest("archive"), Length: 2048},
		Blobs: []trust.Blob{
			{Kind: trust.BlobPatch, Base: &base, Digest: digest("patch"), Length: 10},
			{Kind: trust.BlobFull, Digest: digest("full"), Length: 1000},
		},
		Epoch:      trust.EpochRef{Number: 1, PublicKey: digest("epoch")},
		ContentKey: trust.SealedKey{KEM: 0x647a, KDF: 1, AEAD: 2, Sealed: []byte("sealed")},
	}
}

func goodRollback() *trust.Release {
	r := goodRelease()
	r.Act = sealift.ActRollback
	r.Rollback = &trust.Rollback{From: []sealift.Digest{digest("bad")}, NotAfter: trust.At(start.Add(time.Hour)), Reason: "white screen"}
	return r
}

func goodOffer() *trust.Offer {
	candidate := func(name string, share sealift.Share) trust.Candidate {
		return trust.Candidate{
			Release: trust.Pointer{Digest: digest(name), Length: 4000}, Proof: trust.Pointer{Digest: digest(name + "'s proof"), Length: 300},
			Version: "1.2.3", Counter: 7, From: []sealift.Digest{digest("bad")},
			Runtime: sealift.AnyRuntime, Share: share, Salt: name, Stage: 1,
		}
	}
	return &trust.Offer{App: testApp, Channel: "production", Platform: "web", Candidates: []trust.Candidate{candidate("new", 50), candidate("old", sealift.Everybody)}}
}

func goodEpoch() *trust.Epoch {
	return &trust.Epoch{App: testApp, Channel: "production", Number: 1, KEM: 0x647a, KDF: 1, AEAD: 2, PublicKey: []byte("key")}
}

func mustEncode(t testing.TB, doc interface{ Encode() ([]byte, error) }) []byte {
	t.Helper()
	data, err := doc.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// documents are all kinds of document: a good one, and how it is read.
func documents(t testing.TB) map[string]struct {
	good  []byte
	parse func([]byte) (any, error)
	kind  sealift.Kind
} {
	type row = struct {
		good  []byte
		parse func([]byte) (any, error)
		kind  sealift.Kind
	}
	return map[string]row{
		"trust": {
			mustEncode(t, &trust.Trust{
				Vault: testVault, Revoked: []trust.Revocation{{Issuer: digest("ca"), Serial: "1f"}},
				Apps: map[sealift.AppID]trust.AppTrust{testApp: {Floor: trust.Floor{Counter: 3, Version: "1.0.0"}}},
			}),
			func(b []byte) (any, error) { return trust.ParseTrust(b) }, sealift.KindMetadata,
		},
		"deny": {
			mustEncode(t, &trust.Deny{SuspendedCAs: []sealift.Digest{digest("ca")}, Floors: map[sealift.AppID]trust.Floor{testApp: {Counter: 3}}}),
			func(b []byte) (any, error) { return trust.ParseDeny(b) }, sealift.KindMetadata,
		},
		"offer": {
			mustEncode(t, goodOffer()),
			func(b []byte) (any, error) { return trust.ParseOffer(b, testApp, "production", "web") }, sealift.KindMetadata,
		},
		"epoch": {
			mustEncode(t, goodEpoch()),
			func(b []byte) (any, error) { return trust.ParseEpoch(b, testApp, "production") }, sealift.KindMetadata,
		},
		"channels": {
			mustEncode(t, goodChannels()),
			func(b []byte) (any, error) { return trust.ParseChannels(b, testApp) }, sealift.KindMetadata,
		},
		"assignment": {
			mustEncode(t, goodAssignment()),
			func(b []byte) (any, error) { return trust.ParseAssignment(b, testApp, testAssigned) }, sealift.KindMetadata,
		},
		"release": {
			mustEncode(t, goodRollback()),
			func(b []byte) (any, error) { return trust.ParseRelease(b) }, sealift.KindInternal, // the steps give it theirs
		},
	}
}

// TestDocumentForms: what holds for every kind of document.
func TestDocumentForms(t *testing.T) {
	for name, d := range documents(t) {
		t.Run(name, func(t *testing.T) {
			want, err := d.parse(d.good)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasSuffix(d.good, []byte("}\n")) || bytes.Count(d.good, []byte("\n")) != 1 || bytes.Contains(d.good, []byte(`\u003c`)) {
				t.Errorf("not one line: %q", d.good)
			}
			with := func(field string) []byte { return append([]byte(`{`+field+`,`), d.good[1:]...) }

			got, err := d.parse(with(`"later":{"a":[1]}`))
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("an unknown field: %v\n%s", err, diff)
			}
			if _, err := d.parse(with(`"critical":[]`)); err != nil {
				t.Errorf("an empty critical list: %v", err)
			}
			own := firstField(t, d.good)
			if _, err := d.parse(with(`"critical":["` + own + `"]`)); err != nil {
				t.Errorf("critical %q, which is known: %v", own, err)
			}
			for what, bad := range map[string][]byte{
				"empty":                           {},
				"null":                            []byte("null"),
				"a list":                          []byte("[]"),
				"cut":                             d.good[:len(d.good)/2],
				"trailing":                        append(bytes.Clone(d.good), '{', '}'),
				"critical and unknown":            with(`"later":1,"critical":["later"]`),
				"critical and absent":             with(`"critical":["later"]`),
				"critical and of the inner level": with(`"critical":["sha256"]`),
				"critical itself":                 with(`"critical":["critical"]`),
				"critical, in another case":       with(`"critical":["` + strings.ToUpper(own) + `"]`),
				"critical, no list":               with(`"critical":"` + own + `"`),
				"a key twice":                     with(`"` + own + `":null`),
				"a key in another case":           with(`"` + strings.ToUpper(own) + `":null`),
				"too long":                        with(`"later":"` + strings.Repeat("a", sealift.MaxTarget) + `"`),
				"not UTF-8":                       with("\"later\":\"\xff\""),
			} {
				if _, err := d.parse(bad); err == nil || sealift.KindOf(err) != d.kind || d.kind == sealift.KindMetadata && sealift.ReasonOf(err) != "malformed" {
					t.Errorf("%s: %v (%s/%s)", what, err, sealift.KindOf(err), sealift.ReasonOf(err))
				}
			}
		})
	}
}

func firstField(t *testing.T, doc []byte) string {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(doc))
	for range 2 {
		token, err := dec.Token()
		if err != nil {
			t.Fatal(err)
		}
		if name, ok := token.(string); ok {
			return name
		}
	}
	t.Fatal("no field")
	return ""
}

// TestReleaseLimits bends each field that Release.check looks at.
func TestReleaseLimits(t *testing.T) {
	zero, base := sealift.Digest{}, digest("base")
	blobs := func(n int) []trust.Blob {
		all := goodRelease().Blobs
		for i := len(all); i < n; i++ {
			all = append(all, trust.Blob{Kind: trust.BlobPatch, Base: &base, Digest: digest(fmt.Sprint(i)), Length: 1})
		}
		return all
	}
	back := func(bend func(*trust.Rollback)) func(*trust.Release) {
		return func(r *trust.Release) {
			*r = *goodRollback()
			bend(r.Rollback)
		}
	}
	for name, bend := range map[string]func(*trust.Release){
		"vault":                      func(r *trust.Release) { r.Vault = "0" },
		"app":                        func(r *trust.Release) { r.App = "shop" },
		"app with a slash":           func(r *trust.Release) { r.App = "com.acme/shop" },
		"channel":                    func(r *trust.Release) { r.Channel = "a/b" },
		"platform":                   func(r *trust.Release) { r.Platform = "" },
		"runtime":                    func(r *trust.Release) { r.Runtime = "" },
		"version":                    func(r *trust.Release) { r.Version = "1.2" },
		"act":                        func(r *trust.Release) { r.Act = "install" },
		"counter":                    func(r *trust.Release) { r.Counter = 0 },
		"signedAt":                   func(r *trust.Release) { r.SignedAt = trust.Time{} },
		"archive digest":             func(r *trust.Release) { r.Archive.Digest = zero },
		"archive of nothing":         func(r *trust.Release) { r.Archive.Length = 0 },
		"archive of less":            func(r *trust.Release) { r.Archive.Length = -1 },
		"archive too long":           func(r *trust.Release) { r.Archive.Length = sealift.MaxArchive + 1 },
		"epoch number":               func(r *trust.Release) { r.Epoch.Number = 0 },
		"epoch key":                  func(r *trust.Release) { r.Epoch.PublicKey = zero },
		"no content key":             func(r *trust.Release) { r.ContentKey.Sealed = nil },
		"content key too long":       func(r *trust.Release) { r.ContentKey.Sealed = make([]byte, sealift.MaxMessage+1) },
		"no blob":                    func(r *trust.Release) { r.Blobs = nil },
		"too many blobs":             func(r *trust.Release) { r.Blobs = blobs(sealift.MaxBlobs + 1) },
		"no full blob":               func(r *trust.Release) { r.Blobs = r.Blobs[:1] },
		"two full blobs":             func(r *trust.Release) { r.Blobs = append(r.Blobs, r.Blobs[1]) },
		"blob digest":                func(r *trust.Release) { r.Blobs[1].Digest = zero },
		"blob of nothing":            func(r *trust.Release) { r.Blobs[1].Length = 0 },
		"blob of less":               func(r *trust.Release) { r.Blobs[1].Length = -5 },
		"blob too long":              func(r *trust.Release) { r.Blobs[1].Length = r.Archive.Length + sealift.MaxSealedOverhead + 1 },
		"blob of another kind":       func(r *trust.Release) { r.Blobs[1].Kind = "half" },
		"full blob with a base":      func(r *trust.Release) { r.Blobs[1].Base = &base },
		"patch without a base":       func(r *trust.Release) { r.Blobs[0].Base = nil },
		"patch with a zero base":     func(r *trust.Release) { r.Blobs[0].Base = &zero },
		"roll-back without":          func(r *trust.Release) { r.Act = sealift.ActRollback },
		"release with a roll-back":   func(r *trust.Release) { *r = *goodRollback(); r.Act = sealift.ActRelease },
		"promotion with a roll-back": func(r *trust.Release) { *r = *goodRollback(); r.Act = sealift.ActPromotion },
		"roll-back from nothing":     back(func(b *trust.Rollback) { b.From = nil }),
		"roll-back from too many":    back(func(b *trust.Rollback) { b.From = make([]sealift.Digest, sealift.MaxBlobs+1) }),
		"roll-back without an end":   back(func(b *trust.Rollback) { b.NotAfter = trust.Time{} }),
		"roll-back with a novel":     back(func(b *trust.Rollback) { b.Reason = strings.Repeat("a", sealift.MaxReason+1) }),
		"urgent with a novel":        func(r *trust.Release) { r.Urgent = &trust.Urgent{Reason: strings.Repeat("a", sealift.MaxReason+1)} },
	} {
		t.Run(name, func(t *testing.T) {
			r := goodRelease()
			bend(r)
			if _, err := r.Encode(); sealift.KindOf(err) != sealift.KindInvalid || sealift.ReasonOf(err) != "malformed" {
				t.Errorf("Encode: %v", err)
			}
			payload, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := trust.ParseRelease(payload); err == nil {
				t.Error("ParseRelease took it")
			}
		})
	}
	for name, bend := range map[string]func(*trust.Release){
		"as it is":                    func(*trust.Release) {},
		"as many blobs as allowed":    func(r *trust.Release) { r.Blobs = blobs(sealift.MaxBlobs) },
		"as long as allowed":          func(r *trust.Release) { r.Archive.Length = sealift.MaxArchive; r.Blobs[1].Length = sealift.MaxBlob },
		"content key, as allowed":     func(r *trust.Release) { r.ContentKey.Sealed = make([]byte, sealift.MaxMessage) },
		"roll-back":                   back(func(*trust.Rollback) {}),
		"roll-back from many":         back(func(b *trust.Rollback) { b.From = make([]sealift.Digest, sealift.MaxBlobs) }),
		"roll-back with much to say":  back(func(b *trust.Rollback) { b.Reason = strings.Repeat("a", sealift.MaxReason) }),
		"urgent":                      func(r *trust.Release) { r.Urgent = &trust.Urgent{} },
		"urgent with much to say":     func(r *trust.Release) { r.Urgent = &trust.Urgent{Reason: strings.Repeat("a", sealift.MaxReason)} },
		"promotion":                   func(r *trust.Release) { r.Act = sealift.ActPromotion },
		"reissue":                     func(r *trust.Release) { r.Act = sealift.ActReissue },
		"the highest counter":         func(r *trust.Release) { r.Counter = 1<<64 - 1 },
		"a blob longer than archive":  func(r *trust.Release) { r.Blobs[1].Length = r.Archive.Length + 100 },
		"a version with a prerelease": func(r *trust.Release) { r.Version = "1.0.0-rc.1" },
	} {
		r := goodRelease()
		bend(r)
		back, err := trust.ParseRelease(mustEncode(t, r))
		if diff := cmp.Diff(r, back); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	if full := goodRelease().Full(); full.Digest != digest("full") {
		t.Errorf("Full() = %v", full)
	}
}

// TestOfferLimits bends each field that Offer.check looks at.
func TestOfferLimits(t *testing.T) {
	many := func(n int) func(*trust.Offer) {
		return func(o *trust.Offer) {
			last := o.Candidates[1]
			for o.Candidates = nil; len(o.Candidates) < n; {
				o.Candidates = append(o.Candidates, last)
			}
		}
	}
	for name, bend := range map[string]func(*trust.Offer){
		"too many":                 many(sealift.MaxCandidates + 1),
		"release digest":           func(o *trust.Offer) { o.Candidates[0].Release.Digest = sealift.Digest{} },
		"release of nothing":       func(o *trust.Offer) { o.Candidates[0].Release.Length = 0 },
		"release too long":         func(o *trust.Offer) { o.Candidates[0].Release.Length = sealift.MaxRelease + 1 },
		"proof digest":             func(o *trust.Offer) { o.Candidates[1].Proof.Digest = sealift.Digest{} },
		"proof of nothing":         func(o *trust.Offer) { o.Candidates[1].Proof.Length = 0 },
		"proof too long":           func(o *trust.Offer) { o.Candidates[1].Proof.Length = sealift.MaxProof + 1 },
		"0 percent":                func(o *trust.Offer) { o.Candidates[0].Share = 0 },
		"100.01 percent":           func(o *trust.Offer) { o.Candidates[0].Share = sealift.Everybody + 1 },
		"no version":               func(o *trust.Offer) { o.Candidates[0].Version = "" },
		"no counter":               func(o *trust.Offer) { o.Candidates[1].Counter = 0 },
		"back from too many":       func(o *trust.Offer) { o.Candidates[0].From = make([]sealift.Digest, sealift.MaxBlobs+1) },
		"a salt too long":          func(o *trust.Offer) { o.Candidates[0].Salt = strings.Repeat("0", sealift.MaxSalt+1) },
		"runtime":                  func(o *trust.Offer) { o.Candidates[0].Runtime = "" },
		"runtime that is no range": func(o *trust.Offer) { o.Candidates[1].Runtime = "1.0.0" },
	} {
		o := goodOffer()
		bend(o)
		if _, err := o.Encode(); sealift.KindOf(err) != sealift.KindInvalid {
			t.Errorf("%s: Encode: %v", name, err)
		}
		data, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := trust.ParseOffer(data, testApp, "production", "web"); sealift.KindOf(err) != sealift.KindMetadata || sealift.ReasonOf(err) != "malformed" {
			t.Errorf("%s: ParseOffer: %v", name, err)
		}
	}
	for name, bend := range map[string]func(*trust.Offer){
		"nothing offered": func(o *trust.Offer) { o.Candidates = nil },
		"as many as can":  many(sealift.MaxCandidates),
		"one":             many(1),
		"to nobody else":  func(o *trust.Offer) { o.Candidates[1].Share = sealift.Everybody - 1 },
		"back from most":  func(o *trust.Offer) { o.Candidates[0].From = make([]sealift.Digest, sealift.MaxBlobs) },
		"0.01 percent":    func(o *trust.Offer) { o.Candidates[0].Share = 1 },
	} {
		o := goodOffer()
		bend(o)
		if _, err := trust.ParseOffer(mustEncode(t, o), testApp, "production", "web"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDocumentsOfOthers: an offer or epoch at the wrong place is refused.
func TestDocumentsOfOthers(t *testing.T) {
	offer, epoch := mustEncode(t, goodOffer()), mustEncode(t, goodEpoch())
	for _, c := range []struct {
		app      sealift.AppID
		channel  sealift.Channel
		platform sealift.Platform
	}{{"com.acme.other", "production", "web"}, {testApp, "staging", "web"}, {testApp, "production", "ios"}} {
		if _, err := trust.ParseOffer(offer, c.app, c.channel, c.platform); sealift.ReasonOf(err) != "malformed" {
			t.Errorf("an offer at the place of %v: %v", c, err)
		}
		if c.platform != "web" {
			continue
		}
		if _, err := trust.ParseEpoch(epoch, c.app, c.channel); sealift.ReasonOf(err) != "malformed" {
			t.Errorf("an epoch at the place of %v: %v", c, err)
		}
	}
	for name, bend := range map[string]func(*trust.Epoch){
		"number": func(e *trust.Epoch) { e.Number = 0 },
		"key":    func(e *trust.Epoch) { e.PublicKey = nil },
	} {
		e := goodEpoch()
		bend(e)
		if _, err := trust.ParseEpoch(mustEncode(t, e), testApp, "production"); sealift.ReasonOf(err) != "malformed" {
			t.Errorf("an epoch without its %s: %v", name, err)
		}
	}
	if _, err := trust.ParseTrust([]byte(`{"vault":"x"}`)); sealift.ReasonOf(err) != "malformed" {
		t.Errorf("a trust.json without a vault: %v", err)
	}
	if got := trust.OfferPath("a.b", "c", "d") + " " + trust.EpochPath("a.b", "c"); got != "a.b/c/d/offer.json a.b/c/epoch.json" {
		t.Errorf("paths: %s", got)
	}
}

func TestTime(t *testing.T) {
	var back trust.Time
	text, err := json.Marshal(trust.At(start.Add(999 * time.Millisecond).In(time.FixedZone("", 3600))))
	if err != nil || string(text) != `"2026-03-01T12:00:00Z"` || json.Unmarshal(text, &back) != nil || !back.Equal(start) {
		t.Errorf("%s, %v, %s", text, err, back)
	}
	for _, bad := range []string{
		`null`, `""`, `1772366400`, `"2026-03-01T12:00:00"`, `"2026-03-01T12:00:00z"`, `"2026-03-01t12:00:00Z"`, `"2026-03-01 12:00:00Z"`,
		`"2026-03-01T12:00:00+00:00"`, `"2026-03-01T12:00:00.0Z"`, `"2026-03-01T12:00:00.000Z"`, `"2026-03-01T12:00:60Z"`, `"2026-02-29T12:00:00Z"`,
		`"2026-3-01T12:00:00Z"`, `"2026-03-01T24:00:00Z"`, `"2026-03-01T12:00:00Z "`, `"20260-03-01T12:00:00Z"`, `"2026-03-01T1:00:00Z"`,
		`"2026-03-01T12:00:00\u005a"`,
	} {
		if err := back.UnmarshalJSON([]byte(bad)); err == nil {
			t.Errorf("%s was taken as %s", bad, back)
		}
	}
	if at, err := trust.ParseIssued("2026-03-01T12:00:00Z"); err != nil || !at.Equal(start) {
		t.Errorf("ParseIssued: %s, %v", at, err)
	}
	for _, bad := range []string{"", "2026-03-01", `2026-03-01T12:00:00Z"`, "2026-03-01T12:00:00+01:00"} {
		if at, err := trust.ParseIssued(bad); err == nil || !at.IsZero() {
			t.Errorf("ParseIssued(%q) = %s, %v", bad, at, err)
		}
	}
}

func TestReleasePatch(t *testing.T) {
	r := goodRelease()
	one, other := digest("one"), digest("other")
	full := r.Full().Length
	patch := func(name string, base sealift.Digest, length int64) trust.Blob {
		return trust.Blob{Kind: trust.BlobPatch, Base: &base, Digest: digest(name), Length: length}
	}
	r.Blobs = append(r.Blobs, patch("long", one, full-1), patch("short", one, full-2), patch("same", one, full-2), patch("no gain", other, full))
	if got, ok := r.Patch(one); !ok || got.Digest != digest("short") {
		t.Errorf("got %v, %v, want the shortest", got, ok)
	}
	for _, base := range []sealift.Digest{other, digest("third"), {}} {
		if got, ok := r.Patch(base); ok {
			t.Errorf("a patch of %d bytes against %s, beside a full blob of %d", got.Length, base, full)
		}
	}
}
