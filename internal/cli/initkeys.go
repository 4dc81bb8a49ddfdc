package cli

import (
	"slices"

	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/internal/pkcs11"
	"github.com/sealift/sealift/internal/release"
	"github.com/sealift/sealift/internal/vault"
)

// peoplesKeys are the flags of a command that makes people's keys: embed it.
type peoplesKeys struct {
	RootKey []string `name:"root-key" sep:"none" placeholder:"URI" help:"Make a root key in a PKCS#11 token, under the label that object names: 'pkcs11:token=NAME;object=LABEL'. Repeat it for more; the others are files."`
}

// initKeys are the flags by which sealift init makes keys in tokens.
type initKeys struct {
	ReleaseCA          string        `name:"release-ca" placeholder:"URI" help:"Make the release CA, and its standby, in a PKCS#11 token: 'pkcs11:token=NAME;object=LABEL'."`
	ReleaseCAAlgorithm string        `name:"release-ca-algorithm" enum:",ecdsa-p384,rsa-4096" default:"" placeholder:"ALGORITHM" help:"What the release CA in the token is: ecdsa-p384 or rsa-4096. Without it: ecdsa-p384."`
	TargetsKey         []string      `name:"targets-key" sep:"none" placeholder:"URI" help:"Make a targets key in a PKCS#11 token, as --root-key does a root key."`
	People             peoplesKeys   `embed:""`
	Reach              PKCS11Options `embed:""`
}

// tokens returns how to reach the tokens that the flags name.
func (k initKeys) tokens(std *IO) (*pkcs11.Tokens, error) {
	keys := slices.Concat(k.People.RootKey, k.TargetsKey)
	if k.ReleaseCA != "" {
		keys = append(keys, k.ReleaseCA)
	}
	return k.Reach.Tokens(std, keys...)
}

// check refuses what does not go together.
func (k initKeys) check(rootKeys int) error {
	if k.ReleaseCA == "" && k.ReleaseCAAlgorithm != "" {
		return usage("--release-ca-algorithm is for a release CA in a token").WithHint("add --release-ca 'pkcs11:token=NAME;object=LABEL'")
	}
	if most := max(len(k.People.RootKey), len(k.TargetsKey)); most > rootKeys {
		return usage("%d keys in tokens, of %d", most, rootKeys).WithHint("make more keys of each role: --root-keys %d", most)
	}
	for _, uri := range slices.Concat(k.People.RootKey, k.TargetsKey, []string{k.ReleaseCA}) {
		if err := checkNewKey(uri); err != nil {
			return err
		}
	}
	return nil
}

// checkNewKey refuses a URI that names no label for a new key. "" is no key.
func checkNewKey(uri string) error {
	if uri == "" {
		return nil
	}
	u, err := pkcs11.ParseURI(uri)
	if err != nil {
		return err
	}
	if u.Object == "" {
		return usage("%s names no label for the new key", u.Names()).WithHint("add one, as in '%s;object=release-ca'", u.OfToken())
	}
	return nil
}

// places are where people's new keys are made.
func (k initKeys) places() ceremony.Places {
	return ceremony.Places{ceremony.RoleRoot: k.People.RootKey, ceremony.RoleTargets: k.TargetsKey}
}

// inTokens are the vault's keys that are made in tokens.
func (k initKeys) inTokens() map[vault.Purpose]release.InToken {
	if k.ReleaseCA == "" {
		return nil
	}
	return map[vault.Purpose]release.InToken{vault.PurposeReleaseCA: {URI: k.ReleaseCA, Algorithm: vault.Algorithm(k.ReleaseCAAlgorithm)}}
}
