package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
)

type trustSignCmd struct {
	File        string            `arg:"" help:"The proposal, as sealift trust propose --out or sealift root rotate --out wrote it."`
	Keys        string            `required:"" placeholder:"DIR" help:"Your folder with people's keys: what it says now is what the proposal is compared with."`
	Digest      string            `placeholder:"SHA256" xor:"yes" help:"Sign this and nothing else: the digest that sealift trust show printed. Then nothing is asked."`
	Yes         bool              `xor:"yes" help:"Do not ask. Without it: what changes is shown, and you confirm it."`
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
	p, err := ceremony.ReadProposal(opts.File)
	if err != nil {
		return err
	}
	if err := opts.Passphrases.Check(folder.SigningKeys(p)...); err != nil {
		return err
	}
	review, err := folder.Review(p)
	if err != nil {
		return err
	}
	if err := confirmReview(ctx, std, review, opts.Yes, opts.Digest); err != nil {
		return err
	}
	phrases := newPhrases(ctx, std, opts.Passphrases, folder.Inventory.Alone())
	defer phrases.clear()
	if err := folder.Sign(p, phrases.get); err != nil {
		return err
	}
	return handOn(std, folder, p, opts.File, review)
}

// confirmReview shows what would be signed, and asks for a yes, unless digest names
// that and nothing else.
func confirmReview(ctx context.Context, std *IO, review *ceremony.Review, yes bool, digest string) error {
	noteReview(std, review)
	if digest == "" {
		return askYes(ctx, std, yes, "sign this?")
	}
	want, err := sealift.ParseDigest(strings.TrimPrefix(digest, "sha256:"))
	if err != nil {
		return err
	}
	if want != review.Digest {
		return sealift.Errorf(sealift.KindIntegrity, "comparing the digest", "the proposal has sha256:%s, and you want to sign sha256:%s", review.Digest, want).
			WithReason("digest").WithHint("do not sign it before you know why: sealift trust show FILE --keys DIR")
	}
	return nil
}

// noteReview shows what is to be signed.
func noteReview(std *IO, review *ceremony.Review) {
	std.Note("what changes for devices:")
	for _, line := range review.Lines() {
		std.Note("  %s", line)
	}
}

// signatures is Needs as JSON.
type signatures struct {
	Document  string        `json:"document"`
	By        string        `json:"by"`
	Threshold int           `json:"threshold"`
	Missing   int           `json:"missing"`
	Signers   []signerState `json:"signers"`
}

type signerState struct {
	Name   string `json:"name"`
	ID     string `json:"sha256"`
	Signed bool   `json:"signed"`
}

func signaturesOf(needs []ceremony.Need) (out []signatures) {
	for _, need := range needs {
		part := signatures{need.Document, need.By, need.Threshold, need.Missing(), []signerState{}}
		for _, s := range need.Signers {
			part.Signers = append(part.Signers, signerState{s.Name, s.ID, s.Signed})
		}
		out = append(out, part)
	}
	return out
}

// progress names who has signed, and counts the signatures that are needed at the
// least.
func progress(needs []ceremony.Need) (signed []string, missing int) {
	most := map[string]int{}
	for _, need := range needs {
		most[need.Document] = max(most[need.Document], need.Missing())
		for _, s := range need.Signers {
			if s.Signed && !slices.Contains(signed, s.Name) {
				signed = append(signed, s.Name)
			}
		}
	}
	for _, n := range most {
		missing += n
	}
	return signed, missing
}

// needsText says for people who has signed and who may yet.
func needsText(needs []ceremony.Need) string {
	var out strings.Builder
	for _, need := range needs {
		fmt.Fprintf(&out, "%s, by %d of %s", need.Document, need.Threshold, need.By)
		if n := need.Missing(); n > 0 {
			fmt.Fprintf(&out, ": %d more must sign\n", n)
		} else {
			out.WriteString(": signed by enough\n")
		}
		for _, s := range need.Signers {
			fmt.Fprintf(&out, "  %-8s %s\n", map[bool]string{true: "signed", false: "-"}[s.Signed], s)
		}
	}
	return out.String()
}

// showProposal says what a proposal would change against a folder, and who has
// signed it.
func showProposal(std *IO, opts trustShowCmd) error {
	if opts.Keys == "" {
		return usage("a proposal is shown against a folder").WithHint("name yours: sealift trust show %s --keys DIR", opts.File)
	}
	folder, err := ceremony.OpenFolder(opts.Keys)
	if err != nil {
		return err
	}
	p, err := ceremony.ReadProposal(opts.File)
	if err != nil {
		return err
	}
	review, err := folder.Review(p)
	if err != nil {
		return err
	}
	needs, err := folder.Needs(p)
	if err != nil {
		return err
	}
	result := map[string]any{"digest": review.Digest, "changes": notNil(review.Changes), "signatures": signaturesOf(needs)}
	if review.Root != nil {
		result["root"] = map[string]any{"version": review.Root.Version, "expires": review.Root.Expires}
	}
	if review.Targets != nil {
		result["targets"] = map[string]any{"version": review.Targets.Version, "expires": review.Targets.Expires}
	}
	return std.Print(result, func(w io.Writer) error {
		_, err := io.WriteString(w, strings.Join(review.Lines(), "\n")+"\n"+needsText(needs))
		return err
	})
}

func notNil(lines []string) []string {
	if lines == nil {
		return []string{}
	}
	return lines
}

// handOn writes a proposal for the next person and says who has signed.
func handOn(std *IO, folder *ceremony.Folder, p *ceremony.Proposal, path string, review *ceremony.Review) error {
	if err := p.Write(path); err != nil {
		return err
	}
	needs, err := folder.Needs(p)
	if err != nil {
		return err
	}
	signed, missing := progress(needs)
	result := map[string]any{"file": path, "digest": review.Digest, "changes": notNil(review.Changes), "signed": notNil(signed), "missing": missing, "signatures": signaturesOf(needs)}
	return std.Print(result, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s is signed by %s", path, strings.Join(signed, ", "))
		if err == nil && missing > 0 {
			_, err = fmt.Fprintf(w, "; more must sign:\n%s  sealift trust sign %s --keys DIR\n", needsText(needs), path)
		} else if err == nil {
			_, err = fmt.Fprintf(w, ", which is enough:\n  sealift trust submit %s\n", path)
		}
		return err
	})
}

type trustSubmitCmd struct {
	File string     `arg:"" help:"The proposal, as the last person signed it."`
	Keys string     `placeholder:"DIR" help:"A folder with people's keys that is to follow at once. Others follow in their next ceremony, or with sealift trust follow."`
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
	if err := checkSubmit(ctx, std, c, p); err != nil {
		return err
	}
	return submit(ctx, std, c, folder, p, nil)
}

// checkSubmit refuses what too few have signed, and says who is missing: the server
// would only count. What it publishes already is submitted again, unless somebody
// signed it since.
func checkSubmit(ctx context.Context, std *IO, c *apiclient.Client, p *ceremony.Proposal) error {
	root, err := c.Root(ctx)
	if err != nil {
		return err
	}
	if p.Next != nil && !slices.Equal(root, p.Next) && ceremony.SameRoot(root, p.Next) {
		return sealift.Errorf(sealift.KindConflict, "submitting the proposal", "it is published already, without some signature of this file").WithReason("published").
			WithHint("nothing is to be done; each folder follows the file that was submitted: sealift trust follow FILE --keys DIR")
	}
	if p.Next != nil && slices.Equal(root, p.Next) || sealift.DigestOf(root) != p.Root {
		return nil // published already, or for the server to refuse
	}
	needs, err := p.Needs(root)
	if err != nil {
		return err
	}
	if p.Next != nil {
		present, listed := needs[0], needs[1] // both are of root.json
		for _, s := range listed.Signers {
			if !s.Signed && !knows(present, s.ID) {
				std.Warn("%s is new and has not signed: nobody has shown that they hold it", s)
			}
		}
	}
	return ceremony.CheckComplete(needs)
}

func knows(need ceremony.Need, id string) bool {
	return slices.ContainsFunc(need.Signers, func(s ceremony.Signer) bool { return s.ID == id })
}

// publish brings a proposal to the server, and lets a folder follow, if there is
// one.
func publish(ctx context.Context, std *IO, c *apiclient.Client, folder *ceremony.Folder, p *ceremony.Proposal) (api.Root, error) {
	accepted, err := c.AcceptRoot(ctx, api.Ceremony{Root: p.Next, Targets: p.Targets, Trust: p.Trust})
	if err != nil {
		return accepted, err
	}
	if folder != nil {
		if _, err := folder.Finish(p); err != nil && sealift.ReasonOf(err) != ceremony.ReasonBehind {
			return accepted, err
		}
	}
	for _, line := range accepted.Refused {
		std.Warn("it is offered, and devices refuse it from now on: %s", line)
	}
	return accepted, nil
}

// submit is publish for a command that has nothing else to tell.
func submit(ctx context.Context, std *IO, c *apiclient.Client, folder *ceremony.Folder, p *ceremony.Proposal, review *ceremony.Review) error {
	accepted, err := publish(ctx, std, c, folder, p)
	if err != nil {
		return err
	}
	result := map[string]any{"refused": accepted.Refused}
	if review != nil {
		result["changes"] = notNil(review.Changes)
	}
	if p.Next != nil {
		result["version"], result["sha256"], result["rootExpires"] = accepted.Version, accepted.SHA256, accepted.Expires
	}
	if p.Targets != nil {
		result["targets"], result["expires"] = accepted.Targets, accepted.TargetsExpire
	}
	return std.Print(result, func(w io.Writer) error {
		_, err := io.WriteString(w, publishedText(accepted, p))
		return err
	})
}

// publishedText says which documents of a proposal the server took.
func publishedText(accepted api.Root, p *ceremony.Proposal) (text string) {
	if p.Next != nil {
		text = fmt.Sprintf("root version %d is published, good until %s\n", accepted.Version, accepted.Expires.Format(time.DateOnly))
	}
	if p.Targets != nil {
		text += fmt.Sprintf("targets.json version %d is published, good until %s\n", accepted.Targets, accepted.TargetsExpire.Format(time.DateOnly))
	}
	return text
}

type trustFollowCmd struct {
	File string `arg:"" help:"The proposal, as the last person signed it."`
	Keys string `required:"" placeholder:"DIR" help:"Your folder with people's keys."`
}

// Run implements the command.
func (c *trustFollowCmd) Run(_ context.Context, std *IO) error { return runTrustFollow(std, *c) }

func runTrustFollow(std *IO, opts trustFollowCmd) error {
	folder, err := ceremony.OpenFolder(opts.Keys)
	if err != nil {
		return err
	}
	p, err := ceremony.ReadProposal(opts.File)
	if err != nil {
		return err
	}
	followed, err := folder.Finish(p)
	if err != nil {
		return err
	}
	text, err := followedText(folder)
	if err != nil {
		return err
	}
	return std.Print(map[string]any{"followed": followed}, Println("the folder follows: %s", text))
}
