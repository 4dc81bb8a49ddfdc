package cli

import (
	"context"
	"errors"
	"strconv"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/pkcs11"
)

type pkcs11Cmd struct {
	Tokens  pkcs11TokensCmd  `cmd:"" help:"List the tokens that a PKCS#11 module finds."`
	Keys    pkcs11KeysCmd    `cmd:"" help:"List the keys in a token, and whether they can leave it."`
	Destroy pkcs11DestroyCmd `cmd:"" help:"Destroy a key in a token. There is no way back."`
}

type pkcs11TokensCmd struct {
	Reach PKCS11Options `embed:""`
}

// Run implements the command.
func (c *pkcs11TokensCmd) Run(ctx context.Context, std *IO) error {
	return runPKCS11Tokens(ctx, std, *c)
}

func runPKCS11Tokens(ctx context.Context, std *IO, opts pkcs11TokensCmd) (err error) {
	tokens, err := opts.Reach.named(std)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tokens.Close()) }()
	list, err := tokens.List(ctx)
	if err != nil {
		return err
	}
	if list == nil {
		list = []pkcs11.TokenInfo{}
	}
	var rows [][]string
	for _, t := range list {
		state := "ready"
		if !t.Ready {
			state = "not set up"
		}
		rows = append(rows, []string{strconv.FormatUint(t.Slot, 10), t.URI, state, t.PIN})
	}
	return std.Print(map[string]any{"tokens": list}, Table([]string{"SLOT", "TOKEN", "STATE", "PIN"}, rows))
}

type pkcs11KeysCmd struct {
	Key   string        `arg:"" optional:"" name:"uri" help:"Only keys that this URI matches, such as 'pkcs11:token=NAME;object=LABEL'."`
	Reach PKCS11Options `embed:""`
}

// Run implements the command.
func (c *pkcs11KeysCmd) Run(ctx context.Context, std *IO) error { return runPKCS11Keys(ctx, std, *c) }

func runPKCS11Keys(ctx context.Context, std *IO, opts pkcs11KeysCmd) (err error) {
	if opts.Key == "" {
		opts.Key = "pkcs11:"
	}
	tokens, err := opts.Reach.named(std, opts.Key)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tokens.Close()) }()
	keys, err := tokens.Keys(ctx, opts.Key)
	if err != nil {
		return err
	}
	if keys == nil {
		keys = []pkcs11.Key{}
	}
	var rows [][]string
	for _, k := range keys {
		kept, public := "can leave the token", "-"
		if k.Kept() {
			kept = "never leaves it"
		}
		if len(k.Public) > 0 {
			public = sealift.DigestOf(k.Public).String()[:12]
		}
		algorithm := string(k.Algorithm)
		if algorithm == "" {
			algorithm = "(other)"
		}
		rows = append(rows, []string{k.URI, algorithm, kept, public})
	}
	return std.Print(map[string]any{"keys": keys}, Table([]string{"KEY", "ALGORITHM", "PRIVATE HALF", "PUBLIC"}, rows))
}

type pkcs11DestroyCmd struct {
	Key   string        `arg:"" name:"uri" help:"The key as sealift pkcs11 keys prints it, in quotes. It must name the id."`
	Reach PKCS11Options `embed:""`
}

// Run implements the command.
func (c *pkcs11DestroyCmd) Run(ctx context.Context, std *IO) error {
	return runPKCS11Destroy(ctx, std, *c)
}

func runPKCS11Destroy(ctx context.Context, std *IO, opts pkcs11DestroyCmd) (err error) {
	key, err := pkcs11.ParseURI(opts.Key)
	if err != nil {
		return err
	}
	if len(key.ID) == 0 || key.Object == "" {
		return usage("%s may name another key than is meant", key.Names()).WithHint("name object and id, as sealift pkcs11 keys prints them")
	}
	tokens, err := opts.Reach.named(std, opts.Key)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tokens.Close()) }()
	if err := tokens.Destroy(ctx, opts.Key); err != nil {
		return err
	}
	return std.Print(map[string]any{"destroyed": key.Names().String()}, Println("destroyed %s", key.Names()))
}
