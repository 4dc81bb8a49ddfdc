package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
)

type enrolCmd struct {
	Token enrolTokenCmd `cmd:"" help:"Make a token with which devices enrol."`
}

type enrolTokenCmd struct {
	App     string        `required:"" placeholder:"ID" help:"The app that devices may enrol for."`
	Out     string        `required:"" placeholder:"FILE" help:"File to write the token to, which must not exist. The secret is shown nowhere else."`
	Uses    int           `default:"0" placeholder:"N" help:"How many devices may enrol with it; 0 for any number."`
	Expires time.Duration `default:"720h" placeholder:"DURATION" help:"How long it is good for."`
	Label   string        `placeholder:"TEXT" help:"What it is for, in your words."`
	API     APIOptions    `embed:""`
}

// Run implements the command.
func (c *enrolTokenCmd) Run(ctx context.Context, std *IO) error { return runEnrolToken(ctx, std, *c) }

func runEnrolToken(ctx context.Context, std *IO, opts enrolTokenCmd) (err error) {
	app, err := sealift.ParseAppID(opts.App)
	if err != nil {
		return err
	}
	if opts.Expires < time.Second { // the API takes 0 seconds for its own default
		return sealift.Errorf(sealift.KindInvalid, "reading --expires", "%s is too short", opts.Expires).WithHint("use a minute or more, such as 720h")
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
	token, expires, err := c.CreateEnrolmentToken(ctx, app, api.NewEnrolmentToken{
		ExpiresIn: int64(opts.Expires / time.Second), Uses: opts.Uses, Label: opts.Label,
	})
	if err != nil {
		return err
	}
	if _, err := out.WriteString(token.Reveal() + "\n"); err != nil {
		return sealift.Errorf(sealift.KindExhausted, "writing the enrolment token", "%w", err)
	}
	if err := out.Sync(); err != nil {
		return sealift.Errorf(sealift.KindExhausted, "writing the enrolment token", "%w", err)
	}
	return std.Print(map[string]any{"id": token.ID(), "file": opts.Out, "expires": expires},
		Println("enrolment token %s in %s, good until %s", token.ID(), opts.Out, expires.Format(time.DateTime)))
}

// closeSecretFile closes what newSecretFile made, and removes it where err, to
// which the command came, says that the secret in it is good for nothing.
func closeSecretFile(f *os.File, err error) error {
	if err = errors.Join(err, f.Close()); err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

// newSecretFile makes a file that only its owner may read.
func newSecretFile(path string) (*os.File, error) {
	const op = "making a file for a secret"
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, sealift.Errorf(sealift.KindConflict, op, "%s exists already", path).WithHint("choose another --out; no secret is overwritten")
	case err != nil:
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%w", err).WithHint("choose an --out in a folder that you may write to")
	}
	return f, nil
}
