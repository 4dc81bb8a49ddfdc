package cli_test

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
)

// cmdAccept accepts the invitation in FILE as somebody in front of a terminal
// would: it writes NAME.totp, the secret of their authenticator app, and
// NAME.codes, their recovery codes; and keeps the session as sealift does.
func cmdAccept(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: accept FILE NAME")
	}
	base := ts.Getenv("SEALIFT_SERVER")
	c, err := apiclient.New(base, http.DefaultClient)
	ts.Check(err)
	invitation := strings.TrimSpace(ts.ReadFile(args[0]))
	begun, err := c.BeginAcceptance(context.Background(), invitation)
	ts.Check(err)
	done, err := c.AcceptInvitation(context.Background(), api.AcceptInvitation{
		Invitation: invitation, Ceremony: begun.TOTP.Ceremony, Name: args[1], Password: passphrase, Code: codeOf(ts, begun.TOTP.Secret, -1),
	})
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]+".totp"), []byte(begun.TOTP.Secret), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]+".codes"), []byte(strings.Join(done.RecoveryCodes, "\n")), 0o600))
	u, err := url.Parse(base)
	ts.Check(err)
	dir := filepath.Join(ts.Getenv("HOME"), ".config", "sealift", "sessions")
	ts.Check(os.MkdirAll(dir, 0o700))
	ts.Check(os.WriteFile(filepath.Join(dir, "http_"+strings.ReplaceAll(u.Host, ":", "_")), []byte(done.Secret+"\n"), 0o600))
}

// cmdCode writes the code that NAME's app shows STEPS codes from now to the file
// code. A code serves once, and the server takes those from -1 to 1.
func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: code NAME STEPS")
	}
	steps, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("code"), []byte(codeOf(ts, ts.ReadFile(args[0]+".totp"), steps)), 0o600))
}

func codeOf(ts *testscript.TestScript, secret string, steps int) string {
	code, err := totp.GenerateCodeCustom(secret, time.Now().Add(time.Duration(steps)*30*time.Second), totp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	ts.Check(err)
	return code
}

var shownCode = regexp.MustCompile(`[A-Z2-7]{4}-[A-Z2-7]{4}`)

// cmdConfirm does what a person does in a browser where a terminal, whose stderr
// is in FILE, shows a code: confirms it, with the session under HOME.
func cmdConfirm(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: confirm FILE")
	}
	base := ts.Getenv("SEALIFT_SERVER")
	sessions, err := filepath.Glob(filepath.Join(ts.Getenv("HOME"), ".config", "sealift", "sessions", "*"))
	ts.Check(err)
	c, err := apiclient.New(base, bearing(strings.TrimSpace(ts.ReadFile(sessions[0]))))
	ts.Check(err)
	for range 6000 { // a minute: the machine may be busy
		said, err := os.ReadFile(ts.MkAbs(args[0]))
		if code := shownCode.Find(said); err == nil && code != nil {
			ts.Check(c.ConfirmSignInRequest(context.Background(), string(code)))
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("no code was shown")
}

// bearing is a Doer that bears a token.
type bearing string

func (b bearing) Do(req *http.Request) (*http.Response, error) {
	req.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultClient.Do(req)
}
