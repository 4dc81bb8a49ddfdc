package cli_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sealift/sealift/internal/access/accesstest"
)

// passkeys are those of the scripts' people, by working folder and name.
var passkeys sync.Map

// inBrowser calls the API as the page does, with the session under HOME.
func inBrowser(ts *testscript.TestScript, method, path, body string) json.RawMessage {
	sessions, err := filepath.Glob(filepath.Join(ts.Getenv("HOME"), ".config", "sealift", "sessions", "*"))
	ts.Check(err)
	if len(sessions) == 0 {
		ts.Fatalf("nobody is signed in under %s", ts.Getenv("HOME"))
	}
	req, err := http.NewRequestWithContext(context.Background(), method, ts.Getenv("SEALIFT_SERVER")+"/api/v1"+path, strings.NewReader(body))
	ts.Check(err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := bearing(strings.TrimSpace(ts.ReadFile(sessions[0]))).Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if resp.StatusCode >= 300 {
		ts.Fatalf("%s %s: %s", method, path, answer)
	}
	return answer
}

// cmdPasskey registers a passkey of NAME, whose session is under HOME.
func cmdPasskey(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: passkey NAME")
	}
	origin := strings.Replace(ts.Getenv("SEALIFT_SERVER"), "127.0.0.1", "localhost", 1)
	key := accesstest.New(origin, "localhost")
	var begun struct {
		Ceremony string          `json:"ceremony"`
		Options  json.RawMessage `json:"options"`
	}
	ts.Check(json.Unmarshal(inBrowser(ts, "POST", "/passkeys/begin", ""), &begun))
	body, err := json.Marshal(map[string]any{"ceremony": begun.Ceremony, "label": "laptop", "credential": key.Register(begun.Options)})
	ts.Check(err)
	inBrowser(ts, "POST", "/passkeys/finish", string(body))
	passkeys.Store(ts.Getenv("WORK")+"/"+args[0], key)
}

// cmdApprove approves REQUEST with the passkey of NAME, whose session is under
// HOME.
func cmdApprove(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: approve REQUEST NAME")
	}
	key, ok := passkeys.Load(ts.Getenv("WORK") + "/" + args[1])
	if !ok {
		ts.Fatalf("%s has no passkey", args[1])
	}
	var shown struct {
		Options json.RawMessage `json:"options"`
		WhyNot  string          `json:"whyNot"`
	}
	ts.Check(json.Unmarshal(inBrowser(ts, "GET", "/approvals/"+args[0], ""), &shown))
	if shown.WhyNot != "" {
		ts.Fatalf("%s may not approve: %s", args[1], shown.WhyNot)
	}
	body, err := json.Marshal(map[string]any{"credential": key.(*accesstest.Authenticator).Assert(shown.Options)})
	ts.Check(err)
	inBrowser(ts, "POST", "/approvals/"+args[0]+"/approve", string(body))
}
