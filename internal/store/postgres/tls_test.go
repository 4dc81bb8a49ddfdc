package postgres_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/postgres"
	"github.com/sealift/sealift/internal/store/postgrestest"
	"github.com/sealift/sealift/internal/store/storetest"
)

// front is a port of this machine before a cluster's socket. It speaks TLS as
// PostgreSQL does, or none, and counts who talks in clear.
type front struct {
	port     string
	config   *tls.Config // nil for no TLS
	clear    atomic.Int64
	upstream string
}

func newFront(t *testing.T, upstream string, config *tls.Config) *front {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	f := &front{port: port, config: config, upstream: upstream}
	serveConns(t, listener, f.serve)
	return f
}

// wantTLS is the code of PostgreSQL's SSLRequest, a message of 8 bytes.
const wantTLS = 80877103

func (f *front) serve(conn net.Conn) {
	defer conn.Close()
	request := make([]byte, 8)
	if _, err := io.ReadFull(conn, request); err != nil {
		return
	}
	switch {
	case binary.BigEndian.Uint32(request[4:]) != wantTLS:
		f.clear.Add(1)
		return
	case f.config == nil:
		_, _ = conn.Write([]byte("N"))
		if n, _ := conn.Read(request); n > 0 {
			f.clear.Add(1)
		}
		return
	}
	_, _ = conn.Write([]byte("S"))
	inner := tls.Server(conn, f.config)
	if inner.Handshake() != nil {
		return
	}
	server, err := net.Dial("unix", f.upstream)
	if err != nil {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(inner, server)
		inner.Close()
	})
	_, _ = io.Copy(server, inner)
	server.Close()
	back.Wait()
}

// certified makes a CA, which it writes to a file, and a certificate of it for
// 127.0.0.1.
func certified(t *testing.T) (config *tls.Config, caFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, caFile
}

// TestTLS: a server is told from another one before anything is sent to it, the
// password least of all, which is in no error either.
func TestTLS(t *testing.T) {
	cluster := postgrestest.Start(t)
	dsn := cluster.Schema(t)
	config, ca := certified(t)
	_, otherCA := certified(t)
	upstream := socketOf(dsn)
	secure, plain := newFront(t, upstream, config), newFront(t, upstream, nil)
	at := func(f *front, host, more string) string {
		return fmt.Sprintf("host=%s port=%s user=postgres password=hunter2 dbname=postgres search_path=%s %s", host, f.port, schemaOf(dsn), more)
	}
	db, err := postgres.Open(t.Context(), at(secure, "127.0.0.1", "sslmode=verify-full sslrootcert="+ca), postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := storetest.AppendCounted(db); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]struct {
		dsn    string
		reason string
		hint   string
	}{
		"another CA":          {at(secure, "127.0.0.1", "sslmode=verify-full sslrootcert="+otherCA), store.ReasonAway, "compare host"},
		"another name":        {at(secure, "localhost", "sslmode=verify-full sslrootcert="+ca), store.ReasonAway, "compare host"},
		"no TLS":              {at(plain, "127.0.0.1", "sslmode=verify-full sslrootcert="+ca), store.ReasonAway, "compare host"},
		"no TLS, any CA":      {at(plain, "127.0.0.1", "sslmode=require"), store.ReasonAway, "compare host"},
		"nobody there":        {"host=127.0.0.1 port=1 user=u password=hunter2 dbname=d sslmode=disable", store.ReasonAway, "see whether"},
		"no such role":        {postgrestest.As(dsn, "nobody") + " password=hunter2", "sign-in", "check the role"},
		"no such database":    {strings.Replace(dsn, "dbname=postgres", "dbname=none", 1) + " password=hunter2", "", "make the database"},
		"no such CA":          {at(secure, "127.0.0.1", "sslmode=verify-full sslrootcert=/nowhere/ca.pem"), "dsn", "use one of these forms"},
		"no such mode":        {at(secure, "127.0.0.1", "sslmode=sometimes"), "dsn", "use one of these forms"},
		"elsewhere, prefer":   {at(plain, "192.0.2.1", "sslmode=prefer"), "plaintext", "add sslmode=verify-full"},
		"elsewhere, allow":    {at(plain, "192.0.2.1", "sslmode=allow"), "plaintext", "add sslmode=verify-full"},
		"elsewhere, require":  {at(plain, "192.0.2.1", "sslmode=require"), "plaintext", "add sslmode=verify-full"},
		"elsewhere, nothing":  {at(plain, "192.0.2.1", ""), "plaintext", "add sslmode=verify-full"},
		"one of several does": {at(plain, "127.0.0.1,192.0.2.1", "sslmode=disable"), "plaintext", "add sslmode=verify-full"},
	} {
		_, err := postgres.Open(t.Context(), c.dsn, postgres.Options{})
		if err == nil || sealift.ReasonOf(err) != c.reason || !strings.HasPrefix(sealift.HintOf(err), c.hint) {
			t.Errorf("%s: %v (%s), hint %q", name, err, sealift.ReasonOf(err), sealift.HintOf(err))
		}
		if text := fmt.Sprintf("%v %+v %#v %s", err, err, err, sealift.HintOf(err)); strings.Contains(text, "hunter2") {
			t.Errorf("%s: the password is in %s", name, text)
		}
	}
	if n := secure.clear.Load() + plain.clear.Load(); n != 0 {
		t.Errorf("%d connections went on in clear", n)
	}
}
