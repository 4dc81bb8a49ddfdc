package cli

import (
	"context"
	"crypto/x509"
	"fmt"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

// anchorsOf asks the server which public keys people should vouch for. The names
// say by the SHA-256 of each key which version of the vault's keys it is.
func anchorsOf(ctx context.Context, c *apiclient.Client) (a ceremony.Anchors, names map[sealift.Digest]string, err error) {
	const op = "reading the keys to vouch for"
	said, err := c.Anchors(ctx)
	if err != nil {
		return a, nil, err
	}
	if a.Vault, err = sealift.ParseVaultID(said.Vault); err != nil {
		return a, nil, err
	}
	of, err := trust.ParseTrust(said.Trust)
	if err != nil {
		return a, nil, err
	}
	a.Trust, names = *of, map[sealift.Digest]string{}
	for _, k := range said.Keys {
		pub, err := x509.ParsePKIXPublicKey(k.Public)
		if err != nil {
			return a, nil, sealift.Errorf(sealift.KindMetadata, op, "%s/%d: %w", k.ID, k.Version, err)
		}
		names[sealift.DigestOf(k.Public)] = fmt.Sprintf("%s/%d", k.ID, k.Version)
		switch vault.Purpose(k.Purpose) {
		case vault.PurposeDirector:
			a.Director = append(a.Director, pub)
		case vault.PurposeSnapshot:
			a.Snapshot = append(a.Snapshot, pub)
		case vault.PurposeTimestamp:
			a.Timestamp = append(a.Timestamp, pub)
		}
	}
	return a, names, nil
}
