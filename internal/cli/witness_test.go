package cli_test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/mod/sumdb/note"

	"github.com/sealift/sealift/sealifttest"
)

func cmdWitness(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: witness NAME LOGKEYS FILE")
	}
	var keys []note.Verifier
	for _, text := range strings.Fields(ts.ReadFile(args[1])) {
		key, err := note.NewVerifier(text)
		ts.Check(err)
		keys = append(keys, key)
	}
	w, err := sealifttest.NewWitness(args[0], time.Now, keys[0].Name(), note.VerifierList(keys...))
	ts.Check(err)
	server := httptest.NewServer(w)
	ts.Defer(server.Close)
	f, err := os.OpenFile(ts.MkAbs(args[2]), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	ts.Check(err)
	_, err = fmt.Fprintln(f, w.Key(), server.URL)
	ts.Check(err)
	ts.Check(f.Close())
}
