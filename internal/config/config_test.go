package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/config"
)

func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.9.9.9": true, "::1": true, "localhost": true, "::ffff:127.0.0.1": true,
		"": false, "0.0.0.0": false, "::": false, "192.0.2.1": false, "fe80::1%lo": false,
		"127.0.0.1:8470": false, "127.0.0.1.example.com": false, "localhost.example.com": false, "127.1": false,
	} {
		if got := config.IsLoopback(host); got != want {
			t.Errorf("IsLoopback(%q) = %t", host, got)
		}
	}
}

// certificate writes a chain and its key, and returns their paths.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", pkcs8)
}

func TestResolve(t *testing.T) {
	cert, key := certificate(t)
	for _, good := range []config.Flags{
		{Listen: "127.0.0.1:8470"},
		{Listen: "localhost:0"},
		{Listen: "0.0.0.0:8470", BehindProxy: true},
		{Listen: ":443", TLSCert: cert, TLSKey: key},
		{Listen: "127.0.0.1:8470", TLSCert: cert, TLSKey: key},
		{Listen: "updates.example.com:443", TLSCert: cert, TLSKey: key},
	} {
		s, err := good.Resolve()
		if err != nil || s.Listen != good.Listen || s.BehindProxy != good.BehindProxy || (s.TLS != nil) != (good.TLSCert != "") {
			t.Errorf("%+v: %+v, %v", good, s, err)
		}
	}
	const outside = "192.0.2.1:9470"
	for _, good := range []config.Flags{
		{Metrics: "127.0.0.1:9470"}, {Metrics: "[::1]:0", Token: true}, {Metrics: "127.0.0.1:9470", TLSCert: cert, TLSKey: key},
		{Metrics: outside, Token: true, TLSCert: cert, TLSKey: key}, {Metrics: outside, Token: true, BehindProxy: true},
	} {
		good.Listen = "127.0.0.1:8470"
		s, err := good.Resolve()
		if err != nil || s.Metrics.Listen != good.Metrics || (s.Metrics.TLS != nil) != (good.Metrics == outside && good.TLSCert != "") {
			t.Errorf("%+v: %+v, %v", good, s, err)
		}
	}
}

func TestResolveRefusals(t *testing.T) {
	cert, key := certificate(t)
	loose := filepath.Join(t.TempDir(), "loose.pem")
	content, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(loose, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(loose, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		flags  config.Flags
		kind   sealift.Kind
		reason string
	}{
		{config.Flags{Listen: "0.0.0.0:8470"}, sealift.KindInvalid, "plaintext"},
		{config.Flags{Listen: ":8470"}, sealift.KindInvalid, "plaintext"},
		{config.Flags{Listen: "192.0.2.1:8470"}, sealift.KindInvalid, "plaintext"},
		{config.Flags{Listen: "updates.example.com:80"}, sealift.KindInvalid, "plaintext"},
		{config.Flags{}, sealift.KindInvalid, ""},
		{config.Flags{Listen: "127.0.0.1"}, sealift.KindInvalid, ""},
		{config.Flags{Listen: "127.0.0.1:http"}, sealift.KindInvalid, ""},
		{config.Flags{Listen: "127.0.0.1:65536"}, sealift.KindInvalid, ""},
		{config.Flags{Listen: "http://127.0.0.1:1"}, sealift.KindInvalid, ""},
		{config.Flags{Listen: ":1", TLSCert: cert}, sealift.KindInvalid, ""},
		{config.Flags{Listen: ":1", TLSKey: key}, sealift.KindInvalid, ""},
		{config.Flags{Listen: ":1", TLSCert: key, TLSKey: key}, sealift.KindInvalid, ""},
		{config.Flags{Listen: ":1", TLSCert: "absent", TLSKey: key}, sealift.KindInvalid, ""},
		{config.Flags{Listen: ":1", TLSCert: cert, TLSKey: "absent"}, sealift.KindNotFound, ""},
		{config.Flags{Listen: ":1", TLSCert: cert, TLSKey: loose}, sealift.KindDenied, "permissions"},
		{config.Flags{Listen: "127.0.0.1:1", Token: true}, sealift.KindInvalid, ""},
		{config.Flags{Listen: "127.0.0.1:1", Metrics: "9470"}, sealift.KindInvalid, ""},
		{config.Flags{Listen: "127.0.0.1:1", Metrics: ":9470"}, sealift.KindInvalid, "open"},
		{config.Flags{Listen: ":1", BehindProxy: true, Metrics: "192.0.2.1:9470"}, sealift.KindInvalid, "open"},
		{config.Flags{Listen: ":1", TLSCert: cert, TLSKey: key, Metrics: "192.0.2.1:9470"}, sealift.KindInvalid, "open"},
		{config.Flags{Listen: "127.0.0.1:1", Metrics: "192.0.2.1:9470", Token: true}, sealift.KindInvalid, "plaintext"},
	} {
		_, err := c.flags.Resolve()
		if sealift.KindOf(err) != c.kind || sealift.ReasonOf(err) != c.reason || sealift.HintOf(err) == "" {
			t.Errorf("%+v: %v (kind %s, reason %s)", c.flags, err, sealift.KindOf(err), sealift.ReasonOf(err))
		}
	}
}

func TestTLSServes(t *testing.T) {
	cert, key := certificate(t)
	s, err := config.Flags{Listen: "127.0.0.1:0", TLSCert: cert, TLSKey: key}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.TLS = s.TLS
	server.StartTLS()
	defer server.Close()
	pem, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	for version, ok := range map[uint16]bool{tls.VersionTLS13: true, tls.VersionTLS12: true, tls.VersionTLS11: false} {
		conn, err := tls.Dial("tcp", server.Listener.Addr().String(), &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS10, MaxVersion: version})
		if (err == nil) != ok {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
}

func TestClientAddress(t *testing.T) {
	for _, c := range []struct {
		proxy     bool
		forwarded []string
		want      string
	}{
		{false, nil, "192.0.2.9"},
		{false, []string{"198.51.100.1"}, "192.0.2.9"},
		{true, nil, "192.0.2.9"},
		{true, []string{"198.51.100.1"}, "198.51.100.1"},
		{true, []string{"203.0.113.66, 198.51.100.1"}, "198.51.100.1"},
		{true, []string{"203.0.113.66", "203.0.113.67, 198.51.100.1"}, "198.51.100.1"},
		{true, []string{"2001:db8::1"}, "2001:db8::1"},
		{true, []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{true, []string{"unknown"}, "192.0.2.9"},
		{true, []string{""}, "192.0.2.9"},
		{true, []string{"198.51.100.1, \n"}, "192.0.2.9"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "192.0.2.9:1234"
		r.Header["X-Forwarded-For"] = c.forwarded
		if got := (config.Server{BehindProxy: c.proxy}).ClientAddress(r); got != c.want {
			t.Errorf("proxy %t, %q: %s, want %s", c.proxy, c.forwarded, got, c.want)
		}
	}
}
