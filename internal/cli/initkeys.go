package cli

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/internal/pkcs11"
	"github.com/sealift/sealift/internal/release"
	"github.com/sealift/sealift/internal/vault"
)

// peoplesKeys are the flags of a command that makes people's keys: embed it.
type peoplesKeys struct {
	RootKey    []string `name:"root-key" sep:"none" placeholder:"URI" help:"Make a root key in a PKCS#11 token, under the label that object names: 'pkcs11:token=NAME;object=LABEL'. Repeat it for more; the others are files."`
	TargetsKey []string `name:"targets-key" sep:"none" placeholder:"URI" help:"Make a targets key in a PKCS#11 token, as --root-key does a root key."`
}

// all are the keys that are to be made in tokens.
func (k peoplesKeys) all() []string {
	return slices.DeleteFunc(slices.Concat(k.RootKey, k.TargetsKey), func(uri string) bool { return uri == "" })
}

// places are where people's new keys are made.
func (k peoplesKeys) places() (ceremony.Places, error) {
	for _, uri := range k.all() {
		if err := checkNewKey(uri); err != nil {
			return nil, err
		}
	}
	return ceremony.Places{ceremony.RoleRoot: k.RootKey, ceremony.RoleTargets: k.TargetsKey}, nil
}

// initKeys are the flags by which sealift init makes keys in tokens.
type initKeys struct {
	Seal               string        `placeholder:"URI" help:"Seal the vault under an AES-256 key that is made in a PKCS#11 token, in place of a passphrase: 'pkcs11:token=NAME;object=LABEL'. A server that reaches the token opens the vault by itself."`
	ReleaseCA          string        `name:"release-ca" placeholder:"URI" help:"Make the release CA, and its standby, in a PKCS#11 token: 'pkcs11:token=NAME;object=LABEL'."`
	ReleaseCAAlgorithm string        `name:"release-ca-algorithm" enum:",ecdsa-p384,rsa-4096" default:"" placeholder:"ALGORITHM" help:"What the release CA in the token is: ecdsa-p384 or rsa-4096. Without it: ecdsa-p384."`
	People             peoplesKeys   `embed:""`
	Reach              PKCS11Options `embed:""`
}

// tokens returns how to reach the tokens that the flags name.
func (k initKeys) tokens(std *IO) (*pkcs11.Tokens, error) {
	return k.Reach.Tokens(std, k.all()...)
}

// all are the keys that are to be made.
func (k initKeys) all() []string {
	keys := slices.Concat(k.People.all(), []string{k.ReleaseCA, k.Seal})
	return slices.DeleteFunc(keys, func(uri string) bool { return uri == "" })
}

// check refuses what does not go together.
func (k initKeys) check(rootKeys int) error {
	if k.ReleaseCA == "" && k.ReleaseCAAlgorithm != "" {
		return usage("--release-ca-algorithm is for a release CA in a token").WithHint("add --release-ca 'pkcs11:token=NAME;object=LABEL'")
	}
	if most := max(len(k.People.RootKey), len(k.People.TargetsKey)); most > rootKeys {
		return usage("%d keys in tokens, of %d", most, rootKeys).WithHint("make more keys of each role: --root-keys %d", most)
	}
	for _, uri := range k.all() {
		if err := checkNewKey(uri); err != nil {
			return err
		}
	}
	return nil
}

// checkNewKey refuses a URI that names no label for a new key.
func checkNewKey(uri string) error {
	u, err := pkcs11.ParseURI(uri)
	if err != nil {
		return err
	}
	if u.Object == "" {
		return usage("%s names no label for the new key", u.Names()).WithHint("add one, as in '%s;object=release-ca'", u.OfToken())
	}
	return nil
}

// reachFlags are the flags by which a server reaches the tokens that the vault
// needs, unless the environment has them.
func (k initKeys) reachFlags(tokens *pkcs11.Tokens) (flags string) {
	told := len(k.Reach.PKCS11) > 0 || slices.ContainsFunc(k.all(), func(uri string) bool { return strings.Contains(uri, "module-path=") })
	if !told || k.Seal == "" && k.ReleaseCA == "" {
		return ""
	}
	for _, uri := range tokens.Reached() {
		flags += " --pkcs11 '" + uri.String() + "'"
	}
	return flags
}

// sealer makes the key that the vault is sealed under; nil where that is a
// passphrase or shares.
func (k initKeys) sealer(ctx context.Context, tokens *newTokenKeys) (vault.Sealer, error) {
	if k.Seal == "" {
		return nil, nil
	}
	return tokens.sealer(ctx, k.Seal)
}

// inTokens are the vault's keys that are made in tokens.
func (k initKeys) inTokens() map[vault.Purpose]release.InToken {
	if k.ReleaseCA == "" {
		return nil
	}
	return map[vault.Purpose]release.InToken{vault.PurposeReleaseCA: {URI: k.ReleaseCA, Algorithm: vault.Algorithm(k.ReleaseCAAlgorithm)}}
}

// newTokenKeys are tokens for a command that makes keys in them and may yet come
// to nothing.
type newTokenKeys struct {
	*pkcs11.Tokens
	mu   sync.Mutex
	made []string
}

// Generate implements vault.Tokens.
func (n *newTokenKeys) Generate(ctx context.Context, uri, algorithm string) (pkcs11.Key, error) {
	key, err := n.Tokens.Generate(ctx, uri, algorithm)
	if err == nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.made = append(n.made, key.URI)
	}
	return key, err
}

// undo destroys what was made: nothing came to need it.
func (n *newTokenKeys) undo(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []error
	for _, uri := range n.made {
		all = append(all, n.Destroy(context.WithoutCancel(ctx), uri))
	}
	n.made = nil
	return errors.Join(all...)
}

// sealer makes an AES-256 key in a token, to seal a vault under.
func (n *newTokenKeys) sealer(ctx context.Context, uri string) (vault.Sealer, error) {
	key, err := n.Generate(ctx, uri, string(vault.AES256))
	if err != nil {
		return nil, err
	}
	return vault.Token{Sealer: n, URI: key.URI}, nil
}
