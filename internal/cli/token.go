package cli

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/installation"
	"github.com/sealift/sealift/internal/vault"
)

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make an access token for a service, such as a CI job."`
	List   tokenListCmd   `cmd:"" help:"List access tokens, without their secrets."`
	Revoke tokenRevokeCmd `cmd:"" help:"End an access token at once."`
	Owner  tokenOwnerCmd  `cmd:"" help:"Make an owner's token for a day, with what opens the vault, on the server's machine."`
}

type tokenCreateCmd struct {
	Role    string        `required:"" placeholder:"ROLE" help:"What it may do: owner, security_officer, release_manager, developer, auditor or operator."`
	Action  []string      `placeholder:"ACTION" help:"The only action of the role's that it is good for, such as release.publish. May be repeated. Without it: all."`
	App     string        `placeholder:"ID" help:"The only app that it is good for. Without it: all."`
	Expires time.Duration `default:"2160h" placeholder:"DURATION" help:"How long it is good for, at most 8784h."`
	Label   string        `placeholder:"TEXT" help:"What it is for, in your words."`
	Out     string        `required:"" placeholder:"FILE" help:"Write it there; its secret is shown nowhere else. The file must not exist."`
	API     APIOptions    `embed:""`
}

// Run implements the command.
func (c *tokenCreateCmd) Run(ctx context.Context, std *IO) error { return runTokenCreate(ctx, std, *c) }

func runTokenCreate(ctx context.Context, std *IO, opts tokenCreateCmd) (err error) {
	want := api.NewToken{Role: api.Role(opts.Role), App: opts.App, Actions: opts.Action, Label: opts.Label, ExpiresIn: int64(opts.Expires / time.Second)}
	if opts.Expires < time.Second { // the API takes 0 seconds for its own default
		return sealift.Errorf(sealift.KindInvalid, "reading --expires", "%s is too short", opts.Expires).WithHint("use a minute or more, such as 2160h")
	}
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	// The file first: a token that cannot be kept should not be made.
	out, err := newSecretFile(opts.Out)
	if err != nil {
		return err
	}
	defer func() { err = closeSecretFile(out, err) }()
	made, err := c.CreateToken(ctx, want)
	if err != nil {
		return err
	}
	_, err = out.WriteString(made.Secret + "\n")
	if err == nil {
		err = out.Sync()
	}
	if err != nil { // it exists, and nobody has it
		err = errors.Join(err, c.RevokeToken(context.WithoutCancel(ctx), made.Token.ID))
		return sealift.Errorf(sealift.KindExhausted, "writing the access token", "%w", err)
	}
	return std.Print(map[string]any{"file": opts.Out, "token": made.Token},
		Println("token %s for %s in %s, good until %s", made.Token.ID, scopeOf(made.Token), opts.Out, expiryOf(made.Token)))
}

func scopeOf(t api.Token) string {
	scope := appOr(t.App)
	if len(t.Actions) > 0 {
		scope += ": " + strings.Join(t.Actions, " ")
	}
	return scope
}

func expiryOf(t api.Token) string {
	if t.Expires == nil {
		return "for ever"
	}
	return t.Expires.UTC().Format("2006-01-02 15:04Z")
}

type tokenListCmd struct {
	API APIOptions `embed:""`
}

// Run implements the command.
func (c *tokenListCmd) Run(ctx context.Context, std *IO) error { return runTokenList(ctx, std, *c) }

func runTokenList(ctx context.Context, std *IO, opts tokenListCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	tokens, err := c.Tokens(ctx)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, t := range tokens {
		rows = append(rows, []string{t.ID, string(t.Role), scopeOf(t), stateOf(t, std.Now()), expiryOf(t), t.Creator, t.Label})
		if t.Forged {
			std.Warn("token %s was not written by the vault: somebody changed the database", t.ID)
		}
	}
	return std.Print(map[string]any{"tokens": tokens}, Table([]string{"TOKEN", "ROLE", "FOR", "STATE", "UNTIL", "MADE BY", "LABEL"}, rows))
}

func stateOf(t api.Token, now time.Time) string {
	switch {
	case t.Forged:
		return "forged"
	case t.Revoked:
		return "revoked"
	case t.Expires != nil && !now.Before(*t.Expires):
		return "expired"
	}
	return "active"
}

type tokenRevokeCmd struct {
	Token string     `arg:"" help:"Its id, as sealift token list shows it. Never the token itself."`
	API   APIOptions `embed:""`
}

// Run implements the command.
func (c *tokenRevokeCmd) Run(ctx context.Context, std *IO) error { return runTokenRevoke(ctx, std, *c) }

func runTokenRevoke(ctx context.Context, std *IO, opts tokenRevokeCmd) error {
	if len(opts.Token) > 16 { // it may be a secret: say nothing of it, and send it nowhere
		return usage("that is no id of a token").WithHint("an id has 16 hex digits: see sealift token list")
	}
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	if err := c.RevokeToken(ctx, opts.Token); err != nil {
		return err
	}
	return std.Print(map[string]any{"revoked": opts.Token}, Println("revoked %s", opts.Token))
}

type tokenOwnerCmd struct {
	Out     string         `required:"" placeholder:"FILE" help:"Write the token there. The file must not exist."`
	Opening openingOptions `embed:""`
}

// Run implements the command.
func (c *tokenOwnerCmd) Run(ctx context.Context, std *IO) error { return runTokenOwner(ctx, std, *c) }

func runTokenOwner(ctx context.Context, std *IO, opts tokenOwnerCmd) (err error) {
	if err := opts.Opening.Passphrases.Check(installation.VaultKey); err != nil {
		return err
	}
	if err := vault.HardenProcess(); err != nil {
		return err
	}
	with, done, err := opts.Opening.open(ctx, std)
	if err != nil {
		return err
	}
	defer done()
	out, err := newSecretFile(opts.Out)
	if err != nil {
		return err
	}
	defer func() { err = closeSecretFile(out, err) }()
	token, err := installation.RecoverOwner(ctx, opts.Opening.Data, with, localActor(), std.Now)
	if err != nil {
		return err
	}
	_, err = out.WriteString(token.Reveal() + "\n")
	if err = errors.Join(err, out.Sync()); err != nil {
		return sealift.Errorf(sealift.KindExhausted, "writing the access token", "%w; revoke token %s, which nobody has", err, token.ID())
	}
	return std.Print(map[string]any{"file": opts.Out, "id": token.ID()},
		Println("token %s of an owner, for all apps and %s, in %s\nhelp an owner with a name with it: sealift user reset-mfa LOGIN, or sealift user invite LOGIN --role owner", token.ID(), sealift.OwnerTokenLife, opts.Out))
}
