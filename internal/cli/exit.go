package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"github.com/alecthomas/kong"

	"github.com/sealift/sealift"
)

// exitCode is one row of the table of exit codes.
type exitCode struct {
	Code    int          `json:"code"`
	Kind    sealift.Kind `json:"kind"` // "ok" and "interrupted" are no kinds of error
	Meaning string       `json:"meaning"`
}

const (
	kindOK          sealift.Kind = "ok"
	kindInterrupted sealift.Kind = "interrupted"
)

// exitCodes is the one table of exit codes: part of the interface, so that
// codes are added and never change. 3 to 9 are what an agent meets.
func exitCodes() []exitCode {
	return []exitCode{
		{0, kindOK, "it worked; for an agent: updated, or nothing newer"},
		{1, sealift.KindInternal, "a defect of sealift, or of what it runs on"},
		{2, sealift.KindInvalid, "a command, flag, name or file is not of the required form"},
		{3, sealift.KindMetadata, "update metadata is missing, unverifiable, rolled back or expired"},
		{4, sealift.KindChain, "step 1 refused the certificate chain"},
		{5, sealift.KindSignature, "step 2 refused the signature or the log proof"},
		{6, sealift.KindVersion, "step 3 refused the version, or it is for another device"},
		{7, sealift.KindIntegrity, "step 4 refused the bytes"},
		{8, sealift.KindNetwork, "the other side is away, slow or answers nonsense"},
		{9, sealift.KindRollback, "the release failed its health check and was taken back"},
		{10, sealift.KindNotFound, "the named thing does not exist"},
		{11, sealift.KindConflict, "it exists already, or changed meanwhile"},
		{12, sealift.KindDenied, "not signed in, or not allowed"},
		{13, sealift.KindSealed, "the vault is sealed, or its passphrase is wrong"},
		{14, sealift.KindExhausted, "a disk, a limit or a quota is full"},
		{130, kindInterrupted, "interrupted by a signal or Ctrl-C, as shells have it"},
	}
}

func codeOf(kind sealift.Kind) int {
	for _, row := range exitCodes() {
		if row.Kind == kind {
			return row.Code
		}
	}
	return 1
}

func exitCodeTable(w io.Writer) error {
	var rows [][]string
	for _, row := range exitCodes() {
		rows = append(rows, []string{strconv.Itoa(row.Code), string(row.Kind), row.Meaning})
	}
	return Table([]string{"CODE", "KIND", "MEANING"}, rows)(w)
}

// errorReport is an error under --json.
type errorReport struct {
	Kind    sealift.Kind `json:"kind"`
	Reason  string       `json:"reason"`
	Message string       `json:"message"`
	Hint    string       `json:"hint"`
}

// report shows err on stderr and returns its exit code.
func (s *IO) report(err error) int {
	kind := sealift.KindOf(err)
	r := errorReport{kind, sealift.ReasonOf(err), err.Error(), cmp.Or(sealift.HintOf(err), hintFor(kind))}
	if errors.Is(err, context.Canceled) {
		r = errorReport{kindInterrupted, "", "interrupted", ""}
	}
	if s.JSON {
		// What cannot be said on stderr cannot be said anywhere.
		_ = writeJSON(s.Err, map[string]errorReport{"error": r})
		return codeOf(r.Kind)
	}
	style := s.Style(s.Err)
	s.tell(style.Red("error:"), "error:", r.Message)
	if r.Hint != "" {
		s.tell(style.Bold("hint:"), "hint:", r.Hint)
	}
	return codeOf(r.Kind)
}

// hintFor says what to do about an error that does not say so itself.
func hintFor(kind sealift.Kind) string {
	switch kind {
	case sealift.KindMetadata, sealift.KindIntegrity:
		return "what is installed stays; try again later, and tell the server's owner if it is the same then"
	case sealift.KindChain, sealift.KindSignature, sealift.KindVersion:
		return "what is installed stays; tell the owner of the vault, and install this release in no other way"
	case sealift.KindNetwork:
		return "check the network and the address of the server, then try again"
	case sealift.KindInternal:
		return "try again; if it is the same then, report it with what you ran and the lines above"
	}
	return `see "sealift help exit-codes" for what this kind of error means`
}

func usage(format string, args ...any) *sealift.Error {
	return sealift.Errorf(sealift.KindInvalid, "", format, args...).WithReason(reasonUsage)
}

// withHelp points whoever used a command wrongly to its help, where the command
// says nothing better.
func withHelp(err error, node *kong.Node) error {
	var own *sealift.Error
	if errors.As(err, &own) && own.Reason == reasonUsage && sealift.HintOf(err) == "" {
		own.Hint = seeHelp(node)
	}
	return err
}

// reasonUsage is the reason of errors about how a command was typed.
const reasonUsage = "usage"

var (
	suggested  = regexp.MustCompile(`^(.*), (did you mean .*\?)$`)
	unexpected = regexp.MustCompile(`^unexpected argument (.*)$`)
	argument   = regexp.MustCompile(`^expected "(<[^"]+)"$`)
	choice     = regexp.MustCompile(`^expected (one of .*|".*")$`)
	secretFlag = regexp.MustCompile(`^unknown flag --(token|passphrase|password|secret|pin)$`)
)

// usageError puts kong's refusal in our words: what is wrong, and as a hint
// what was meant, if it is close to something, and where to read on. An error
// that an option's own check returned is kept as it is.
func usageError(err error) error {
	var node *kong.Node
	var refused *kong.ParseError
	if errors.As(err, &refused) && refused.Context != nil {
		node = refused.Context.Selected()
		if node == nil {
			node = refused.Context.Model.Node
		}
	}
	var own *sealift.Error
	if errors.As(err, &own) {
		return err
	}
	message, hint := err.Error(), seeHelp(node)
	if m := suggested.FindStringSubmatch(message); m != nil {
		message, hint = m[1], m[2]+" "+hint
	}
	if m := unexpected.FindStringSubmatch(message); m != nil {
		message = fmt.Sprintf("unexpected argument %q", m[1])
		if node != nil && len(node.Children) > 0 {
			message = fmt.Sprintf("unknown command %q", m[1])
		}
	}
	if m := argument.FindStringSubmatch(message); m != nil {
		message = "missing arguments: " + m[1]
	}
	if m := choice.FindStringSubmatch(message); m != nil {
		message, hint = "no command was given", "use "+m[1]+"; "+hint
	}
	if secretFlag.MatchString(message) {
		hint = fmt.Sprintf("secrets are never arguments: use a flag that names a file, or %s and %s; %s", envToken, envPassphrase, hint)
	}
	return usage("%s", message).WithHint("%s", hint)
}

// seeHelp names the command that explains node; nil and the root are the whole
// program.
func seeHelp(node *kong.Node) string {
	if node == nil || node.Parent == nil {
		return `see "sealift --help"`
	}
	return fmt.Sprintf("see %q", "sealift "+node.Path()+" --help")
}
