package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/internal/publisher"
	"github.com/sealift/sealift/internal/term"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
)

type publishCmd struct {
	Dir      string        `arg:"" help:"Folder to publish, such as ./dist."`
	App      string        `required:"" placeholder:"ID" help:"The app."`
	Channel  string        `required:"" placeholder:"NAME" help:"The channel."`
	Version  string        `required:"" placeholder:"V" help:"The release's version, such as 1.4.0: higher than the one before."`
	Platform string        `default:"web" placeholder:"P" help:"The platform, such as ios or android; devices of others are not offered it."`
	Runtime  string        `default:"*" placeholder:"RANGE" help:"Versions of the native host that it runs on, such as '>=2.1.0 <3.0.0'."`
	Wait     time.Duration `placeholder:"DURATION" help:"Where people have yet to sign it, wait so long for them, such as 2h. Without it: say what it waits for, and end."`
	Urgent   bool          `help:"Devices take it at their next check: it skips the stages of a roll-out and quiet hours. The policy for urgent releases says who approves."`
	Reason   string        `placeholder:"TEXT" help:"With --urgent, which needs it: why; it is signed, and approvers read it."`
	Plan     string        `placeholder:"FILE" help:"With which plan its roll-out begins, in place of the channel's: JSON, as sealift simulate takes it. For who may set the channel's."`
	Hold     bool          `help:"Begin the roll-out paused, before anybody may take it; let it begin with: sealift rollout start."`
	Archives *string       `placeholder:"DIR" help:"Keep the archive of each release in this folder of yours, and make patches from those that devices still run."`
	Base     []string      `placeholder:"FOLDER|ARCHIVE" sep:"none" help:"An older build to make a patch from, as well; may be repeated."`
	Capgo    bool          `help:"Let devices that run Capgo's plugin take it as well, with the app's key (sealift capgo key create). Whoever has the app can then read the bundle."`
	API      APIOptions    `embed:""`
}

// Run implements the command.
func (c *publishCmd) Run(ctx context.Context, std *IO) error { return runPublish(ctx, std, *c) }

func runPublish(ctx context.Context, std *IO, opts publishCmd) error {
	req, err := opts.request()
	if err != nil {
		return err
	}
	if opts.Capgo && !slices.Contains(capgoPlatforms, req.Platform) {
		std.Warn("devices with Capgo's plugin are of ios, android or electron: none takes a release for %s; name one with --platform", req.Platform)
	}
	p, err := newPublisher(std, opts.API)
	if err != nil {
		return err
	}
	folder, err := openBundle(opts.Dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	req.Bundle = folder.FS()
	done, err := opts.older(ctx, p, &req)
	if err != nil {
		return err
	}
	defer done()
	d, err := p.Submit(ctx, req)
	if err != nil {
		return err
	}
	if d.Release == nil && opts.Wait > 0 {
		c, err := opts.API.client(std)
		if err != nil {
			return err
		}
		if d, err = awaitRelease(ctx, std, c, opts.Wait, d); err != nil {
			return err
		}
	}
	if d.Release == nil {
		d.Envelope = nil
		return std.Print(d, Println("submitted %s", waitingText(d)))
	}
	r := *d.Release
	return std.Print(r, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "published %s %s to %s/%s as counter %d%s\n  release %s\n  archive %s  %s\n  sealed  %s  %s\n%s  %s\n",
			r.App, r.Version, r.Channel, r.Platform, r.Counter, urgently(r.Urgent), r.SHA256,
			r.Archive.SHA256, term.Bytes(r.Archive.Length), r.Blob.SHA256, term.Bytes(r.Blob.Length), patchLines(r.Patches)+capgoLine(r.Capgo), afterPublish(r, opts.Hold))
		return err
	})
}

// capgoPlatforms are those of devices that run Capgo's plugin.
var capgoPlatforms = []sealift.Platform{"ios", "android", "electron"}

// patchLines lists a release's patches, a line each.
func patchLines(patches []api.Patch) string {
	var lines strings.Builder
	for _, p := range patches {
		fmt.Fprintf(&lines, "  patch   %s  %s from archive %s\n", p.Blob.SHA256, term.Bytes(p.Blob.Length), p.Base)
	}
	return lines.String()
}

// capgoLine says what a release is for devices that run Capgo's plugin.
func capgoLine(c *api.CapgoRelease) string {
	if c == nil {
		return ""
	}
	return fmt.Sprintf("  capgo   %s  %s as a zip, or %d files one by one; for key %s\n", c.Zip.SHA256, term.Bytes(c.Zip.Length), c.Files, c.KeyID)
}

// older opens what patches are made from. done lets go of it.
func (c publishCmd) older(ctx context.Context, p *publisher.Publisher, req *publisher.Request) (done func(), err error) {
	var closing []func() error
	done = func() {
		for _, c := range closing {
			_ = c() // they were read alone
		}
	}
	if len(c.Base) > sealift.MaxPatches {
		return nil, usage("--base is given %d times; a release has at most %d patches", len(c.Base), sealift.MaxPatches)
	}
	if slices.Contains(c.Base, "") || c.Archives != nil && *c.Archives == "" {
		return nil, usage("--base or --archives names nothing: is a variable not set?")
	}
	for _, name := range c.Base {
		f, closed, err := publisher.OpenFormer(ctx, name)
		if err != nil {
			done()
			return nil, err
		}
		closing = append(closing, closed)
		req.Bases = append(req.Bases, f)
	}
	if c.Archives != nil {
		if p.Archives, err = publisher.OpenArchives(*c.Archives); err != nil {
			done()
			return nil, err
		}
		closing = append(closing, p.Archives.Close)
	}
	return done, nil
}

// waitingText says of a draft what it is for, and what it waits for.
func waitingText(d api.DraftDetail) string {
	return fmt.Sprintf("%s %s for %s/%s as counter %d%s; devices see nothing of it yet\n  draft   %s\n  plan    %s\n%s%s  until   %s",
		d.App, d.Version, d.Channel, d.Platform, d.Counter, urgently(d.Urgent), d.ID, draftPlan(d), draftCapgo(d), missingLines(d), d.Expires.UTC().Format("2006-01-02 15:04Z"))
}

// draftCapgo says of a draft that devices with Capgo's plugin take it as well.
func draftCapgo(d api.DraftDetail) string {
	if !d.Capgo {
		return ""
	}
	return "  capgo   devices with Capgo's plugin take it as well\n"
}

// afterPublish says what to do about the roll-out of what was just published.
func afterPublish(r api.Release, held bool) string {
	if held {
		return fmt.Sprintf("nobody is offered it until somebody starts it: sealift rollout start %d --app %s --reason TEXT", r.Counter, r.App)
	}
	return fmt.Sprintf("see how it is rolled out with: sealift rollout show %d --app %s", r.Counter, r.App)
}

// draftPlan says with which plan the roll-out of a draft begins.
func draftPlan(d api.DraftDetail) string {
	text := "that of the channel"
	if plan, err := rollout.ParsePlan(d.Plan); err == nil {
		text = plan.String()
	}
	if d.Hold {
		text = "held until somebody starts it, then " + text
	}
	return text
}

// request checks every word before any work begins.
func (c publishCmd) request() (req publisher.Request, err error) {
	if req.App, err = sealift.ParseAppID(c.App); err != nil {
		return req, err
	}
	if req.Channel, err = sealift.ParseChannel(c.Channel); err != nil {
		return req, err
	}
	if req.Version, err = sealift.ParseVersion(c.Version); err != nil {
		return req, err
	}
	if req.Platform, err = sealift.ParsePlatform(c.Platform); err != nil {
		return req, err
	}
	if req.Runtime, err = sealift.ParseRuntimeRange(c.Runtime); err != nil {
		return req, err
	}
	if req.Urgent, err = c.urgency(); err != nil {
		return req, err
	}
	req.Hold, req.Capgo = c.Hold, c.Capgo
	if c.Plan != "" {
		plan, err := readPlan(c.Plan, "--plan FILE")
		if err != nil {
			return req, err
		}
		if req.Plan, err = plan.Encode(); err != nil {
			return req, err
		}
	}
	return req, nil
}

// urgency reads whether the release is urgent, and why: nil for one that can wait.
func (c publishCmd) urgency() (*trust.Urgent, error) {
	switch {
	case !c.Urgent && c.Reason != "":
		return nil, usage("--reason goes with --urgent")
	case c.Urgent && c.Plan != "":
		return nil, usage("--plan goes not with --urgent: an urgent release is for everybody at once")
	case c.Urgent && c.Hold:
		return nil, usage("--hold goes not with --urgent: an urgent release is for everybody at once").
			WithHint("leave out one of the two: what is held is let go with: sealift rollout start VERSION --app %s --reason TEXT", c.App)
	case c.Urgent && strings.TrimSpace(c.Reason) == "":
		return nil, usage("--urgent needs --reason: approvers read why it skips stages and quiet hours, and it is signed").
			WithHint("say why: sealift publish %s --app %s --channel %s --version %s --urgent --reason TEXT", c.Dir, c.App, c.Channel, c.Version)
	case len(c.Reason) > sealift.MaxReason:
		return nil, usage("--reason has %d bytes; at most %d are allowed", len(c.Reason), sealift.MaxReason)
	case !c.Urgent:
		return nil, nil
	}
	return &trust.Urgent{Reason: c.Reason}, nil
}

// urgently says of a release that it is urgent, in a word.
func urgently(u *api.Urgent) string {
	if u == nil {
		return ""
	}
	return ", urgently"
}

// urgency says of a release whether it is urgent, and why.
func urgency(u *api.Urgent) string {
	if u == nil {
		return "no"
	}
	return cmp.Or(u.Reason, "yes")
}

func newPublisher(std *IO, opts APIOptions) (*publisher.Publisher, error) {
	server, err := opts.Open(std)
	if err != nil {
		return nil, err
	}
	c, err := apiclient.New(server.Base.String(), server)
	if err != nil {
		return nil, err
	}
	token, err := access.ParseToken(string(server.token.Bytes()))
	if err != nil {
		return nil, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, "finding the cache folder", "%w", err).WithHint("set HOME or XDG_CACHE_HOME")
	}
	return &publisher.Publisher{
		API: c, Now: std.Now, Progress: std.stage, Note: std.Note, Warn: std.Warn,
		Epochs: &publisher.Metadata{
			Base: server.Base.String(), Root: token.Root(),
			CacheDir: filepath.Join(cache, "sealift", "metadata"), Host: client.NewSystem(),
		},
	}, nil
}

// stage draws one stage of long work.
func (s *IO) stage(name string, total int64) (bundle.Progress, func()) {
	bar := s.Progress(name, total, term.InBytes)
	last := int64(0)
	return func(done, _ int64) {
		bar.Add(done - last)
		last = done
	}, bar.Finish
}

func openBundle(dir string) (*os.Root, error) {
	const op = "opening the bundle"
	root, err := os.OpenRoot(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, sealift.Errorf(sealift.KindNotFound, op, "there is no folder %s", dir).WithHint("build the app first, then name its output folder")
	case errors.Is(err, fs.ErrPermission):
		return nil, sealift.Errorf(sealift.KindDenied, op, "%w", err).WithHint("make the folder readable for you")
	case err != nil:
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%w", err).WithHint("name a folder; its content becomes the bundle")
	}
	return root, nil
}
