package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/approval"
	"github.com/sealift/sealift/internal/control/api"
)

type policyCmd struct {
	Show policyShowCmd `cmd:"" help:"Show what wants the approval of how many people."`
	Set  policySetCmd  `cmd:"" help:"Say how many people must approve something, or turn that off."`
}

// turnOn is how approvals begin: with those of people. Else whoever may invite
// people can invent the second one.
const turnOn = "sealift policy set role --approvals 1 --roles owner,security_officer; then likewise for release"

// nobodyAsked says what it means that there is no policy.
func nobodyAsked(approvers int64) string {
	if approvers < 2 {
		return "nobody is asked: each person here acts alone. With two people who have passkeys, turn it on with: " + turnOn
	}
	return fmt.Sprintf("nobody is asked, though %d people have passkeys: turn it on with: %s", approvers, turnOn)
}

// ofScope says what a policy is about, where that is not the whole installation.
func ofScope(p api.Policy) string {
	switch {
	case p.Channel != "":
		return " to channel " + p.Channel + " of " + p.App
	case p.App != "":
		return " of " + p.App
	}
	return ""
}

func needed(p api.Policy) string {
	if p.Inherit {
		return "inherits"
	}
	if p.Needed == 0 {
		return "off"
	}
	return fmt.Sprint(p.Needed)
}

func roleNames(roles []api.Role) (names []string) {
	for _, r := range roles {
		names = append(names, string(r))
	}
	return names
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

type policySetCmd struct {
	Action    string     `arg:"" enum:"release,urgent,rollback,rollout,deny,key,role" help:"release: certify one. urgent: one that is urgent; rollback: one that takes devices back; without it, release counts. rollout: resume, approve or finish one. deny: raise a floor, lift a denial. key: change a key's state, rotate, retire, import, export. role: let people and tokens in, change what they may do."`
	App       string     `placeholder:"ID" help:"Only for this app; release, urgent, rollback, rollout and deny."`
	Channel   string     `placeholder:"NAME" help:"With --app: only for this channel of it; release, urgent, rollback and rollout. It goes before all others."`
	Approvals int64      `placeholder:"N" help:"How many people must approve, who did not ask themselves: 1 to 10."`
	Roles     []string   `placeholder:"ROLE,…" help:"Who may approve: owner, security_officer, release_manager, developer."`
	Off       bool       `help:"Ask nobody any more. The policy that is turned off must approve it."`
	Inherit   bool       `help:"With --app: take its policy back; it goes by the installation's. With --channel that one's; it goes by the strictest of the app's, or else the installation's, and of those of its other channels."`
	API       APIOptions `embed:""`
}

// Run implements the command.
func (c *policySetCmd) Run(ctx context.Context, std *IO) error { return runPolicySet(ctx, std, *c) }

func runPolicySet(ctx context.Context, std *IO, opts policySetCmd) error {
	switch {
	case opts.Channel != "" && opts.App == "":
		return usage("--channel goes with --app")
	case opts.Inherit && (opts.App == "" || opts.Off || opts.Approvals != 0 || len(opts.Roles) > 0):
		return usage("--inherit goes with --app, and with neither --off, --approvals nor --roles")
	case opts.Inherit:
	case opts.Off && (opts.Approvals != 0 || len(opts.Roles) > 0):
		return usage("--off goes with neither --approvals nor --roles")
	case !opts.Off && (opts.Approvals == 0 || len(opts.Roles) == 0):
		return usage("--approvals and --roles are needed, or --off, or --inherit")
	}
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	want := api.NewPolicy{App: opts.App, Channel: opts.Channel, Action: api.PolicyAction(opts.Action), Needed: opts.Approvals, Off: opts.Off, Inherit: opts.Inherit}
	for _, role := range opts.Roles {
		want.Roles = append(want.Roles, api.Role(role))
	}
	p, err := c.SetPolicy(ctx, want)
	if err != nil {
		return err
	}
	if p.Inherit {
		return std.Print(p, Println("%s%s goes by %s from now on", p.Action, ofScope(p), inherited(p)))
	}
	if p.Needed == 0 {
		return std.Print(p, Println("%s%s asks nobody any more", p.Action, ofScope(p)))
	}
	return std.Print(p, Println("%s%s wants %d approvals of %s from now on", p.Action, ofScope(p), p.Needed, strings.Join(roleNames(p.Roles), ", ")))
}

// inherited says what counts once a policy was taken back.
func inherited(p api.Policy) string {
	if p.Channel == "" {
		return "the installation's policy"
	}
	return "the strictest policy of its app"
}

type approvalCmd struct {
	List   approvalListCmd   `cmd:"" help:"List what people are asked to approve."`
	Show   approvalShowCmd   `cmd:"" help:"Show exactly what is to be approved, and where."`
	Reject approvalRejectCmd `cmd:"" help:"Say no, for good; or take back what you asked for."`
	Verify approvalVerifyCmd `cmd:"" help:"Check the evidence of an approval, without any server."`
}

type approvalListCmd struct {
	All bool       `help:"Also those that are done, rejected or void."`
	API APIOptions `embed:""`
}

// Run implements the command.
func (c *approvalListCmd) Run(ctx context.Context, std *IO) error {
	return runApprovalList(ctx, std, *c)
}

func runApprovalList(ctx context.Context, std *IO, opts approvalListCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	all, err := c.Approvals(ctx, api.ListApprovalsParams{Limit: sealift.MaxPage})
	if err != nil {
		return err
	}
	shown := []api.Approval{}
	var rows [][]string
	for _, r := range all {
		if !opts.All && r.State != api.ApprovalStateOpen && r.State != api.ApprovalStateGranted {
			continue
		}
		shown = append(shown, r)
		rows = append(rows, []string{
			r.ID, string(r.Action), orDash(r.App), r.Subject, string(r.State), fmt.Sprintf("%d of %d", counting(r), r.Needed),
			cmp.Or(r.RequesterName, r.Requester), r.Expires.UTC().Format(time.RFC3339),
		})
	}
	return std.Print(map[string]any{"approvals": shown}, Table([]string{"REQUEST", "ACTION", "APP", "ON", "STATE", "APPROVED", "BY", "UNTIL"}, rows))
}

// counting is how many of the approvals of r count.
func counting(r api.Approval) (n int) {
	for _, a := range r.Approvals {
		if a.Counts {
			n++
		}
	}
	return n
}

type approvalShowCmd struct {
	Request  string     `arg:"" help:"The request's id."`
	Evidence string     `name:"evidence-out" placeholder:"DIR" help:"Write the evidence of each approval there, a file a person."`
	API      APIOptions `embed:""`
}

// Run implements the command.
func (c *approvalShowCmd) Run(ctx context.Context, std *IO) error {
	return runApprovalShow(ctx, std, *c)
}

func runApprovalShow(ctx context.Context, std *IO, opts approvalShowCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	r, err := c.Approval(ctx, opts.Request)
	if err != nil {
		return err
	}
	if opts.Evidence != "" {
		if err := writeEvidence(opts.Evidence, r); err != nil {
			return err
		}
	}
	return std.Print(r, func(w io.Writer) error {
		fmt.Fprintf(w, "request    %s, %s\naction     %s%s on %s\n", r.ID, r.State, r.Action, ofApp(r.App), r.Subject)
		for _, name := range slices.Sorted(maps.Keys(r.Parameters)) {
			fmt.Fprintf(w, "  %-9s %s\n", name, r.Parameters[name])
		}
		if r.Payload != "" {
			fmt.Fprintf(w, "payload    %s\n", r.Payload)
		}
		fmt.Fprintf(w, "asked by   %s\napproved   %d of %d, by %s\n", named(r.RequesterName, r.Requester), counting(r), r.Needed, strings.Join(roleNames(r.Roles), ", "))
		for _, a := range r.Approvals {
			fmt.Fprintf(w, "  %s at %s%s\n", named(a.Login, a.Person), a.Created.UTC().Format(time.RFC3339), map[bool]string{false: ", which counts no more"}[a.Counts])
		}
		if r.Outcome != "" {
			fmt.Fprintf(w, "because    %s\n", r.Outcome)
		}
		if r.State != api.ApprovalStateOpen {
			return nil
		}
		_, err := fmt.Fprintf(w, "until      %s\napprove it in a browser, at the server's --origin: /people/#%s\n", r.Expires.UTC().Format(time.RFC3339), r.ID)
		return err
	})
}

// named is what a person or token is known by, with its id, else its id alone.
func named(name, id string) string {
	if name == "" {
		return id
	}
	return name + " (" + id + ")"
}

func ofApp(app string) string {
	if app == "" {
		return ""
	}
	return " of " + app
}

// writeEvidence writes a file for each approval, over none that is there.
func writeEvidence(dir string, r api.Approval) error {
	const op = "writing the evidence"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return sealift.Errorf(sealift.KindInvalid, op, "%w", err)
	}
	for _, a := range r.Approvals {
		f, err := newSecretFile(filepath.Join(dir, r.ID+"-"+a.Person+".json"))
		if err != nil {
			return err
		}
		_, err = f.Write(a.Evidence)
		if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
			return sealift.Errorf(sealift.KindExhausted, op, "%w", err)
		}
	}
	return nil
}

type approvalRejectCmd struct {
	Request string     `arg:"" help:"The request's id."`
	Reason  string     `required:"" placeholder:"TEXT" help:"Why, in your words, for the log."`
	API     APIOptions `embed:""`
}

// Run implements the command.
func (c *approvalRejectCmd) Run(ctx context.Context, std *IO) error {
	return runApprovalReject(ctx, std, *c)
}

func runApprovalReject(ctx context.Context, std *IO, opts approvalRejectCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	r, err := c.RejectApproval(ctx, opts.Request, opts.Reason)
	if err != nil {
		return err
	}
	return std.Print(r, Println("request %s is %s", r.ID, r.State))
}

type approvalVerifyCmd struct {
	File string `arg:"" help:"A file that sealift approval show --evidence-out wrote."`
}

// Run implements the command.
func (c *approvalVerifyCmd) Run(_ context.Context, std *IO) error {
	data, err := readBounded(c.File, "evidence", sealift.MaxEvidence, "name a file that sealift approval show --evidence-out wrote")
	if err != nil {
		return err
	}
	v, err := approval.Verify(data)
	if err != nil {
		return err
	}
	return std.Print(v, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "a passkey of %s signed this at %s, its user verified\n  key       SHA-256 %s\n  approved  %s\nwhose passkey it is, the log says: sealift audit list --action approval.approve\n", v.RPID, v.Origin, v.PublicKey, v.Document)
		return err
	})
}
