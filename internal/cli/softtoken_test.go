package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sealift/sealift/internal/pkcs11"
	"github.com/sealift/sealift/internal/pkcs11/pkcs11test"
)

// cmdSoftToken makes a token, beside those that the script has.
func (f *fixtures) cmdSoftToken(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: softtoken NAME")
	}
	dir, config := ts.MkAbs(args[0]+".token"), ts.MkAbs("softhsm2.conf")
	tokens := ts.MkAbs("tokens")
	ts.Check(os.MkdirAll(tokens, 0o700))
	ts.Check(os.MkdirAll(dir, 0o700))
	ts.Check(os.WriteFile(filepath.Join(dir, "pin"), []byte(pkcs11test.PIN+"\n"), 0o600))
	ts.Check(os.WriteFile(config, []byte("directories.tokendir = "+tokens+"\nobjectstore.backend = file\nlog.level = ERROR\n"), 0o600))
	ts.Setenv("SOFTHSM2_CONF", config)
	cmd := exec.Command("softhsm2-util", "--init-token", "--free", "--label", args[0], "--so-pin", "19581003", "--pin", pkcs11test.PIN)
	cmd.Env = append(os.Environ(), "SOFTHSM2_CONF="+config)
	if out, err := cmd.CombinedOutput(); err != nil {
		ts.Fatalf("softhsm2-util: %v\n%s", err, out)
	}
	ts.Setenv("REACH", pkcs11.URI{Token: args[0], ModulePath: f.module, PINSource: filepath.Join(dir, "pin")}.String())
	ts.Setenv("MODULE", f.module)
}
