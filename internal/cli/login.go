package cli

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/internal/term"
)

// ServerOptions is the flag of a command that needs a server and no token: embed
// it.
type ServerOptions struct {
	Server string `name:"server" placeholder:"URL" help:"Base URL of the server. Without it: $$SEALIFT_SERVER."`
}

// open is APIOptions.Open for requests without a token.
func (o ServerOptions) open(std *IO) (*API, *apiclient.Client, error) {
	server, err := APIOptions{Server: o.Server}.OpenUnsigned(std)
	if err != nil {
		return nil, nil, err
	}
	c, err := apiclient.New(server.Base.String(), server)
	return server, c, err
}

// proofOptions are the flags of a command that asks for a password and a code.
type proofOptions struct {
	PasswordFile string `placeholder:"FILE" help:"File with your password, readable by you only. Without it: a prompt."`
	CodeFile     string `placeholder:"FILE" help:"File or pipe with the code of your authenticator app. Without it: a prompt."`
}

func (o proofOptions) password(ctx context.Context, std *IO, isNew bool) (term.Secret, error) {
	if isNew && o.PasswordFile == "" && term.IsTerminal(std.In) {
		return term.PromptNew(ctx, std.In, std.Err, "new password: ")
	}
	return readOrAsk(ctx, std, o.PasswordFile, "password", "--password-file")
}

func (o proofOptions) code(ctx context.Context, std *IO) (term.Secret, error) {
	return readOrAsk(ctx, std, o.CodeFile, "code", "--code-file")
}

// readOrAsk returns a secret from the file that a flag names, else from a prompt.
func readOrAsk(ctx context.Context, std *IO, path, what, flag string) (term.Secret, error) {
	if path != "" {
		return term.ReadSecretFile(path, what)
	}
	if !term.IsTerminal(std.In) {
		return term.Secret{}, sealift.Errorf(sealift.KindInvalid, "reading the "+what, "none was given, and there is no terminal to ask on").
			WithReason("no-terminal").WithHint("name its file: %s FILE", flag)
	}
	return term.Prompt(ctx, std.In, std.Err, what+": ")
}

type loginCmd struct {
	Login            string        `arg:"" optional:"" help:"Your login, an e-mail address."`
	RecoveryCode     bool          `help:"Ask for a recovery code in place of your authenticator's: the phone is lost."`
	RecoveryCodeFile string        `placeholder:"FILE" help:"File with the recovery code."`
	Browser          bool          `help:"Confirm it in a browser, with a passkey: print the page's address and a code, and wait. Also with --step-up."`
	StepUp           bool          `help:"Prove again who you are, in the session that you have: for what wants a fresh proof."`
	Proof            proofOptions  `embed:""`
	Server           ServerOptions `embed:""`
}

// Run implements the command.
func (c *loginCmd) Run(ctx context.Context, std *IO) error { return runLogin(ctx, std, *c) }

func runLogin(ctx context.Context, std *IO, opts loginCmd) error {
	if opts.StepUp {
		return runStepUp(ctx, std, opts)
	}
	if opts.Browser {
		return runBrowserLogin(ctx, std, opts)
	}
	if opts.Login == "" {
		return usage("no login was given").WithHint("use: sealift login alice@example.com")
	}
	if _, err := access.ParseLogin(opts.Login); err != nil {
		return err // before anything is typed in vain
	}
	server, c, err := opts.Server.open(std)
	if err != nil {
		return err
	}
	path, err := sessionFile(server.Base)
	if err != nil {
		return err
	}
	with, err := opts.read(ctx, std)
	if err != nil {
		return err
	}
	in, err := c.SignIn(ctx, with)
	if err != nil {
		return err
	}
	if err := writeSession(path, in.Secret); err != nil {
		return err
	}
	if opts.RecoveryCode || opts.RecoveryCodeFile != "" {
		std.Warn("%d recovery codes are left\nexchange your authenticator app with: sealift account totp", in.RecoveryCodesLeft)
	}
	return std.Print(map[string]any{"session": in.Session, "file": path}, Println("%s", signedIn(opts.Login, in.Session)))
}

func (c loginCmd) read(ctx context.Context, std *IO) (with api.SignIn, err error) {
	with.Login = c.Login
	password, err := c.Proof.password(ctx, std, false)
	if err != nil {
		return with, err
	}
	defer password.Clear()
	with.Password = string(password.Bytes())
	if c.RecoveryCode || c.RecoveryCodeFile != "" {
		code, err := readOrAsk(ctx, std, c.RecoveryCodeFile, "recovery code", "--recovery-code-file")
		if err != nil {
			return with, err
		}
		defer code.Clear()
		with.RecoveryCode = string(code.Bytes())
		return with, nil
	}
	code, err := c.Proof.code(ctx, std)
	if err != nil {
		return with, err
	}
	defer code.Clear()
	with.Code = string(code.Bytes())
	return with, nil
}

// pollPause is how long the terminal waits between asking whether somebody has
// confirmed the sign-in.
const pollPause = 2 * time.Second

func runBrowserLogin(ctx context.Context, std *IO, opts loginCmd) error {
	server, c, err := opts.Server.open(std)
	if err != nil {
		return err
	}
	path, err := sessionFile(server.Base)
	if err != nil {
		return err
	}
	request, err := c.BeginSignInRequest(ctx)
	if err != nil {
		return err
	}
	tellOfPage(std, request.URL, request.Code)
	for {
		in, err := c.PollSignInRequest(ctx, request.Secret)
		if err == nil {
			if err := writeSession(path, in.Secret); err != nil {
				return err
			}
			return std.Print(map[string]any{"session": in.Session, "file": path}, Println("signed in until %s, or an hour of not using it", in.Session.Expires.UTC().Format("15:04Z")))
		}
		if sealift.ReasonOf(err) != "pending" {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollPause):
		}
	}
}

func signedIn(login string, s api.Session) string {
	return "signed in as " + login + " until " + s.Expires.UTC().Format("15:04Z") + ", or an hour of not using it"
}

func runStepUp(ctx context.Context, std *IO, opts loginCmd) error {
	c, err := APIOptions{Server: opts.Server.Server}.client(std)
	if err != nil {
		return err
	}
	s, err := stepUp(ctx, std, c, opts)
	if err != nil {
		return err
	}
	until := s.Proven.Add(sealift.StepUpAge)
	return std.Print(map[string]any{"session": s}, Println("proven; good until %s", until.UTC().Format("15:04:05Z")))
}

func stepUp(ctx context.Context, std *IO, c *apiclient.Client, opts loginCmd) (api.Session, error) {
	if opts.Browser {
		return proveInBrowser(ctx, std, c, "sealift login --step-up")
	}
	code, err := opts.Proof.code(ctx, std)
	if err != nil {
		return api.Session{}, err
	}
	defer code.Clear()
	return c.StepUp(ctx, string(code.Bytes()))
}

type logoutCmd struct {
	Server ServerOptions `embed:""`
}

// Run implements the command.
func (c *logoutCmd) Run(ctx context.Context, std *IO) error { return runLogout(ctx, std, *c) }

func runLogout(ctx context.Context, std *IO, opts logoutCmd) error {
	base, err := APIOptions{Server: opts.Server.Server}.base(std)
	if err != nil {
		return err
	}
	path, err := sessionFile(base)
	if err != nil {
		return err
	}
	token, err := term.ReadSecretFile(path, "session")
	if sealift.KindOf(err) == sealift.KindNotFound {
		return std.Print(map[string]any{"ended": ""}, Println("there is no session of %s", base.Host))
	}
	if err != nil {
		return err
	}
	defer token.Clear()
	c, err := apiclient.New(base.String(), newAPI(std, base, token))
	if err != nil {
		return err
	}
	account, err := c.Account(ctx)
	if err == nil {
		err = c.EndSession(ctx, account.Session.ID)
	}
	// One that is over already has ended; any other failure leaves the file, with
	// which it can be tried again.
	if err != nil && sealift.KindOf(err) != sealift.KindDenied && sealift.KindOf(err) != sealift.KindNotFound {
		return err
	}
	if err := os.Remove(path); err != nil {
		return sealift.Errorf(sealift.KindInternal, "signing out", "%w", err)
	}
	return std.Print(map[string]any{"ended": account.Session.ID}, Println("signed out of %s", base.Host))
}

// sessionFile is where the session with the server at base is kept: one file a
// server, under the user's configuration folder.
func sessionFile(base *url.URL) (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", sealift.Errorf(sealift.KindInvalid, "finding the configuration folder", "%w", err).WithHint("set HOME or XDG_CONFIG_HOME")
	}
	plain := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '_'
	}
	return filepath.Join(dir, "sealift", "sessions", strings.Map(plain, base.Scheme+"_"+base.Host+base.Path)), nil
}

// writeSession keeps a session's token, in place of any before.
func writeSession(path, token string) (err error) {
	const op = "keeping the session"
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return sealift.Errorf(sealift.KindInvalid, op, "%w", err).WithHint("let yourself write to %s", filepath.Dir(dir))
	}
	f, err := os.CreateTemp(dir, ".new-") // 0600
	if err != nil {
		return sealift.Errorf(sealift.KindInvalid, op, "%w", err).WithHint("let yourself write to %s", dir)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.WriteString(token + "\n")
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return sealift.Errorf(sealift.KindExhausted, op, "%w", err)
	}
	return nil
}

// readSession returns the token of the session with the server at base; ok is
// false where there is none.
func readSession(base *url.URL) (token term.Secret, ok bool, err error) {
	path, err := sessionFile(base)
	if err != nil {
		return term.Secret{}, false, nil // who has no such folder has signed in nowhere
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return term.Secret{}, false, nil
	}
	token, err = term.ReadSecretFile(path, "session")
	return token, err == nil, err
}

type sessionCmd struct {
	List   sessionListCmd   `cmd:"" help:"List your sessions, or another person's."`
	Revoke sessionRevokeCmd `cmd:"" help:"End a session at once."`
}

type sessionListCmd struct {
	Person string     `placeholder:"PERSON" help:"Those of this person, by id or login; for who may manage people. Without it: yours."`
	API    APIOptions `embed:""`
}

// Run implements the command.
func (c *sessionListCmd) Run(ctx context.Context, std *IO) error { return runSessionList(ctx, std, *c) }

func runSessionList(ctx context.Context, std *IO, opts sessionListCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	if opts.Person != "" {
		person, err := findPerson(ctx, c, opts.Person)
		if err != nil {
			return err
		}
		opts.Person = person.ID
	}
	sessions, err := c.Sessions(ctx, opts.Person)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, s := range sessions {
		mark := ""
		if s.Present {
			mark = "this one"
		}
		rows = append(rows, []string{s.ID, strings.Join(s.AMR, " "), s.Address, s.Created.UTC().Format(minute), s.Seen.UTC().Format(minute), s.Expires.UTC().Format(minute), s.Label, mark})
	}
	return std.Print(map[string]any{"sessions": sessions}, Table([]string{"SESSION", "BY", "FROM", "SINCE", "LAST USED", "UNTIL", "PROGRAM", ""}, rows))
}

// minute is how times are shown that are of today.
const minute = "2006-01-02 15:04Z"

type sessionRevokeCmd struct {
	Session string     `arg:"" help:"Its id, as sealift session list shows it."`
	API     APIOptions `embed:""`
}

// Run implements the command.
func (c *sessionRevokeCmd) Run(ctx context.Context, std *IO) error {
	return runSessionRevoke(ctx, std, *c)
}

func runSessionRevoke(ctx context.Context, std *IO, opts sessionRevokeCmd) error {
	if len(opts.Session) > 16 { // it may be a secret: say nothing of it, and send it nowhere
		return usage("that is no id of a session").WithHint("an id has 16 hex digits: see sealift session list")
	}
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	if err := c.EndSession(ctx, opts.Session); err != nil {
		return err
	}
	return std.Print(map[string]any{"ended": opts.Session}, Println("ended %s", opts.Session))
}
