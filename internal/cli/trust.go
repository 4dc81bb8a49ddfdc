package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/internal/term"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

type trustCmd struct {
	Show    trustShowCmd    `cmd:"" help:"Show whom devices trust: CAs, floors, revocations, co-signers. Or what a proposal would change, and who has signed it."`
	Propose trustProposeCmd `cmd:"" help:"Change what devices trust, or renew it: sign the next targets.json and trust.json, and publish them."`
	Sign    trustSignCmd    `cmd:"" help:"Add your signature to what somebody proposed. It needs no server."`
	Submit  trustSubmitCmd  `cmd:"" help:"Publish what enough people signed."`
	Follow  trustFollowCmd  `cmd:"" help:"Let your folder follow a proposal that enough people signed. It needs no server."`
}

type trustShowCmd struct {
	File string     `arg:"" optional:"" help:"A proposal: show what it would change against the folder of --keys."`
	Keys string     `placeholder:"DIR" help:"Show what this folder with people's keys has, in place of what the server publishes."`
	API  APIOptions `embed:""`
}

// Run implements the command.
func (c *trustShowCmd) Run(ctx context.Context, std *IO) error { return runTrustShow(ctx, std, *c) }

func runTrustShow(ctx context.Context, std *IO, opts trustShowCmd) error {
	if opts.File != "" {
		return showProposal(std, opts)
	}
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
	next, anchors, err := draftTrust(ctx, std, c, folder, change, opts.Change.ConfirmDenials)
	if err != nil {
		return err
	}
	p, err := folder.Propose(next, anchors, std.Now())
	if err != nil {
		return err
	}
	review, err := folder.Review(p)
	if err != nil {
		return err
	}
	if len(review.Changes) == 0 && !opts.Change.Renew {
		return std.Print(map[string]any{"changes": []string{}}, Println("there is nothing to change; to sign it anew for a year, use --renew"))
	}
	if err := confirmReview(ctx, std, review, opts.Yes, ""); err != nil {
		return err
	}
	phrases := newPhrases(ctx, std, opts.Passphrases, folder.Inventory.Alone())
	defer phrases.clear()
	if err := folder.Sign(p, phrases.get); err != nil {
		return err
	}
	if opts.Out != "" {
		return handOn(std, folder, p, opts.Out, review)
	}
	if err := completeHere(folder, p); err != nil {
		return err
	}
	return submit(ctx, std, c, folder, p, review)
}

// completeHere refuses a proposal that too few signed to be published at once.
func completeHere(folder *ceremony.Folder, p *ceremony.Proposal) error {
	needs, err := folder.Needs(p)
	if err != nil {
		return err
	}
	if err := ceremony.CheckComplete(needs); err != nil {
		return sealift.Errorf(sealift.KindOf(err), "proposing it", "%w", err).
			WithReason(sealift.ReasonOf(err)).WithHint("write it to a file for the others to sign: add --out proposal.json")
	}
	return nil
}

// followServer lets a folder follow what the server publishes, where a ceremony
// was held with another copy of it.
func followServer(ctx context.Context, std *IO, c *apiclient.Client, folder *ceremony.Folder) (said api.TrustDocuments, err error) {
	if said, err = c.Trust(ctx); err != nil {
		return said, err
	}
	adopted, err := folder.Adopt(said.Root, said.Targets, said.Trust)
	if sealift.ReasonOf(err) == ceremony.ReasonBehind {
		std.Warn("%v\nwhat is signed now goes on from the folder's; if nothing else is to change, use --renew", err)
		err = nil
	}
	if err != nil || !adopted {
		return said, err
	}
	text, err := followedText(folder)
	if err == nil {
		std.Note("the folder follows: %s", text)
	}
	return said, err
}

// followedText says what a folder that followed has now.
func followedText(folder *ceremony.Folder) (string, error) {
	root, err := folder.Root()
	if err != nil {
		return "", err
	}
	said, err := tufrepo.ReadRoot(root)
	if err != nil {
		return "", err
	}
	_, info, err := folder.Documents()
	return fmt.Sprintf("it has root.json version %d and targets.json version %d, which its quorum signed", said.Version, info.Version), err
}

// draftTrust makes the trust.json that is to follow.
func draftTrust(ctx context.Context, std *IO, c *apiclient.Client, folder *ceremony.Folder, change ceremony.Change, confirm bool) (next trust.Trust, anchors ceremony.Anchors, err error) {
	said, err := followServer(ctx, std, c, folder)
	if err != nil {
		return next, anchors, err
	}
	present, _, err := folder.Documents()
	if err != nil {
		return next, anchors, err
	}
	denied, err := trust.ParseDeny(said.Deny)
	if err != nil {
		return next, anchors, err
	}
	if n := len(denied.Revoked) + len(denied.SuspendedCAs) + len(denied.Floors); n > 0 && confirm {
		change.Confirm = denied
	} else if n > 0 {
		std.Note("devices refuse %d things by deny.json that trust.json does not say; to make them permanent, add --confirm-denials", n)
	}
	if anchors, _, err = anchorsOf(ctx, c); err != nil {
		return next, anchors, err
	}
	next, err = change.Apply(*present, anchors)
	return next, anchors, err
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
