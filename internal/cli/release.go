package cli

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/internal/publisher"
	"github.com/sealift/sealift/internal/term"
)

type releaseCmd struct {
	List    releaseListCmd    `cmd:"" help:"List the releases of an app, the newest first."`
	Show    releaseShowCmd    `cmd:"" help:"Show one release."`
	Revoke  releaseRevokeCmd  `cmd:"" help:"Let devices refuse a release from their next check on."`
	Pending releasePendingCmd `cmd:"" help:"List what was submitted and waits for people."`
	Cancel  releaseCancelCmd  `cmd:"" help:"Give up what was submitted and waits."`
}

type releaseListCmd struct {
	App      string     `required:"" placeholder:"ID" help:"The app."`
	Channel  string     `placeholder:"NAME" help:"Only this channel."`
	Platform string     `placeholder:"P" help:"Only this platform."`
	Limit    int        `default:"20" placeholder:"N" help:"At most so many."`
	API      APIOptions `embed:""`
}

// Run implements the command.
func (c *releaseListCmd) Run(ctx context.Context, std *IO) error { return runReleaseList(ctx, std, *c) }

func runReleaseList(ctx context.Context, std *IO, opts releaseListCmd) error {
	if err := checkLimit(opts.Limit); err != nil {
		return err
	}
	c, app, err := opts.API.forApp(std, opts.App)
	if err != nil {
		return err
	}
	list, err := c.Releases(ctx, app, api.ListReleasesParams{Limit: opts.Limit, Channel: opts.Channel, Platform: opts.Platform})
	if err != nil {
		return err
	}
	var rows [][]string
	for _, r := range list.Releases {
		rows = append(rows, []string{fmt.Sprint(r.Counter), r.Version, r.Channel, r.Platform, r.Runtime, string(r.Act), string(r.State), r.SHA256[:12]})
	}
	return std.Print(list, Table([]string{"COUNTER", "VERSION", "CHANNEL", "PLATFORM", "RUNTIME", "ACT", "STATE", "RELEASE"}, rows))
}

type releaseShowCmd struct {
	Release  string     `arg:"" help:"Its version, counter, or the SHA-256 of its release.json."`
	App      string     `required:"" placeholder:"ID" help:"The app."`
	Channel  string     `placeholder:"NAME" help:"The channel, where a version is in several."`
	Platform string     `placeholder:"P" help:"The platform, where a version is on several."`
	Out      string     `placeholder:"FILE" help:"Write its release.json there, for sealift verify."`
	API      APIOptions `embed:""`
}

// Run implements the command.
func (c *releaseShowCmd) Run(ctx context.Context, std *IO) error { return runReleaseShow(ctx, std, *c) }

func runReleaseShow(ctx context.Context, std *IO, opts releaseShowCmd) error {
	c, app, err := opts.API.forApp(std, opts.App)
	if err != nil {
		return err
	}
	d, err := c.Release(ctx, app, opts.Release, api.GetReleaseParams{Channel: opts.Channel, Platform: opts.Platform})
	if err != nil {
		return err
	}
	if opts.Out != "" {
		if err := os.WriteFile(opts.Out, d.Document, 0o644); err != nil {
			return sealift.Errorf(sealift.KindInvalid, "writing release.json", "%w", err)
		}
	}
	r := d.Release
	failed := strconv.Itoa(failedOf(d.Counts))
	if failed != "0" {
		failed += fmt.Sprintf(" (%d refused, %d not stored, %d rolled back)", d.Counts.Refused, d.Counts.NotStored, d.Counts.RolledBack)
	}
	rows := [][]string{
		{"app", r.App}, {"channel", r.Channel}, {"platform", r.Platform}, {"runtime", r.Runtime},
		{"version", r.Version}, {"counter", fmt.Sprint(r.Counter)}, {"act", string(r.Act)}, {"state", string(r.State)},
		{"urgent", urgency(r.Urgent)}, {"rollback", rollbackOf(r.Rollback)}, {"release", r.SHA256}, {"archive", r.Archive.SHA256}, {"archive size", term.Bytes(r.Archive.Length)},
		{"issuer", r.Issuer}, {"serial", r.Serial},
		{"sealed", r.Blob.SHA256}, {"sealed size", term.Bytes(r.Blob.Length)},
		{"signed", r.SignedAt.UTC().Format("2006-01-02 15:04:05Z")}, {"published", r.Published.UTC().Format("2006-01-02 15:04:05Z")},
		{"taken", fmt.Sprintf("%d devices, and %d that nobody vouches for", d.Counts.Taken, d.Unvouched.Taken)}, {"confirmed", strconv.Itoa(d.Counts.Confirmed)},
		{"failed", failed}, {"success (99 %)", successText(d.Success)},
	}
	for _, p := range r.Patches {
		rows = append(rows, []string{"patch", fmt.Sprintf("%s, from archive %s", term.Bytes(p.Blob.Length), p.Base)})
	}
	if k := r.Capgo; k != nil {
		rows = append(rows, []string{"capgo", fmt.Sprintf("a zip of %s, or %d files one by one, for key %s", term.Bytes(k.Zip.Length), k.Files, k.KeyID)})
	}
	return std.Print(d, Table([]string{"FIELD", "VALUE"}, rows))
}

type releasePendingCmd struct {
	App string     `required:"" placeholder:"ID" help:"The app."`
	API APIOptions `embed:""`
}

// Run implements the command.
func (c *releasePendingCmd) Run(ctx context.Context, std *IO) error {
	return runReleasePending(ctx, std, *c)
}

func runReleasePending(ctx context.Context, std *IO, opts releasePendingCmd) error {
	c, app, err := opts.API.forApp(std, opts.App)
	if err != nil {
		return err
	}
	drafts, err := c.Drafts(ctx, app)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, d := range drafts {
		rows = append(rows, []string{d.ID, fmt.Sprint(d.Counter), d.Version, d.Channel, d.Platform, d.Requester, d.Expires.UTC().Format(time.DateOnly), missingOf(d)})
		if d.Problem != "" {
			std.Warn("draft %s cannot become a release: %s; give it up with: sealift release cancel %s --app %s", d.ID, d.Problem, d.ID, app)
		}
	}
	return std.Print(map[string]any{"drafts": drafts}, Table([]string{"DRAFT", "COUNTER", "VERSION", "CHANNEL", "PLATFORM", "BY", "UNTIL", "WAITS FOR"}, rows))
}

// missingOf says in a few words what a draft waits for.
func missingOf(d api.DraftDetail) string {
	var all []string
	for _, m := range d.Missing {
		all = append(all, fmt.Sprintf("%s (%d of %d)", m.What, m.Have, m.Need))
	}
	return strings.Join(all, ", ")
}

// missingLines says it at length, a line each.
func missingLines(d api.DraftDetail) string {
	var out strings.Builder
	for _, m := range d.Missing {
		fmt.Fprintf(&out, "  waits   for %d of %d %s", m.Need-m.Have, m.Need, m.What)
		if len(m.From) > 0 {
			short := make([]string, len(m.From))
			for i, id := range m.From {
				short[i] = id[:min(len(id), 12)]
			}
			fmt.Fprintf(&out, ", by %s", strings.Join(short, ", "))
		}
		out.WriteString("\n")
	}
	return out.String()
}

type releaseCancelCmd struct {
	Draft string     `arg:"" help:"Its draft, as sealift release pending shows it."`
	App   string     `required:"" placeholder:"ID" help:"The app."`
	API   APIOptions `embed:""`
}

// Run implements the command.
func (c *releaseCancelCmd) Run(ctx context.Context, std *IO) error {
	return runReleaseCancel(ctx, std, *c)
}

func runReleaseCancel(ctx context.Context, std *IO, opts releaseCancelCmd) error {
	c, app, err := opts.API.forApp(std, opts.App)
	if err != nil {
		return err
	}
	if err := c.Abandon(ctx, app, opts.Draft); err != nil {
		return err
	}
	return std.Print(map[string]any{"cancelled": opts.Draft}, Println("gave up draft %s; its counter is never used again", opts.Draft))
}

// waitPeriod is how often a waiting publish looks again.
const waitPeriod = 2 * time.Second

// awaitRelease waits for people to do what the draft waits for. That they did
// not, or gave it up, is a KindConflict.
func awaitRelease(ctx context.Context, std *IO, c *apiclient.Client, wait time.Duration, d api.DraftDetail) (_ api.DraftDetail, err error) {
	app, op, id := sealift.AppID(d.App), "waiting for "+d.App+" "+d.Version, d.ID
	std.Note("draft %s waits for %s", id, missingOf(d))
	over := time.NewTimer(wait)
	defer over.Stop()
	tick := time.NewTicker(waitPeriod)
	defer tick.Stop()
	for {
		said := missingOf(d)
		select {
		case <-ctx.Done():
			return d, ctx.Err()
		case <-over.C:
			return d, sealift.Errorf(sealift.KindConflict, op, "%s have passed, and it still waits for %s", wait, said).WithReason(publisher.ReasonWaiting).
				WithHint("it goes on waiting: see sealift release pending --app %s", app)
		case <-tick.C:
		}
		if d, err = c.Draft(ctx, app, id); err != nil {
			return d, err
		}
		switch {
		case d.Release != nil:
			return d, nil
		case d.State == api.DraftStateAbandoned:
			return d, sealift.Errorf(sealift.KindConflict, op, "draft %s was given up", id).WithReason("draft").
				WithHint("ask who did: sealift audit list --action release")
		case d.Problem != "":
			return d, sealift.Errorf(sealift.KindConflict, op, "it cannot become a release any more: %s", d.Problem).WithReason("draft").
				WithHint("give it up and publish again: sealift release cancel %s --app %s", id, app)
		}
		if now := missingOf(d); now != said {
			std.Note("draft %s waits for %s", id, now)
		}
	}
}
