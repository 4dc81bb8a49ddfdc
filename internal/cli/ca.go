package cli

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/release"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

type caCmd struct {
	List    caListCmd    `cmd:"" help:"List the vault's CAs: pending, active and past issuers side by side."`
	CSR     caCSRCmd     `cmd:"" name:"csr" help:"Write a certificate request of the release CA, for an offline root CA to answer."`
	Install caInstallCmd `cmd:"" help:"Bring the certificate that an offline root CA made for the release CA."`
}

type caListCmd struct {
	API APIOptions `embed:""`
}

// Run implements the command.
func (c *caListCmd) Run(ctx context.Context, std *IO) error { return runCAList(ctx, std, *c) }

// issuer is a CA as ca list shows it.
type issuer struct {
	Key      string    `json:"key"`
	State    string    `json:"state"` // "pending", "active" or that of the key
	Name     string    `json:"name"`
	SignedBy string    `json:"signedBy"` // "itself", or the name of its issuer
	Issuer   string    `json:"issuer"`   // SHA-256 of its SubjectPublicKeyInfo, as revocations name it
	NotAfter time.Time `json:"notAfter"` // of the certificate
	ListedBy string    `json:"listedBy,omitempty"`
}

func runCAList(ctx context.Context, std *IO, opts caListCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	keys, err := c.Keys(ctx, api.ListKeysParams{})
	if err != nil {
		return err
	}
	cas := []issuer{}
	var rows [][]string
	for _, k := range keys {
		if len(k.Certificate) == 0 {
			continue
		}
		ca, err := issuerOf(k)
		if err != nil {
			return err
		}
		cas = append(cas, ca)
		rows = append(rows, []string{ca.Key, ca.State, ca.Name, ca.SignedBy, ca.NotAfter.Format(time.DateOnly), vouchedText(k), ca.Issuer[:12]})
	}
	return std.Print(map[string]any{"issuers": cas}, Table([]string{"KEY", "STATE", "NAME", "SIGNED BY", "UNTIL", "LISTED BY", "ISSUER"}, rows))
}

func issuerOf(k api.Key) (issuer, error) {
	cert, err := x509.ParseCertificate(k.Certificate)
	if err != nil {
		return issuer{}, sealift.Errorf(sealift.KindInternal, "reading the certificate of "+k.ID, "%w", err)
	}
	ca := issuer{
		Key: fmt.Sprintf("%s/%d", k.ID, k.Version), State: string(k.State), Name: cert.Subject.CommonName, SignedBy: cert.Issuer.String(),
		Issuer: trust.IssuerOf(cert).String(), NotAfter: cert.NotAfter.UTC(), ListedBy: k.Vouched,
	}
	if cert.Issuer.String() == cert.Subject.String() {
		ca.SignedBy = "itself"
	}
	if k.State == "pre-active" {
		ca.State = "pending"
	}
	return ca, nil
}

// caVersion are the flags that name a version of the release CA.
type caVersion struct {
	Key     string     `default:"release-ca" placeholder:"ID" help:"The CA's key."`
	Version uint64     `required:"" placeholder:"N" help:"Which version of it: the pending one, so that a ceremony lists it before it is used."`
	API     APIOptions `embed:""`
}

type caCSRCmd struct {
	Of  caVersion `embed:""`
	Out string    `required:"" placeholder:"FILE" help:"Where to write the request (PKCS #10, PEM). It must not exist yet."`
}

// Run implements the command.
func (c *caCSRCmd) Run(ctx context.Context, std *IO) error { return runCACSR(ctx, std, *c) }

func runCACSR(ctx context.Context, std *IO, opts caCSRCmd) error {
	c, err := opts.Of.API.client(std)
	if err != nil {
		return err
	}
	der, err := c.RequestCertificate(ctx, api.KeyVersion{ID: opts.Of.Key, Version: opts.Of.Version})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(opts.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err == nil {
		err = pem.Encode(f, &pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
		if closed := f.Close(); err == nil {
			err = closed
		}
	}
	if err != nil {
		return sealift.Errorf(sealift.KindInvalid, "writing the request", "%w", err).WithHint("choose an --out that does not exist, in a folder that you may write to")
	}
	return std.Print(map[string]any{"file": opts.Out}, Println("the request of %s/%d is in %s: sign it as it is, for a CA of path length 0", opts.Of.Key, opts.Of.Version, opts.Out))
}

type caInstallCmd struct {
	Of     caVersion `embed:""`
	Cert   string    `required:"" placeholder:"FILE" help:"The certificate, in PEM or DER."`
	Issuer string    `placeholder:"FILE" help:"That of the root CA which signed it, to check it against."`
}

// Run implements the command.
func (c *caInstallCmd) Run(ctx context.Context, std *IO) error { return runCAInstall(ctx, std, *c) }

func runCAInstall(ctx context.Context, std *IO, opts caInstallCmd) error {
	body := api.CACertificate{ID: opts.Of.Key, Version: opts.Of.Version}
	var err error
	if body.Certificate, err = readCertificate(opts.Cert); err != nil {
		return err
	}
	if opts.Issuer != "" {
		if body.Issuer, err = readCertificate(opts.Issuer); err != nil {
			return err
		}
	}
	c, err := opts.Of.API.client(std)
	if err != nil {
		return err
	}
	k, err := c.InstallCertificate(ctx, body)
	if err != nil {
		return err
	}
	ca, err := issuerOf(k)
	if err != nil {
		return err
	}
	std.Note("devices go by the certificates that trust.json lists: hold the ceremony that lists this one, before it is used: %s", release.Ceremony(vault.PurposeReleaseCA))
	return std.Print(ca, Println("%s is signed by %s, good until %s", ca.Key, ca.SignedBy, ca.NotAfter.Format(time.DateOnly)))
}

// readCertificate reads one certificate, in PEM or DER, and returns its DER.
func readCertificate(path string) ([]byte, error) {
	data, err := readInput(path, 2*sealift.MaxCertificate)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(data); block != nil && block.Type == "CERTIFICATE" {
		return block.Bytes, nil
	}
	return data, nil
}
