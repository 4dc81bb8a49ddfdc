package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/boombuler/barcode/qr"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/term"
)

type accountCmd struct {
	Show          accountShowCmd     `cmd:"" help:"Say who you are here, and how you have signed in."`
	Password      accountPasswordCmd `cmd:"" help:"Exchange your password. Your other sessions end."`
	TOTP          accountTOTPCmd     `cmd:"" name:"totp" help:"Exchange your authenticator app."`
	Passkey       accountPasskeyCmd  `cmd:"" help:"Say where to register a passkey, list yours, or end one."`
	RecoveryCodes accountCodesCmd    `cmd:"" help:"Exchange your recovery codes."`
}

type accountShowCmd struct {
	API APIOptions `embed:""`
}

// Run implements the command.
func (c *accountShowCmd) Run(ctx context.Context, std *IO) error { return runAccountShow(ctx, std, *c) }

func runAccountShow(ctx context.Context, std *IO, opts accountShowCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	a, err := c.Account(ctx)
	if err != nil {
		return err
	}
	rows := append(personFields(a.Person), []string{"recovery codes left", strconv.Itoa(a.RecoveryCodesLeft)},
		[]string{"session", a.Session.ID}, []string{"proven", a.Session.Proven.UTC().Format(minute)}, []string{"until", a.Session.Expires.UTC().Format(minute)})
	return std.Print(a, Table([]string{"FIELD", "VALUE"}, rows))
}

type accountPasswordCmd struct {
	PasswordFile string     `placeholder:"FILE" help:"File with the password that you choose. Without it: a prompt."`
	API          APIOptions `embed:""`
}

// Run implements the command.
func (c *accountPasswordCmd) Run(ctx context.Context, std *IO) error {
	return runAccountPassword(ctx, std, *c)
}

func runAccountPassword(ctx context.Context, std *IO, opts accountPasswordCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	password, err := proofOptions{PasswordFile: opts.PasswordFile}.password(ctx, std, true)
	if err != nil {
		return err
	}
	defer password.Clear()
	if err := c.SetPassword(ctx, string(password.Bytes())); err != nil {
		return err
	}
	return std.Print(map[string]any{"ok": true}, Println("exchanged; your other sessions have ended"))
}

type accountPasskeyCmd struct {
	Remove string     `placeholder:"ID" help:"End this one."`
	API    APIOptions `embed:""`
}

// Run implements the command.
func (c *accountPasskeyCmd) Run(ctx context.Context, std *IO) error {
	return runAccountPasskey(ctx, std, *c)
}

func runAccountPasskey(ctx context.Context, std *IO, opts accountPasskeyCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	if opts.Remove != "" {
		if err := c.RemovePasskey(ctx, opts.Remove); err != nil {
			return err
		}
		return std.Print(map[string]any{"removed": opts.Remove}, Println("removed %s", opts.Remove))
	}
	passkeys, err := c.Passkeys(ctx)
	if err != nil {
		return err
	}
	std.Note("register one in a browser, on the page /people/ of the server")
	var rows [][]string
	for _, p := range passkeys {
		used := "never"
		if p.Used != nil {
			used = p.Used.UTC().Format(minute)
		}
		rows = append(rows, []string{p.ID, p.Label, p.Created.UTC().Format(minute), used})
	}
	return std.Print(map[string]any{"passkeys": passkeys}, Table([]string{"PASSKEY", "LABEL", "SINCE", "LAST USED"}, rows))
}

type accountTOTPCmd struct {
	API APIOptions `embed:""`
}

// Run implements the command.
func (c *accountTOTPCmd) Run(ctx context.Context, std *IO) error { return runAccountTOTP(ctx, std, *c) }

func runAccountTOTP(ctx context.Context, std *IO, opts accountTOTPCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	t, err := c.BeginTOTP(ctx)
	if err != nil {
		return err
	}
	_, err = proveTOTP(ctx, std, t, func(code string) (struct{}, error) {
		return struct{}{}, c.FinishTOTP(ctx, api.TOTPProof{Ceremony: t.Ceremony, Code: code})
	})
	if err != nil {
		return err
	}
	return std.Print(map[string]any{"ok": true}, Println("exchanged; the app of before is good for nothing now"))
}

// codeTries is how often a mistyped code may be typed again.
const codeTries = 3

// proveTOTP shows a secret for an authenticator app, and has the code that the
// app shows from it proven. It needs a terminal: what is shown is a secret, and
// the code comes after it.
func proveTOTP[T any](ctx context.Context, std *IO, t api.TOTP, prove func(code string) (T, error)) (done T, err error) {
	if !term.IsTerminal(std.In) || !term.IsTerminal(std.Err) {
		return done, sealift.Errorf(sealift.KindInvalid, "showing the secret for an authenticator app", "there is no terminal to show it on").
			WithReason("no-terminal").WithHint("run this in a terminal")
	}
	if err := showQR(std.Err, t.URI); err != nil {
		return done, err
	}
	fmt.Fprintf(std.Err, "Scan this with an authenticator app, or type in: %s\n", strings.Join(groupsOf(t.Secret, 4), " "))
	for try := 1; ; try++ {
		code, err := term.Prompt(ctx, std.In, std.Err, "code that the app shows: ")
		if err != nil {
			return done, err
		}
		done, err = prove(string(code.Bytes()))
		code.Clear()
		if sealift.ReasonOf(err) != "code" || try == codeTries {
			return done, err
		}
		std.Note("that is not the code; try the next one")
	}
}

// showQR draws text as a QR code of half blocks, two modules a character, light
// on a dark terminal. Readers take it inverted as well.
func showQR(w io.Writer, text string) error {
	code, err := qr.Encode(text, qr.L, qr.Auto)
	if err != nil {
		return sealift.Errorf(sealift.KindInternal, "drawing a QR code", "%w", err)
	}
	size, quiet := code.Bounds().Dx(), 2
	light := func(x, y int) bool {
		if x < 0 || y < 0 || x >= size || y >= size {
			return true
		}
		r, _, _, _ := code.At(x, y).RGBA()
		return r != 0
	}
	var b strings.Builder
	for y := -quiet; y < size+quiet; y += 2 {
		for x := -quiet; x < size+quiet; x++ {
			switch top, bottom := light(x, y), light(x, y+1); {
			case top && bottom:
				b.WriteString("█")
			case top:
				b.WriteString("▀")
			case bottom:
				b.WriteString("▄")
			default:
				b.WriteString(" ")
			}
		}
		b.WriteString("\n")
	}
	_, err = io.WriteString(w, b.String())
	return err
}

func groupsOf(s string, n int) (groups []string) {
	for ; len(s) > n; s = s[n:] {
		groups = append(groups, s[:n])
	}
	return append(groups, s)
}

type accountCodesCmd struct {
	API APIOptions `embed:""`
}

// Run implements the command.
func (c *accountCodesCmd) Run(ctx context.Context, std *IO) error {
	return runAccountCodes(ctx, std, *c)
}

func runAccountCodes(ctx context.Context, std *IO, opts accountCodesCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	codes, err := c.NewRecoveryCodes(ctx)
	if err != nil {
		return err
	}
	return std.Print(map[string]any{"recoveryCodes": codes}, Println("%s", strings.TrimSuffix(codesText(codes), "\n")))
}

func codesText(codes []string) string {
	return "Recovery codes, shown this once. Each stands in for a code of your app, once; print them:\n  " + strings.Join(codes, "\n  ") + "\n"
}
