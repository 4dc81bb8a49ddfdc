package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/internal/installation"
	"github.com/sealift/sealift/internal/term"
)

type initCmd struct {
	Data        string            `required:"" placeholder:"DIR" help:"Folder for the server's data; it must not exist."`
	Keys        string            `required:"" placeholder:"DIR" help:"Folder for people's keys; it must not exist. Use another disk, and take it offline afterwards."`
	RootKeys    int               `default:"1" placeholder:"N" help:"How many root keys, and as many targets keys, to make: one for each person."`
	Threshold   int               `placeholder:"M" help:"How many of them must sign. Without it: more than half."`
	Sharing     sharingOptions    `embed:""`
	InTokens    initKeys          `embed:""`
	Store       StoreOptions      `embed:""`
	Passphrases PassphraseOptions `embed:""`
}

// Run implements the command.
func (c *initCmd) Run(ctx context.Context, std *IO) error { return runInit(ctx, std, *c) }

type initResult struct {
	Vault     sealift.VaultID `json:"vault"`
	Root      sealift.Digest  `json:"root"`
	Token     string          `json:"tokenFile"`
	RootFile  string          `json:"rootFile"`
	Recovery  string          `json:"recoveryKey"` // path
	Shares    string          `json:"shares,omitempty"`
	RootKeys  int             `json:"rootKeys"`
	Threshold int             `json:"threshold"`
}

func runInit(ctx context.Context, std *IO, opts initCmd) (err error) {
	if opts.Threshold == 0 {
		opts.Threshold = opts.RootKeys/2 + 1
	}
	shares, recovery, err := opts.Sharing.parse()
	if err != nil {
		return err
	}
	if err := opts.InTokens.check(opts.RootKeys); err != nil {
		return err
	}
	tokens, err := opts.InTokens.tokens(std)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tokens.Close()) }()
	if opts.InTokens.Seal != "" && shares != (installation.Sharing{}) {
		return usage("the vault opens with shares or by a token").WithHint("use --shares or --seal")
	}
	keys := &newTokenKeys{Tokens: tokens}
	defer func() {
		if err != nil {
			err = errors.Join(err, keys.undo(ctx))
		}
	}()
	phrases := newPhrases(ctx, std, opts.Passphrases, opts.RootKeys == 1)
	defer phrases.clear()
	if err := opts.Passphrases.Check(opts.passphrases(shares)...); err != nil {
		return err
	}
	founding, err := opts.founding(ctx, std, keys)
	if err != nil {
		return err
	}
	founding.Shares, founding.Recovery, founding.Passphrases = shares, recovery, phrases.get
	founded, err := installation.Found(ctx, founding)
	if err != nil {
		return err
	}
	return printFounded(std, opts, founded, shares, recovery, opts.InTokens.reachFlags(tokens))
}

// passphrases names the keys whose passphrases are asked for.
func (c initCmd) passphrases(shares installation.Sharing) (names []string) {
	if shares == (installation.Sharing{}) && c.InTokens.Seal == "" {
		names = append(names, installation.VaultKey)
	}
	for n := 1; n <= c.RootKeys; n++ {
		if n > len(c.InTokens.People.RootKey) {
			names = append(names, fmt.Sprintf("root-%d", n))
		}
		if n > len(c.InTokens.People.TargetsKey) {
			names = append(names, fmt.Sprintf("targets-%d", n))
		}
	}
	return names
}

// founding is what the flags ask for, but for what opens the vault by hand. It
// makes the key in a token that seals the vault, if one does.
func (c initCmd) founding(ctx context.Context, std *IO, keys *newTokenKeys) (f installation.Founding, err error) {
	f = installation.Founding{
		Data: c.Data, Keys: c.Keys,
		Quorum:   ceremony.Quorum{Keys: c.RootKeys, Threshold: c.Threshold},
		Tokens:   peoplesTokens{ctx, keys},
		InTokens: c.InTokens.inTokens(),
		Options:  installation.Options{Now: std.Now, Tokens: keys},
	}
	if f.Places, err = c.InTokens.People.places(); err != nil {
		return f, err
	}
	if f.Unseal, err = c.InTokens.sealer(ctx, keys); err != nil {
		return f, err
	}
	f.Store, err = c.Store.Read()
	return f, err
}

func printFounded(std *IO, opts initCmd, founded installation.Founded, shares, recovery installation.Sharing, reach string) error {
	if founded.SameDisk {
		std.Warn("%s and %s are on one disk: whoever steals it has both the server and the keys above it\nmove %s to media of its own before you publish to anyone", opts.Keys, opts.Data, opts.Keys)
	}
	token, err := term.ReadSecretFile(founded.Token, "owner's token")
	if err != nil {
		return err
	}
	defer token.Clear()
	result := initResult{founded.Vault, founded.Root, founded.Token, founded.RootFile, founded.Recovery, shares.Dir, opts.RootKeys, opts.Threshold}
	return std.Print(result, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, `vault        %s
root         %s  (%d of %d keys sign; SHA-256 %s)
owner token  %s  (readable by you only)
%s
The owner's token, shown this once:
%s

Next:
  sealift server --data %s%s
`, result.Vault, result.RootFile, result.Threshold, result.RootKeys, result.Root, result.Token, opens(shares, recovery, opts.InTokens.Seal, founded.Recovery), token.Bytes(), opts.Data, reach)
		return err
	})
}

// opens says what opens the new vault, and where that belongs.
func opens(shares, recovery installation.Sharing, seal, key string) (text string) {
	if seal != "" {
		text = "unseal       the token: a server that reaches it opens the vault by itself\n"
	}
	if shares.Dir != "" {
		text = fmt.Sprintf("shares       %s  (%s)\n", shares.Dir, dealt(shares))
	}
	if recovery.Dir != "" {
		return text + fmt.Sprintf("recovery     %s  (if what opens it is lost: %s)\n", recovery.Dir, dealt(recovery))
	}
	return text + fmt.Sprintf("recovery key %s  (opens the vault if %s lost: print it, lock it away, remove the file)\n", key, lost(shares, seal))
}

func lost(shares installation.Sharing, seal string) string {
	if seal != "" {
		return "the token is"
	}
	if shares.Dir != "" {
		return "too many shares are"
	}
	return "its passphrase is"
}

// phrases reads each passphrase once and keeps it until clear.
type phrases struct {
	ctx    context.Context // for prompts; ceremony.Passphrases has no room for one
	std    *IO
	opts   PassphraseOptions
	shared bool // one passphrase may serve every key
	read   map[string]term.Secret
}

func newPhrases(ctx context.Context, std *IO, opts PassphraseOptions, shared bool) *phrases {
	return &phrases{ctx, std, opts, shared, map[string]term.Secret{}}
}

func (p *phrases) clear() {
	for _, secret := range p.read {
		secret.Clear()
	}
}

// get implements ceremony.Passphrases. For a key that is made now a person is
// asked twice, and keys of several people must not share a passphrase.
func (p *phrases) get(name string, isNew bool) ([]byte, error) {
	if secret, ok := p.read[name]; ok {
		return secret.Bytes(), nil
	}
	secret, err := p.opts.Read(p.ctx, p.std, PassphraseUse{Key: name, New: isNew, Shared: p.shared || name == installation.VaultKey})
	if err != nil {
		return nil, err
	}
	p.read[name] = secret
	if n := len(secret.Bytes()); isNew && n < sealift.MinPassphrase {
		return nil, sealift.Errorf(sealift.KindInvalid, "reading passphrase of "+name, "it has %d bytes, at least %d are needed", n, sealift.MinPassphrase).
			WithReason("passphrase").WithHint("use five random words or more")
	}
	for other, before := range p.read {
		if other != name && isNew && !p.shared && bytes.Equal(before.Bytes(), secret.Bytes()) {
			return nil, sealift.Errorf(sealift.KindInvalid, "reading passphrase of "+name, "it is that of %s too", other).
				WithReason("shared-passphrase").WithHint("give each key a passphrase of its own, known to one person; one for all of them makes the quorum theatre")
		}
	}
	return secret.Bytes(), nil
}
