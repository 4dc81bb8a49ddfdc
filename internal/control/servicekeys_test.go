package control_test

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

func (s *services) CreateKey(_ context.Context, by access.Caller, want service.NewKey) (service.Key, error) {
	want.PEM = bytes.Clone(want.PEM) // which is cleared
	k := key1
	k.App, k.Imported, k.Exportable, k.SPKI = want.App, want.PEM != nil, want.Exportable, []byte{7}
	return k, s.note(by, want)
}

func (s *services) ExportKey(_ context.Context, by access.Caller, want service.KeyExport) ([]byte, error) {
	return []byte("pem"), s.note(by, want)
}

func (s *services) CapgoKey(_ context.Context, app sealift.AppID) (service.CapgoKey, error) {
	return service.CapgoKey{ID: "capgo.shop", Version: 2, Name: "MIIBCgKCAQEAtt3bMNVP", PublicKey: "PEM"}, s.note(app)
}

func (s *services) SignWithKey(_ context.Context, by access.Caller, want service.SigningRequest) (service.Signature, error) {
	return service.Signature{Signature: []byte{1}, Version: 2, Algorithm: "ed25519", Entry: 9}, s.note(by, want)
}

func (s *services) RequestCertificate(_ context.Context, by access.Caller, id string, version uint64) ([]byte, error) {
	return []byte("csr"), s.note(by, id, version)
}

func (s *services) InstallCertificate(_ context.Context, by access.Caller, want service.CACertificate) (service.Key, error) {
	return key1, s.note(by, want)
}

func TestCACertificates(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleSecurityOfficer)
	csr, err := c.RequestCertificate(t.Context(), api.KeyVersion{ID: "release-ca", Version: 2})
	check(t, "request", err, csr, []byte("csr"))
	check(t, "asked", nil, f.services.last()[1:], []any{"release-ca", uint64(2)})
	_, err = c.InstallCertificate(t.Context(), api.CACertificate{ID: "release-ca", Version: 2, Certificate: []byte("c"), Issuer: []byte("i")})
	check(t, "asked", err, f.services.last()[1], any(service.CACertificate{ID: "release-ca", Version: 2, Certificate: []byte("c"), Issuer: []byte("i")}))
	large := base64.StdEncoding.EncodeToString(make([]byte, sealift.MaxCertificate+1))
	for _, body := range []string{
		`{}`, `{"id":"x","version":1}`, `{"id":"x","version":0,"certificate":"eA=="}`,
		fmt.Sprintf(`{"id":"x","version":1,"certificate":%q}`, large), fmt.Sprintf(`{"id":"x","version":1,"certificate":"eA==","issuer":%q}`, large),
	} {
		f.wantProblem(f.do("POST", control.Prefix+"/keys/certificate", "owner", body), 400, sealift.KindInvalid, "")
	}
	f.wantProblem(f.do("POST", control.Prefix+"/keys/csr", "owner", `{"id":"x"}`), 400, sealift.KindInvalid, "")
}

func TestServiceKeys(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleSecurityOfficer)
	k, err := c.CreateKey(t.Context(), api.NewKey{
		ID: "ci", Purpose: "artifact-signing", Algorithm: "ed25519", App: "com.acme.shop", Owner: "alice", Label: "x", Cryptoperiod: 3600, Exportable: true, Token: "pkcs11:token=hsm;object=ci",
	})
	check(t, "asked", err, f.services.last()[1], any(service.NewKey{
		ID: "ci", Purpose: "artifact-signing", Algorithm: "ed25519", App: "com.acme.shop", Owner: "alice", Label: "x", Period: time.Hour, Exportable: true, Token: "pkcs11:token=hsm;object=ci",
	}))
	if k.App != "com.acme.shop" || k.Imported || !k.Exportable || !bytes.Equal(k.Spki, []byte{7}) {
		t.Errorf("%+v", k)
	}
	k, err = c.ImportKey(t.Context(), api.ImportedKey{ID: "ci", Purpose: "capgo-app", App: "com.acme.shop", Owner: "alice", Pem: []byte("key")})
	check(t, "asked", err, f.services.last()[1], any(service.NewKey{ID: "ci", Purpose: "capgo-app", App: "com.acme.shop", Owner: "alice", PEM: []byte("key")}))
	if !k.Imported {
		t.Errorf("%+v", k)
	}
	out, err := c.ExportKey(t.Context(), api.KeyExport{ID: "ci", Version: 3, Reason: "moving"})
	check(t, "exported", err, out, api.PrivateKey{Pem: []byte("pem")})
	check(t, "asked", nil, f.services.last()[1], any(service.KeyExport{ID: "ci", Version: 3, Reason: "moving"}))

	for path, bodies := range map[string][]string{
		"": {`{}`, `{"id":"ci","app":"x","owner":"a","purpose":"artifact-signing"}`, `{"id":"","app":"com.acme.shop","owner":"a","purpose":"p"}`,
			`{"id":"ci","app":"com.acme.shop","owner":"a","purpose":"p","cryptoperiod":3599}`, `{"id":"ci","app":"com.acme.shop","owner":"a","purpose":"p","cryptoperiod":94608001}`,
			`{"id":"ci","app":"com.acme.shop","owner":"a","purpose":"p","pem":"eA=="}`},
		"/import": {`{"id":"ci","app":"com.acme.shop","owner":"a","purpose":"capgo-app"}`, `{"id":"ci","app":"com.acme.shop","owner":"a","purpose":"capgo-app","pem":""}`},
		"/export": {`{"id":"ci","reason":"x"}`, `{"version":1,"reason":"x"}`},
	} {
		for _, body := range bodies {
			f.wantProblem(f.do("POST", control.Prefix+"/keys"+path, "owner", body), 400, sealift.KindInvalid, "")
		}
	}
}

func TestSignWithKey(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleDeveloper)
	digest := bytes.Repeat([]byte{1}, 32)
	got, err := c.SignWithKey(t.Context(), "com.acme.shop", "ci", api.SigningRequest{Hash: "sha256", Digest: digest, Padding: "pkcs1v15"})
	check(t, "signed", err, got, api.Signature{Signature: []byte{1}, Version: 2, Algorithm: "ed25519", Entry: 9})
	check(t, "asked", nil, f.services.last()[1], any(service.SigningRequest{App: "com.acme.shop", Key: "ci", Hash: crypto.SHA256, Digest: digest, PKCS1: true}))
	_, err = c.SignWithKey(t.Context(), "com.acme.shop", "ci", api.SigningRequest{Message: []byte("m")})
	check(t, "asked", err, f.services.last()[1], any(service.SigningRequest{App: "com.acme.shop", Key: "ci", Message: []byte("m")}))
	b64 := base64.StdEncoding.EncodeToString
	for _, body := range []string{
		`{}`, `{"hash":"sha256"}`, `{"hash":"md5","digest":"` + b64(digest[:16]) + `"}`, `{"hash":"sha384","digest":"` + b64(digest) + `"}`,
		`{"hash":"sha256","digest":"` + b64(digest) + `","message":""}`, `{"digest":"` + b64(digest) + `"}`, `{"message":"","padding":"none"}`,
		fmt.Sprintf(`{"message":%q}`, b64(make([]byte, sealift.MaxSignedMessage+1))), `{"message":"","hash":"sha256"}`,
	} {
		f.wantProblem(f.do("POST", acme+"/keys/ci/signatures", "owner", body), 400, sealift.KindInvalid, "")
	}
	f.wantProblem(f.do("POST", acme+"/keys/"+strings.Repeat("x", 257)+"/signatures", "owner", `{"message":""}`), 400, sealift.KindInvalid, "")
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
}

// ReleaseKeys has those of the releases with counters 1 to 3.
func (s *services) ReleaseKeys(_ context.Context, app sealift.AppID, page service.Page) (found []service.ReleaseKeys, err error) {
	for counter := sealift.Counter(3); counter > 0 && len(found) < page.Limit; counter-- {
		found = append(found, service.ReleaseKeys{
			App: app, Channel: "beta", Platform: "ios", Version: "1.0.0", Counter: counter, Release: sealift.Digest{1},
			Leaf:    service.LeafKey{Issuer: sealift.Digest{2}, Serial: "ab", Public: sealift.Digest{3}, Signed: time.Unix(1, 0), Ends: time.Unix(2, 0)},
			Content: service.ContentKey{Epoch: 4, Key: "epoch:x/y", Version: 5, EpochState: "active"},
		})
	}
	return found, s.note(app, page)
}

func TestReleaseKeys(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleAuditor)
	list, err := c.ReleaseKeys(t.Context(), "com.acme.shop", api.ListReleaseKeysParams{Limit: 2, Before: 9, Channel: "beta", Platform: "ios"})
	check(t, "asked", err, f.services.last(), []any{sealift.AppID("com.acme.shop"), service.Page{Limit: 3, Before: 9, Channel: "beta", Platform: "ios"}})
	if len(list.Keys) != 2 || list.Next != 2 {
		t.Fatalf("%+v", list)
	}
	check(t, "keys", nil, list.Keys[0], api.ReleaseKeys{
		Channel: "beta", Platform: "ios", Version: "1.0.0", Counter: 3, Release: sealift.Digest{1}.String(),
		Leaf:    api.LeafKey{Issuer: sealift.Digest{2}.String(), Serial: "ab", Public: sealift.Digest{3}.String(), Signed: time.Unix(1, 0).UTC(), Ends: time.Unix(2, 0).UTC()},
		Content: api.ContentKey{Epoch: 4, Key: "epoch:x/y", Version: 5, EpochState: "active"},
	})
	if list, err = c.ReleaseKeys(t.Context(), "com.acme.shop", api.ListReleaseKeysParams{}); err != nil || len(list.Keys) != 3 || list.Next != 0 {
		t.Errorf("%+v, %v", list, err)
	}
}
