package cli

import (
	"context"
	"crypto/x509"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/pkcs11"
	"github.com/sealift/sealift/trust/tufrepo"
)

// tokenKeys looks, where it is said how to reach tokens, for keys in those of the
// vault that nothing names: a server that was killed between making a key in a token
// and writing its row leaves one. A token in which the vault has no key is somebody
// else's.
func (d *doctor) tokenKeys(ctx context.Context, std *IO, reach PKCS11Options) {
	const check = "token keys"
	tokens, err := reach.Tokens(std)
	if err != nil {
		d.unseen(check, err)
		return
	}
	defer tokens.Close() // what it says came to its end
	if len(tokens.Reached()) == 0 {
		return
	}
	named, err := d.named(ctx)
	if err != nil {
		d.unseen(check, err)
		return
	}
	seen, stray := 0, 0
	for _, token := range tokens.Reached() {
		keys, err := tokens.Keys(ctx, token.String())
		if err != nil {
			d.found(check, stateWarning, "%s", err).Hint = sealift.HintOf(err)
			continue
		}
		held := countNamed(keys, named)
		if seen += held; held == 0 {
			continue
		}
		for _, key := range keys {
			if len(key.Public) == 0 || named[sealift.DigestOf(key.Public)] {
				continue
			}
			stray++
			d.found(check, stateWarning, "%s is no version of a key of the vault, and no root or targets key in use", key.URI).
				Hint = "it was made and never came into use, or is a person's that was retired, or another program's; if nobody needs it: sealift pkcs11 destroy '" + key.URI + "'"
		}
	}
	if stray == 0 {
		d.found(check, stateOK, "%d keys of the vault and of people are in the tokens named, and none beside them that nothing names", seen)
	}
}

func countNamed(keys []pkcs11.Key, named map[sealift.Digest]bool) (n int) {
	for _, key := range keys {
		if len(key.Public) > 0 && named[sealift.DigestOf(key.Public)] {
			n++
		}
	}
	return n
}

// named are the public keys of the vault's keys and of the root's people.
func (d *doctor) named(ctx context.Context) (map[sealift.Digest]bool, error) {
	keys, err := d.client.Keys(ctx, api.ListKeysParams{})
	if err != nil {
		return nil, err
	}
	named := map[sealift.Digest]bool{}
	for _, k := range keys {
		if digest, err := sealift.ParseDigest(string(k.Public)); err == nil {
			named[digest] = true
		}
	}
	root, err := d.client.Root(ctx)
	if err != nil {
		return nil, err
	}
	said, err := tufrepo.ReadRoot(root)
	if err != nil {
		return nil, err
	}
	for _, pub := range append(said.Root.Keys, said.Targets.Keys...) {
		spki, err := x509.MarshalPKIXPublicKey(pub)
		if err != nil {
			return nil, err
		}
		named[sealift.DigestOf(spki)] = true
	}
	return named, nil
}
