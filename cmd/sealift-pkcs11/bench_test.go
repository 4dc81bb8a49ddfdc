//go:build cgo

package main

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/x509"
	"slices"
	"sync"
	"testing"
	"time"

	p11 "github.com/miekg/pkcs11"

	"github.com/sealift/sealift/internal/pkcs11"
	"github.com/sealift/sealift/internal/pkcs11/pkcs11test"
)

// BenchmarkRSA4096 compares signatures of one RSA-4096 key by the module in this
// process with those through the helper, in turns. Its metrics are medians:
// "direct/s" and "helper/s" with one caller, "direct4/s" and "helper4/s" with
// four.
func BenchmarkRSA4096(b *testing.B) {
	token := pkcs11test.NewToken(b, "bench")
	b.Setenv("SOFTHSM2_CONF", token.Config)
	tokens := token.Open(b)
	key, err := tokens.Generate(b.Context(), token.Key("k"), string(pkcs11.RSA4096))
	check(b, err)
	public, err := x509.ParsePKIXPublicKey(key.Public)
	check(b, err)
	digest := sha512.Sum512([]byte("what is signed"))
	options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA512}
	helper := func() func() {
		return func() {
			_, err := tokens.Sign(b.Context(), key.URI, public, digest[:], options)
			check(b, err)
		}
	}
	direct := directly(b, token, digest[:])
	for b.Loop() {
		for callers, name := range map[int]string{1: "", 4: "4"} {
			var in, by []float64
			for range 7 {
				in = append(in, rate(callers, direct))
				by = append(by, rate(callers, helper))
			}
			slices.Sort(in)
			slices.Sort(by)
			b.ReportMetric(in[len(in)/2], "direct"+name+"/s")
			b.ReportMetric(by[len(by)/2], "helper"+name+"/s")
		}
	}
}

// directly returns what makes a caller of its own: a session of the module in
// this process, and a signature in it.
func directly(b *testing.B, token *pkcs11test.Token, digest []byte) func() func() {
	m, err := load(token.Reach.ModulePath)
	check(b, err)
	b.Cleanup(func() { check(b, m.ctx.Finalize()) })
	s, err := m.slot(token.Reach.OfToken())
	check(b, err)
	check(b, s.login([]byte(pkcs11test.PIN)))
	var key object
	check(b, s.withKey(pkcs11.URI{Object: "k"}, func(_ p11.SessionHandle, o object) error { key = o; return nil }))
	how := mechanism(p11.CKM_RSA_PKCS_PSS, p11.NewPSSParams(p11.CKM_SHA512, p11.CKG_MGF1_SHA512, 64))
	return func() func() {
		session, err := m.ctx.OpenSession(s.id, p11.CKF_SERIAL_SESSION)
		check(b, err)
		return func() {
			check(b, m.ctx.SignInit(session, how, key.handle))
			_, err := m.ctx.Sign(session, digest)
			check(b, err)
		}
	}
}

// rate lets so many callers work for a second and a half and returns how often
// they did, a second.
func rate(callers int, caller func() func()) float64 {
	const long = 1500 * time.Millisecond
	var all sync.WaitGroup
	var mu sync.Mutex
	total := 0
	begin := time.Now()
	for range callers {
		all.Go(func() {
			work, done := caller(), 0
			for time.Since(begin) < long {
				work()
				done++
			}
			mu.Lock()
			defer mu.Unlock()
			total += done
		})
	}
	all.Wait()
	return float64(total) / time.Since(begin).Seconds()
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
