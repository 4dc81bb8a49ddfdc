package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/internal/term"
	"github.com/sealift/sealift/trust"
)

type trustCmd struct {
	Show    trustShowCmd    `cmd:"" help:"Show whom devices trust: CAs, floors, revocations, co-signers."`
	Propose trustProposeCmd `cmd:"" help:"Change what devices trust, or renew it: sign the next targets.json and trust.json, and publish them."`
	Sign    trustSignCmd    `cmd:"" help:"Add your signature to what somebody proposed. It needs no server."`
	Submit  trustSubmitCmd  `cmd:"" help:"Publish what enough people signed."`
}

type trustShowCmd struct {
	Keys string     `placeholder:"DIR" help:"Show what this folder with people's keys has, in place of what the server publishes."`
	API  APIOptions `embed:""`
}

// Run implements the command.
func (c *trustShowCmd) Run(ctx context.Context, std *IO) error { return runTrustShow(ctx, std, *c) }

func runTrustShow(ctx context.Context, std *IO, opts trustShowCmd) error {
	t, err := shownTrust(ctx, std, opts)
	if err != nil {
		return err
	}
	return std.Print(t, func(w io.Writer) error {
		_, err := io.WriteString(w, trustText(t))
		return err
	})
}

func shownTrust(ctx context.Context, std *IO, opts trustShowCmd) (*trust.Trust, error) {
	if opts.Keys != "" {
		folder, err := ceremony.OpenFolder(opts.Keys)
		if err != nil {
			return nil, err
		}
		t, _, err := folder.Documents()
		return t, err
	}
	c, err := opts.API.client(std)
	if err != nil {
		return nil, err
	}
	said, err := c.Trust(ctx)
	if err != nil {
		return nil, err
	}
	return trust.ParseTrust(said.Trust)
}

// trustText is trust.json for people.
func trustText(t *trust.Trust) string {
	var out strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	line("vault       %s", t.Vault)
	for _, ca := range t.ReleaseCAs {
		line("release CA  %s", ceremony.CAText(ca))
	}
	for _, ca := range t.DeviceCAs {
		line("device CA   %s", ceremony.CAText(ca))
	}
	for _, key := range t.Log.Keys {
		line("log key     %s", key)
	}
	for _, r := range t.Revoked {
		line("revoked     %s of CA %s", r.Serial, r.Issuer)
	}
	of := func(name string, a trust.AppTrust) {
		line("%s", name)
		line("  floor       %s", ceremony.FloorText(a.Floor))
		line("  co-signers  %d of %d must sign", a.CosignersNeeded, len(a.Cosigners))
		for _, k := range a.Cosigners {
			line("    %s %s", ceremony.CosignerID(k), k.Algorithm)
		}
	}
	for _, app := range slices.Sorted(maps.Keys(t.Apps)) {
		of(string(app), t.Apps[app])
	}
	of("all other apps", t.Defaults)
	return out.String()
}

type trustProposeCmd struct {
	Keys        string            `required:"" placeholder:"DIR" help:"Folder with people's keys."`
	Change      trustChange       `embed:""`
	Out         string            `placeholder:"FILE" help:"Write it there for the next person to sign, in place of publishing it."`
	Yes         bool              `help:"Do not ask. Without it: what changes is shown, and you confirm it."`
	Reach       PKCS11Options     `embed:""`
	Passphrases PassphraseOptions `embed:""`
	API         APIOptions        `embed:""`
}

// Run implements the command.
func (c *trustProposeCmd) Run(ctx context.Context, std *IO) error {
	return runTrustPropose(ctx, std, *c)
}

func runTrustPropose(ctx context.Context, std *IO, opts trustProposeCmd) (err error) {
	folder, done, err := opts.Reach.folder(ctx, std, opts.Keys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	if err := opts.Passphrases.Check(folder.TargetsKeys()...); err != nil {
		return err
	}
	change, err := opts.Change.parse()
	if err != nil {
		return err
	}
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	next, anchors, lines, err := draftTrust(ctx, std, c, folder, change, opts.Change.ConfirmDenials)
	if err != nil {
		return err
	}
	if len(lines) == 0 && !opts.Change.Renew {
		return std.Print(map[string]any{"changes": []string{}}, Println("there is nothing to change; to sign it anew for a year, use --renew"))
	}
	if err := confirmChanges(ctx, std, opts.Yes, lines); err != nil {
		return err
	}
	phrases := newPhrases(ctx, std, opts.Passphrases, folder.Inventory.Alone())
	defer phrases.clear()
	p, err := folder.Propose(next, anchors, phrases.get, std.Now())
	if err != nil {
		return err
	}
	if opts.Out != "" {
		return handOn(std, folder, p, opts.Out, lines)
	}
	state, err := folder.Signatures(p)
	if err != nil {
		return err
	}
	if n := state.Missing(); n > 0 {
		return sealift.Errorf(sealift.KindNotFound, "proposing the next trust.json", "%d of the %d signatures that are needed are missing", n, state.Threshold).
			WithReason("quorum").WithHint("write it to a file for the others to sign: add --out proposal.json")
	}
	return publishProposal(ctx, std, c, folder, p, lines)
}

// draftTrust makes the trust.json that is to follow, and says what is different.
// The folder follows the server first, where a ceremony was held with another
// copy of it.
func draftTrust(ctx context.Context, std *IO, c *apiclient.Client, folder *ceremony.Folder, change ceremony.Change, confirm bool) (next trust.Trust, anchors ceremony.Anchors, lines []string, err error) {
	said, err := c.Trust(ctx)
	if err != nil {
		return next, anchors, nil, err
	}
	adopted, err := folder.Adopt(said.Root, said.Targets, said.Trust)
	if sealift.ReasonOf(err) == ceremony.ReasonBehind {
		std.Warn("%v\nwhat is signed now goes on from the folder's; if nothing else is to change, use --renew", err)
		err = nil
	}
	if err != nil {
		return next, anchors, nil, err
	}
	present, info, err := folder.Documents()
	if err != nil {
		return next, anchors, nil, err
	}
	if adopted {
		std.Note("the folder follows: the server publishes targets.json version %d, which its quorum signed", info.Version)
	}
	denied, err := trust.ParseDeny(said.Deny)
	if err != nil {
		return next, anchors, nil, err
	}
	if n := len(denied.Revoked) + len(denied.SuspendedCAs) + len(denied.Floors); n > 0 && confirm {
		change.Confirm = denied
	} else if n > 0 {
		std.Note("devices refuse %d things by deny.json that trust.json does not say; to make them permanent, add --confirm-denials", n)
	}
	if anchors, _, err = anchorsOf(ctx, c); err != nil {
		return next, anchors, nil, err
	}
	if next, err = change.Apply(*present, anchors); err != nil {
		return next, anchors, nil, err
	}
	director, err := folder.DirectorChanges(anchors)
	return next, anchors, append(ceremony.Differences(present, &next), director...), err
}

// confirmChanges shows what would change, and asks for a yes.
func confirmChanges(ctx context.Context, std *IO, yes bool, lines []string) error {
	std.Note("what changes for devices:")
	for _, line := range lines {
		std.Note("  %s", line)
	}
	if len(lines) == 0 {
		std.Note("  nothing: it is only signed anew")
	}
	return askYes(ctx, std, yes, "sign this?")
}

// askYes asks a person before something is signed, unless yes was given.
func askYes(ctx context.Context, std *IO, yes bool, question string) error {
	const op = "asking for a yes"
	if yes {
		return nil
	}
	if !term.IsTerminal(std.In) {
		return sealift.Errorf(sealift.KindInvalid, op, "there is no terminal to ask on").WithReason("no-terminal").
			WithHint("read what is shown above, and add --yes")
	}
	said, err := term.Confirm(ctx, std.In, std.Err, question+" type yes: ", "yes")
	if err == nil && !said {
		err = sealift.Errorf(sealift.KindInvalid, op, "you did not say yes; nothing was signed").WithHint("run it again when you are sure")
	}
	return err
}

// handOn writes a proposal for the next person and says who has signed.
func handOn(std *IO, folder *ceremony.Folder, p *ceremony.Proposal, path string, lines []string) error {
	if err := p.Write(path); err != nil {
		return err
	}
	state, err := folder.Signatures(p)
	if err != nil {
		return err
	}
	signed, open, err := folder.Signers(p)
	if err != nil {
		return err
	}
	if lines == nil {
		lines = []string{}
	}
	result := map[string]any{"file": path, "changes": lines, "signed": signed, "missing": state.Missing()}
	return std.Print(result, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s is signed by %s", path, strings.Join(signed, ", "))
		if err == nil && state.Missing() > 0 {
			_, err = fmt.Fprintf(w, "; %d more of %s must sign:\n  sealift trust sign %s --keys DIR\n", state.Missing(), strings.Join(open, ", "), path)
		} else if err == nil {
			_, err = fmt.Fprintf(w, ", which is enough:\n  sealift trust submit %s\n", path)
		}
		return err
	})
}

func publishProposal(ctx context.Context, std *IO, c *apiclient.Client, folder *ceremony.Folder, p *ceremony.Proposal, lines []string) error {
	accepted, err := c.AcceptRoot(ctx, api.Ceremony{Targets: p.Targets, Trust: p.Trust})
	if err != nil {
		return err
	}
	if folder != nil {
		root, err := folder.Root()
		if err != nil {
			return err
		}
		if _, err := folder.Adopt(root, p.Targets, p.Trust); err != nil && sealift.ReasonOf(err) != ceremony.ReasonBehind {
			return err
		}
	}
	for _, line := range accepted.Refused {
		std.Warn("it is offered, and devices refuse it from now on: %s", line)
	}
	if lines == nil {
		lines = []string{}
	}
	return std.Print(map[string]any{"targets": accepted.Targets, "expires": accepted.TargetsExpire, "changes": lines, "refused": accepted.Refused},
		Println("targets.json version %d is published, good until %s", accepted.Targets, accepted.TargetsExpire.Format(time.DateOnly)))
}

type trustSignCmd struct {
	File        string            `arg:"" help:"The proposal, as sealift trust propose --out wrote it."`
	Keys        string            `required:"" placeholder:"DIR" help:"Your folder with people's keys: what it says now is what the proposal is compared with."`
	Yes         bool              `help:"Do not ask. Without it: what changes is shown, and you confirm it."`
	Reach       PKCS11Options     `embed:""`
	Passphrases PassphraseOptions `embed:""`
}

// Run implements the command.
func (c *trustSignCmd) Run(ctx context.Context, std *IO) error { return runTrustSign(ctx, std, *c) }

func runTrustSign(ctx context.Context, std *IO, opts trustSignCmd) (err error) {
	folder, done, err := opts.Reach.folder(ctx, std, opts.Keys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	if err := opts.Passphrases.Check(folder.TargetsKeys()...); err != nil {
		return err
	}
	p, err := ceremony.ReadProposal(opts.File)
	if err != nil {
		return err
	}
	lines, info, err := folder.Review(p)
	if err != nil {
		return err
	}
	std.Note("targets.json version %d, good until %s", info.Version, info.Expires.Format(time.DateOnly))
	if err := confirmChanges(ctx, std, opts.Yes, lines); err != nil {
		return err
	}
	phrases := newPhrases(ctx, std, opts.Passphrases, folder.Inventory.Alone())
	defer phrases.clear()
	if err := folder.Sign(p, phrases.get); err != nil {
		return err
	}
	return handOn(std, folder, p, opts.File, lines)
}

type trustSubmitCmd struct {
	File string     `arg:"" help:"The proposal, as the last person signed it."`
	Keys string     `placeholder:"DIR" help:"A folder with people's keys that is to follow at once. Others follow in their next ceremony."`
	API  APIOptions `embed:""`
}

// Run implements the command.
func (c *trustSubmitCmd) Run(ctx context.Context, std *IO) error { return runTrustSubmit(ctx, std, *c) }

func runTrustSubmit(ctx context.Context, std *IO, opts trustSubmitCmd) error {
	var folder *ceremony.Folder
	p, err := ceremony.ReadProposal(opts.File)
	if err != nil {
		return err
	}
	if opts.Keys != "" {
		if folder, err = ceremony.OpenFolder(opts.Keys); err != nil {
			return err
		}
	}
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	return publishProposal(ctx, std, c, folder, p, nil)
}
