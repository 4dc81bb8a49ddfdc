package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
)

// testIO is a world without a terminal and with the given environment, as
// NAME=value.
func testIO(env ...string) (std IO, out, errs *bytes.Buffer) {
	out, errs = new(bytes.Buffer), new(bytes.Buffer)
	return IO{
		In: strings.NewReader(""), Out: out, Err: errs,
		Env: func(name string) (string, bool) {
			for _, pair := range env {
				if v, ok := strings.CutPrefix(pair, name+"="); ok {
					return v, true
				}
			}
			return "", false
		},
		Now:   func() time.Time { return time.Unix(0, 0) },
		Build: Build{Version: "v1.2.3", Commit: "abc", Go: "go1.26", OS: "linux", Arch: "amd64"},
	}, out, errs
}

func TestCommands(t *testing.T) {
	for _, test := range []struct {
		args, out, errs string
		code            int
	}{
		{args: "version", out: "sealift v1.2.3 commit abc go1.26 linux/amd64\n"},
		{args: "--version", out: "sealift v1.2.3 commit abc go1.26 linux/amd64\n"},
		{args: "--json version", out: `{"version":"v1.2.3","commit":"abc","modified":false,"go":"go1.26","os":"linux","arch":"amd64"}` + "\n"},
		{args: "version --json", out: `{"version":"v1.2.3","commit":"abc","modified":false,"go":"go1.26","os":"linux","arch":"amd64"}` + "\n"},
		{args: "versoin", errs: "error: unknown command \"versoin\"\nhint: did you mean \"version\"? see \"sealift --help\"\n", code: 2},
		{args: "version x", errs: "error: unexpected argument \"x\"\nhint: see \"sealift version --help\"\n", code: 2},
		{args: "version --jsno", errs: "error: unknown flag --jsno\nhint: did you mean \"--json\"? see \"sealift version --help\"\n", code: 2},
		// The suite of TUF knows no exit code but 0 and 1.
		{args: "tuf --metadata-dir x nothing", errs: "error: unknown command \"nothing\"\nhint: see \"sealift tuf --help\"\n", code: 1},
		{args: "help nothing", errs: "error: unknown command \"nothing\"\nhint: see \"sealift --help\"\n", code: 2},
		{
			args: "--token=abc version", code: 2,
			errs: "error: unknown flag --token\nhint: secrets are never arguments: use a flag that names a file, or SEALIFT_TOKEN and SEALIFT_PASSPHRASE; see \"sealift --help\"\n",
		},
		{
			args: "--json", code: 2,
			errs: `{"error":{"kind":"invalid","reason":"usage","message":"no command was given","hint":"use one of \"version\", \"help\"; see \"sealift --help\""}}` + "\n",
		},
		{
			args: "nothing --json", code: 2,
			errs: `{"error":{"kind":"invalid","reason":"usage","message":"unknown command \"nothing\"","hint":"see \"sealift --help\""}}` + "\n",
		},
	} {
		std, out, errs := testIO()
		code := Main(t.Context(), strings.Fields(test.args), std)
		if code != test.code || out.String() != test.out || errs.String() != oneOf(test.errs, errs.String()) {
			t.Errorf("%s: code %d\n%s%s", test.args, code, out, errs)
		}
	}
}

// oneOf returns want, with the commands that kong lists taken from got: they
// grow.
func oneOf(want, got string) string {
	list := regexp.MustCompile(`one of ([^;]*);`)
	if m := list.FindString(got); m != "" {
		return list.ReplaceAllLiteralString(want, m)
	}
	return want
}

func TestHelpIsNoError(t *testing.T) {
	for _, args := range []string{"--help", "-h", "help", "help help", "help --help", "version --help", "version --nonsense --help"} {
		std, out, errs := testIO()
		code := Main(t.Context(), strings.Fields(args), std)
		if wrong := strings.Contains(args, "nonsense"); !wrong && (code != 0 || errs.Len() > 0 || !strings.HasPrefix(out.String(), "Usage: sealift")) {
			t.Errorf("%s: code %d\n%s%s", args, code, out, errs)
		}
	}
	std, out, errs := testIO()
	if code := Main(t.Context(), nil, std); code != 2 || out.Len() != 0 || !strings.Contains(errs.String(), "Usage: sealift <command>") ||
		!strings.HasSuffix(errs.String(), "\nerror: no command was given\nhint: see \"sealift --help\"\n") {
		t.Errorf("nothing: code %d\n%s%s", code, out, errs)
	}
}

// TestCommandLine holds every command and flag to the rules of the package.
func TestCommandLine(t *testing.T) {
	std, _, _ := testIO()
	p, err := newGrammar(new(root), &std)
	if err != nil {
		t.Fatal(err)
	}
	err = kong.Visit(p.Model, func(node kong.Visitable, next kong.Next) error {
		switch node := node.(type) {
		case *kong.Node:
			if node.Help == "" || !strings.HasSuffix(node.Help, ".") {
				t.Errorf("%s: its help is %q, not a sentence", node.FullPath(), node.Help)
			}
		case *kong.Flag:
			if node.Help == "" || !strings.HasSuffix(node.Help, ".") {
				t.Errorf("--%s: its help is %q, not a sentence", node.Name, node.Help)
			}
			if secretName.MatchString(node.Name) && !node.IsBool() && !strings.HasSuffix(node.Name, "-file") {
				t.Errorf("--%s: secrets are never arguments", node.Name)
			}
			if len(node.Envs) > 0 {
				t.Errorf("--%s: kong reads the process's environment; read IO.Env", node.Name)
			}
		}
		return next(nil)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestEveryCommand asks each command for its help, and then for something that it
// does not know: what it says has the two lines, or is JSON.
func TestEveryCommand(t *testing.T) {
	std, _, _ := testIO()
	p, err := newGrammar(new(root), &std)
	if err != nil {
		t.Fatal(err)
	}
	leaves := p.Model.Leaves(false)
	if len(leaves) < 15 {
		t.Errorf("%d commands", len(leaves))
	}
	for _, leaf := range leaves {
		words := strings.Fields(leaf.Path())
		for i, word := range words { // without the placeholders of arguments
			if strings.HasPrefix(word, "<") {
				words = words[:i]
				break
			}
		}
		name := strings.Join(words, " ")
		std, out, errs := testIO()
		if code := Main(t.Context(), append(words, "--help"), std); code != 0 || errs.Len() > 0 || !strings.HasPrefix(out.String(), "Usage: sealift "+name) {
			t.Errorf("%s --help: code %d\n%s%s", name, code, out, errs)
		}
		std, out, errs = testIO()
		refused := 2
		if words[0] == tufName {
			refused = 1 // all that its suite knows
		}
		code := Main(t.Context(), append(words, "--no-such-flag"), std)
		lines := strings.Split(errs.String(), "\n")
		if code != refused || out.Len() > 0 || len(lines) != 3 || !strings.HasPrefix(lines[0], "error: ") || !strings.HasPrefix(lines[1], "hint: ") {
			t.Errorf("%s --no-such-flag: code %d\n%s%s", name, code, out, errs)
		}
		std, out, errs = testIO()
		code = Main(t.Context(), append(words, "--no-such-flag", "--json"), std)
		var said struct{ Error errorReport }
		if err := json.Unmarshal(errs.Bytes(), &said); err != nil || code != refused || out.Len() > 0 || said.Error.Kind != sealift.KindInvalid || said.Error.Message == "" || said.Error.Hint == "" {
			t.Errorf("%s --no-such-flag --json: code %d, %v\n%s%s", name, code, err, out, errs)
		}
	}
}

var secretName = regexp.MustCompile(`token|pass(phrase|word)|secret|\bpin\b`)

// TestExitCodes wants a row for every kind that package sealift declares, and
// codes that never change.
func TestExitCodes(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	kinds := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); !ok || id.Name != "Kind" {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		kinds++
		if code := codeOf(sealift.Kind(value)); code < 2 && value != "internal" {
			t.Errorf("%s has no exit code", spec.Names[0].Name)
		}
		return true
	})
	if kinds != len(exitCodes())-2 {
		t.Errorf("%d kinds, %d codes", kinds, len(exitCodes()))
	}
	var got []string
	for _, row := range exitCodes() {
		got = append(got, fmt.Sprint(row.Code, " ", row.Kind))
	}
	want := []string{
		"0 ok", "1 internal", "2 invalid", "3 metadata", "4 chain", "5 signature", "6 version", "7 integrity", "8 network", "9 rollback",
		"10 not_found", "11 conflict", "12 denied", "13 sealed", "14 exhausted", "130 interrupted",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if code := codeOf("of a later version"); code != 1 {
		t.Errorf("an unknown kind has code %d", code)
	}
}

func TestReport(t *testing.T) {
	vault := sealift.Errorf(sealift.KindSealed, "opening vault", "the passphrase is wrong\nor the file is another's").
		WithReason("passphrase").WithHint("try \x1b[2Jagain\nor ask")
	for _, test := range []struct {
		err         error
		code        int
		plain, json string
	}{
		{
			vault, 13,
			"error: opening vault: the passphrase is wrong\n       or the file is another's\nhint: try ?[2Jagain\n      or ask\n",
			`{"error":{"kind":"sealed","reason":"passphrase","message":"opening vault: the passphrase is wrong\nor the file is another's","hint":"try \u001b[2Jagain\nor ask"}}` + "\n",
		},
		{
			fmt.Errorf("publishing: %w", sealift.Errorf(sealift.KindConflict, "reserving <1.0.0>", "it exists")), 11,
			"error: publishing: reserving <1.0.0>: it exists\nhint: see \"sealift help exit-codes\" for what this kind of error means\n",
			`{"error":{"kind":"conflict","reason":"","message":"publishing: reserving <1.0.0>: it exists","hint":"see \"sealift help exit-codes\" for what this kind of error means"}}` + "\n",
		},
		{
			errors.New("odd"), 1,
			"error: odd\nhint: try again; if it is the same then, report it with what you ran and the lines above\n",
			`{"error":{"kind":"internal","reason":"","message":"odd","hint":"try again; if it is the same then, report it with what you ran and the lines above"}}` + "\n",
		},
		{
			sealift.Errorf(sealift.KindNetwork, "asking the server", "%w", context.Canceled), 130, "error: interrupted\n",
			`{"error":{"kind":"interrupted","reason":"","message":"interrupted","hint":""}}` + "\n",
		},
	} {
		std, out, errs := testIO()
		if code := std.report(test.err); code != test.code || errs.String() != test.plain || out.Len() > 0 {
			t.Errorf("%v: code %d\n%s", test.err, code, errs)
		}
		std, out, errs = testIO()
		std.JSON = true
		if code := std.report(test.err); code != test.code || errs.String() != test.json || out.Len() > 0 {
			t.Errorf("%v as JSON: code %d\n%s", test.err, code, errs)
		}
	}
}

func TestPanicIsReported(t *testing.T) {
	std, _, errs := testIO()
	std.Out = nil // which version cannot print on
	if code := Main(t.Context(), []string{"version"}, std); code != 1 {
		t.Errorf("code %d", code)
	}
	if got := errs.String(); !strings.HasPrefix(got, "goroutine ") || !strings.Contains(got, "\nerror: running the command: ") || !strings.Contains(got, "\nhint: this is a defect") {
		t.Errorf("got %s", got)
	}
}

func TestWarnAndNote(t *testing.T) {
	std, _, errs := testIO()
	std.Warn("keys and data share %s", "a disk\nmove them")
	std.Note("listening")
	if got, want := errs.String(), "warning: keys and data share a disk\n         move them\nlistening\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	std, _, errs = testIO()
	std.JSON = true
	std.Warn("keys and data share a disk")
	std.Note("listening")
	if got, want := errs.String(), `{"warning":"keys and data share a disk"}`+"\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// fullDisk refuses every write.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestResultThatCannotBePrinted(t *testing.T) {
	for _, args := range []string{"version", "version --json", "help exit-codes"} {
		std, _, errs := testIO()
		std.Out = fullDisk{}
		if code := Main(t.Context(), strings.Fields(args), std); code != 1 || !strings.Contains(errs.String(), "printing the result: no space left") {
			t.Errorf("%s: code %d, %s", args, code, errs)
		}
	}
}
