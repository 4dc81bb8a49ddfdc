// Package cli is the command line: what the words and flags of "sealift" mean,
// how results and errors are shown, and which exit code says what.
//
// # A command
//
// Each command has a file of its own, with an options struct, whose tags are
// its help, and a function that does the work:
//
//	type appListCmd struct {
//		API APIOptions `embed:""`
//	}
//
//	func (c *appListCmd) Run(ctx context.Context, std *IO) error { return runAppList(ctx, std, *c) }
//
//	func runAppList(ctx context.Context, std *IO, opts appListCmd) error { … }
//
// and a field in root below. Run functions take everything they read and write
// from IO, so that they run in a test as in a shell.
//
// # Output
//
// stdout is the result and nothing else: text for people, or with --json one
// JSON object a line. stderr is everything else: warnings, progress (on a
// terminal only), and at the end of a command that did not work
//
//	error: opening vault: the passphrase is wrong
//	hint: name the file that holds it: --passphrase-file vault=FILE
//
// or with --json
//
//	{"error":{"kind":"sealed","reason":"passphrase","message":"opening vault: the passphrase is wrong","hint":"…"}}
//
// also on stderr, so that what reads stdout never has to tell a result from an
// error. --json changes the form of what is said, never the stream it goes to.
// The exit code is that of the error's kind: see exitCodes.
//
// # Secrets
//
// No flag takes a secret, since every user of a machine sees every argument.
// Secrets come from an environment variable, from a file that only its owner
// may read, or from a prompt without echo.
package cli

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/sealift/sealift"
)

// root is the whole command line. A new command is one field here, in the order
// in which someone meets them.
type root struct {
	JSON bool `name:"json" help:"Print results and errors as JSON, one object a line."`

	Demo     demoCmd     `cmd:"" help:"Show it all on this machine: publish, update, attack, refuse."`
	Init     initCmd     `cmd:"" help:"Found an installation: the server's data, and people's keys above it."`
	Server   serverCmd   `cmd:"" help:"Serve devices and people."`
	Vault    vaultCmd    `cmd:"" help:"Open and seal the vault, exchange what opens it, and prove that it can be recovered."`
	App      appCmd      `cmd:"" help:"Make and list apps."`
	Channel  channelCmd  `cmd:"" help:"Make and list the channels of an app."`
	Enrol    enrolCmd    `cmd:"" help:"Let devices enrol."`
	Device   deviceCmd   `cmd:"" help:"See devices, and what they say of themselves."`
	Stats    statsCmd    `cmd:"" help:"See what came of releases on devices."`
	Publish  publishCmd  `cmd:"" help:"Publish a folder as a release."`
	Promote  promoteCmd  `cmd:"" help:"Move a tested release on to another channel, without a build or an upload."`
	Agent    agentCmd    `cmd:"" help:"Keep a device up to date."`
	Rollout  rolloutCmd  `cmd:"" help:"See how releases reach their devices, stop that, and let it go on."`
	Rollback rollbackCmd `cmd:"" help:"Take devices back to an older release."`
	Withdraw withdrawCmd `cmd:"" help:"Take a release out of the offer; devices that have it keep it."`
	Release  releaseCmd  `cmd:"" help:"List, show, cancel and revoke releases."`
	Cosign   cosignCmd   `cmd:"" help:"Co-sign releases with a key that you hold outside the vault."`
	Policy   policyCmd   `cmd:"" help:"Say how many people must approve what."`
	Approval approvalCmd `cmd:"" help:"See what people are asked to approve, reject it, check the evidence."`
	Deny     denyCmd     `cmd:"" help:"Let devices refuse at once: floors and release CAs. For one release: release revoke."`
	Floor    floorCmd    `cmd:"" help:"Under which version devices run nothing, and who still does."`
	Verify   verifyCmd   `cmd:"" help:"Take a release through the four steps, offline."`
	Trust    trustCmd    `cmd:"" help:"Change whom devices trust: floors, revocations, release CAs, co-signers."`
	Root     rootCmd     `cmd:"" help:"Change the keys above everything."`
	Login    loginCmd    `cmd:"" help:"Sign in as a person, with a password and a code."`
	Logout   logoutCmd   `cmd:"" help:"End the session of this machine."`
	Session  sessionCmd  `cmd:"" help:"See and end sessions."`
	Account  accountCmd  `cmd:"" help:"See and change how you sign in."`
	User     userCmd     `cmd:"" help:"Say which people may do what."`
	Token    tokenCmd    `cmd:"" help:"Say which services may do what."`
	Key      keyCmd      `cmd:"" help:"See the vault's keys, make keys for services, and see to the life of both."`
	Capgo    capgoCmd    `cmd:"" help:"Serve apps in the field that run Capgo's plugin."`
	CA       caCmd       `cmd:"" name:"ca" help:"See the vault's CAs, and have the release CA certified by a root of your own."`
	PKCS11   pkcs11Cmd   `cmd:"" name:"pkcs11" help:"See PKCS#11 tokens and the keys in them."`
	Audit    auditCmd    `cmd:"" help:"Read the vault's log, and check that it does not lie."`
	Backup   backupCmd   `cmd:"" help:"Back an installation up, prove that a backup is good, and restore it."`
	Simulate simulateCmd `cmd:"" help:"Try a roll-out plan on a fleet that does not exist."`
	Doctor   doctorCmd   `cmd:"" help:"Examine an installation: what is over, what ends soon, what somebody bent."`
	TUF      tufCmd      `cmd:"" hidden:"" help:"Read any TUF repository, as the conformance suite of TUF drives it."`
	Version  versionCmd  `cmd:"" help:"Print the version of this program."`
	Help     helpCmd     `cmd:"" help:"Explain a command, or a topic: ${topics}."`
}

const description = `Sealift delivers over-the-air updates to apps and devices, and keeps the keys that make them trustworthy.

Errors set an exit code of their own: see "sealift help exit-codes".`

// Main runs the command line in args, without the program's name, and returns
// its exit code. It ends early, as far as the command allows, when ctx does. A
// panic of the command is reported as KindInternal with its stack.
func Main(ctx context.Context, args []string, std IO) (code int) {
	std.JSON = wantsJSON(args)
	defer func() {
		if cause := recover(); cause != nil {
			fmt.Fprintf(std.Err, "%s", debug.Stack())
			code = std.report(sealift.Errorf(sealift.KindInternal, "running the command", "%v", cause).
				WithReason("panic").WithHint("this is a defect of sealift: please report it with the lines above"))
		}
	}()
	if err := run(ctx, args, &std); err != nil {
		code = std.report(err)
		if len(args) > 0 && args[0] == tufName {
			return oneOrZero(code)
		}
		return code
	}
	return 0
}

func run(ctx context.Context, args []string, std *IO) error {
	var line root
	words, err := newGrammar(&line, std)
	if err != nil {
		return sealift.Errorf(sealift.KindInternal, "preparing the command line", "%w", err)
	}
	switch {
	case len(args) == 0 && !std.JSON:
		words.Stdout = std.Err // asked for nothing, it is no result
		if _, err := words.parse("--help"); err != nil {
			return err
		}
		fmt.Fprintln(std.Err)
		return usage("no command was given").WithHint("%s", seeHelp(nil))
	case len(args) > 0 && args[0] == "--version": // a flag of this name belongs to publish
		args = append([]string{"version"}, args[1:]...)
	}
	selected, err := words.parse(args...)
	if err != nil || selected == nil {
		return err
	}
	std.JSON = line.JSON
	selected.BindTo(ctx, (*context.Context)(nil))
	return withHelp(selected.Run(std, words), selected.Selected())
}

// grammar is kong's, which knows when it printed help instead of parsing.
type grammar struct {
	*kong.Kong
	helped bool
}

func newGrammar(line *root, std *IO) (*grammar, error) {
	p := &grammar{}
	k, err := kong.New(line,
		kong.Name("sealift"),
		kong.Description(description),
		kong.Writers(std.Out, std.Err),
		kong.Exit(func(int) { p.helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.ValueFormatter(withDefault),
		kong.Vars{"topics": strings.Join(topicNames(), ", ")},
	)
	p.Kong = k
	return p, err
}

// withDefault is the help of a flag or argument, with what it is when not given.
func withDefault(v *kong.Value) string {
	help := kong.DefaultHelpValueFormatter(v)
	if v.HasDefault && v.Default != "" && !v.IsBool() {
		help += " Without it: " + v.Default + "."
	}
	return help
}

// parse returns nil, nil where help was asked for, which is then printed.
func (p *grammar) parse(args ...string) (*kong.Context, error) {
	p.helped = false
	selected, err := p.Parse(args)
	switch {
	case p.helped:
		return nil, nil
	case err != nil:
		return nil, usageError(err)
	}
	return selected, nil
}

// wantsJSON looks for --json where the parser may yet refuse the rest.
func wantsJSON(args []string) bool {
	if i := slices.Index(args, "--"); i >= 0 {
		args = args[:i]
	}
	return slices.Contains(args, "--json")
}
