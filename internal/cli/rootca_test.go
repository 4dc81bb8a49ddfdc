package cli_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdRootCA is an offline root CA that signs a request as somebody who read the
// manual does, or bent in one way: rootca CSR ROOT CERT [BEND].
func cmdRootCA(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: rootca CSR ROOT CERT [short|server|subject|pathlen|root-pathlen]")
	}
	bend := append(args, "")[3]
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	ts.Check(err)
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Acme Root"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, MaxPathLen: 1, KeyUsage: x509.KeyUsageCertSign,
	}
	if bend == "root-pathlen" {
		root.MaxPathLen, root.MaxPathLenZero = 0, true
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, key.Public(), key)
	ts.Check(err)
	rootCert, err := x509.ParseCertificate(rootDER)
	ts.Check(err)

	block, _ := pem.Decode([]byte(ts.ReadFile(args[0])))
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	ts.Check(err)
	ts.Check(csr.CheckSignature())
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(2), RawSubject: csr.RawSubject, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(3, 0, 0),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	switch bend {
	case "short":
		cert.NotAfter = time.Now().AddDate(0, 1, 0)
	case "server":
		cert.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	case "subject":
		cert.RawSubject, cert.Subject = nil, pkix.Name{CommonName: "Acme Release CA"}
	case "pathlen":
		cert.MaxPathLen, cert.MaxPathLenZero = 1, false
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, rootCert, csr.PublicKey, key)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER}), 0o644))
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644))
}
