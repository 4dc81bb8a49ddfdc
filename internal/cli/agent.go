package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/internal/term"
	"github.com/sealift/sealift/trust"
)

type agentCmd struct {
	Run     agentRunCmd     `cmd:"" default:"withargs" help:"Keep a folder up to date: check, verify, install, confirm."`
	Confirm agentConfirmCmd `cmd:"" help:"Say that the release which was installed last works."`
}

// Help names the flags' place: kong shows a command's, not its default's.
func (agentCmd) Help() string {
	return `Without another word, "sealift agent" is "sealift agent run": see "sealift agent run --help" for its flags.`
}

type agentRunCmd struct {
	Server      string        `required:"" placeholder:"URL" help:"Base URL of the server."`
	App         string        `required:"" placeholder:"ID" help:"The app."`
	Channel     string        `placeholder:"NAME" help:"The channel to follow. Without it, the app's default."`
	Switch      string        `name:"switch-channel" placeholder:"NAME" xor:"switch" help:"Ask the vault first to put the device on this channel, whatever --channel says: one that devices may put themselves on."`
	SwitchBack  bool          `xor:"switch" help:"Ask the vault first to take the device off the channel that it was switched to."`
	Dir         string        `required:"" placeholder:"DIR" help:"The device's folder: its keys, its state, and the bundle behind the link current."`
	Root        string        `required:"" placeholder:"FILE" help:"A root.json of the vault, from its owner. Later ones are found from there."`
	TokenFile   string        `placeholder:"FILE" help:"Enrolment token, readable by you only; needed once, unless the app enrols openly."`
	Platform    string        `default:"web" placeholder:"P" help:"The kind of host."`
	Runtime     string        `default:"0.0.0" placeholder:"V" help:"Version of the native host."`
	Build       string        `enum:"production,development" default:"production" placeholder:"B" help:"How the native host was built: production or development."`
	Emulator    bool          `help:"The host is an emulator."`
	Once        bool          `xor:"often" help:"Check once and end, with an exit code that says how it went."`
	Every       time.Duration `placeholder:"DURATION" xor:"often" help:"How often to check, give or take a tenth: an hour, unless it is given."`
	PatchLimit  *byteSize     `placeholder:"SIZE" help:"How long the archives may be that patches are applied to, 128MiB at most and unless it is given: memory for both is taken meanwhile. 0 for whole bundles only."`
	QuietHours  []string      `placeholder:"FROM-TO" help:"Times of day, such as 08:00-20:00, by this machine's local time, in which only urgent releases are installed."`
	HealthCmd   string        `placeholder:"CMD" xor:"proof" help:"Shell command that decides over a new release: run in its folder, exit code 0 keeps it, another takes it back."`
	WaitConfirm time.Duration `placeholder:"DURATION" xor:"proof" help:"Without --health-cmd: how long a new release has until sealift agent confirm, before it is taken back. With neither, it is kept."`
}

// Run implements the command.
func (c *agentRunCmd) Run(ctx context.Context, std *IO) error { return runAgent(ctx, std, *c) }

func runAgent(ctx context.Context, std *IO, opts agentRunCmd) (err error) {
	cfg, err := opts.config(std)
	if err != nil {
		return err
	}
	device, err := client.Open(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, device.Close()) }()
	for switched := false; ; {
		err := opts.enrol(ctx, std, device)
		if err == nil && !switched {
			err = opts.switchChannel(ctx, std, device)
			switched = err == nil
		}
		if err == nil {
			err = opts.update(ctx, std, device)
			tell(ctx, std, device)
		}
		if opts.Once || ctx.Err() != nil {
			return err
		}
		if err != nil { // said, and tried again later: the device keeps what it has
			std.report(err)
		}
		pause := time.NewTimer(opts.pause())
		select {
		case <-ctx.Done():
			pause.Stop()
			return nil
		case <-pause.C:
		}
	}
}

// pause spreads the fleet: checks that began together drift apart.
func (c agentRunCmd) pause() time.Duration {
	every := cmp.Or(c.Every, time.Hour)
	return every - every/10 + rand.N(every/5+1)
}

func (c agentRunCmd) config(std *IO) (client.Config, error) {
	app, appErr := sealift.ParseAppID(c.App)
	channel, channelErr := parseChannel(c.Channel)
	_, switchErr := parseChannel(c.Switch)
	platform, platformErr := sealift.ParsePlatform(c.Platform)
	runtime, runtimeErr := sealift.ParseVersion(c.Runtime)
	for _, err := range []error{appErr, channelErr, switchErr, platformErr, runtimeErr} {
		if err != nil {
			return client.Config{}, err
		}
	}
	if c.Every != 0 && c.Every < time.Minute {
		return client.Config{}, sealift.Errorf(sealift.KindInvalid, "reading --every", "%s is too often", c.Every).WithHint("use a minute or more")
	}
	quiet := make([]client.QuietHours, len(c.QuietHours))
	for i, span := range c.QuietHours {
		var err error
		if quiet[i], err = client.ParseQuietHours(span); err != nil {
			return client.Config{}, err
		}
	}
	patchLimit, err := c.patchLimit()
	if err != nil {
		return client.Config{}, err
	}
	root, err := readRootFile(c.Root)
	if err != nil {
		return client.Config{}, err
	}
	cfg := client.Config{
		Server: c.Server, App: app, Channel: channel, Platform: platform, Runtime: runtime,
		Dir: c.Dir, Root: root, ConfirmWithin: c.WaitConfirm, Progress: agentProgress(std), Client: clientName(std),
		Quiet: quiet, PatchLimit: patchLimit, Build: trust.Build(c.Build), Emulator: c.Emulator,
	}
	if c.HealthCmd != "" {
		cfg.HealthCheck = func(ctx context.Context, dir string) error { return runHealth(ctx, std, c.HealthCmd, dir) }
	}
	return cfg, nil
}

// parseChannel reads a channel that need not be named.
func parseChannel(name string) (sealift.Channel, error) {
	if name == "" {
		return "", nil
	}
	return sealift.ParseChannel(name)
}

// switchChannel asks the vault for the channel that was named, once.
func (c agentRunCmd) switchChannel(ctx context.Context, std *IO, device *client.Device) error {
	if c.Switch == "" && !c.SwitchBack {
		return nil
	}
	if err := device.SetChannel(ctx, sealift.Channel(c.Switch)); err != nil {
		return err
	}
	if c.SwitchBack {
		std.Note("this device is on no channel any more that it asked for")
		return nil
	}
	std.Note("the vault put this device on channel %s", c.Switch)
	return nil
}

// patchLimit is --patch-limit as package client has it.
func (c agentRunCmd) patchLimit() (int64, error) {
	switch {
	case c.PatchLimit == nil:
		return 0, nil
	case *c.PatchLimit == 0:
		return -1, nil
	case *c.PatchLimit > sealift.MaxPatchArchive:
		return 0, sealift.Errorf(sealift.KindInvalid, "reading --patch-limit", "no patch is for archives longer than %s", term.Bytes(sealift.MaxPatchArchive)).
			WithHint("use --patch-limit %dMiB or less, or 0 for whole bundles only", sealift.MaxPatchArchive>>20)
	}
	return int64(*c.PatchLimit), nil
}

// clientName is what the agent calls itself in reports.
func clientName(std *IO) string {
	name := "sealift-agent/" + cmp.Or(std.Build.Version, "unknown")
	if !trust.ValidClient(name) {
		return "sealift-agent/unknown"
	}
	return name
}

func readRootFile(path string) ([]byte, error) {
	return readBounded(path, "root.json", sealift.MaxRoot, "name the root.json that sealift init wrote to the keys folder")
}

// readBounded reads a file of at most most bytes; what names it in errors, and
// hint says what to name instead.
func readBounded(path, what string, most int64, hint string) ([]byte, error) {
	op := "reading " + what
	f, err := os.Open(path)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindNotFound, op, "%w", err).WithHint("%s", hint)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s has more than %d bytes", path, most)
	}
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%w", err).WithHint("%s", hint)
	}
	return data, nil
}

func agentProgress(std *IO) func(client.Step, int64, int64) {
	var bar *term.Progress
	var step client.Step
	var last, of int64
	return func(now client.Step, done, total int64) {
		if now != step || total != of || done < last { // another blob: a patch was dropped
			bar.Finish()
			bar, step, last, of = std.Progress(string(now), total, term.InBytes), now, 0, total
		}
		bar.Add(done - last)
		if last = done; done >= total {
			bar.Finish()
		}
	}
}

// healthTimeout bounds one run of the health command.
const healthTimeout = 5 * time.Minute

// runHealth runs the operator's own command. What it prints goes to stderr:
// stdout is the agent's result.
func runHealth(ctx context.Context, std *IO, command, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, std.Err, std.Err
	cmd.WaitDelay = time.Second
	// It runs what was just downloaded: no secret of ours is for it.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "SEALIFT_") })
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the health command: %w", err)
	}
	return nil
}

// enrol makes the device known to the vault, once.
func (c agentRunCmd) enrol(ctx context.Context, std *IO, device *client.Device) error {
	done, err := device.Enrolled()
	if err != nil || done {
		return err
	}
	var token sealift.EnrolmentToken
	if c.TokenFile != "" {
		secret, err := term.ReadSecretFile(c.TokenFile, "enrolment token")
		if err != nil {
			return err
		}
		defer secret.Clear()
		if token, err = sealift.ParseEnrolmentToken(string(secret.Bytes())); err != nil {
			return err
		}
	}
	if err := device.Enrol(ctx, token); err != nil {
		return err
	}
	std.Note("enrolled as device %s", device.ID())
	return nil
}

// update runs one check to its end, through the wait for confirm.
func (c agentRunCmd) update(ctx context.Context, std *IO, device *client.Device) error {
	result, err := device.Update(ctx)
	noteDelivery(std, result.Delivery)
	if err == nil && result.Outcome == client.OutcomePending {
		if std.JSON { // a program, too, must know that it is its turn
			if err := printAgentResult(std, device, result); err != nil {
				return err
			}
		}
		std.Note("version %s is in place; confirm it within %s: sealift agent confirm --dir %s", result.Pending.Version, c.WaitConfirm, c.Dir)
		tell(ctx, std, device)
		result, err = device.Await(ctx)
	}
	if printed := printAgentResult(std, device, result); printed != nil {
		return errors.Join(err, printed)
	}
	return err
}

// noteDelivery says how a bundle came, to who pays for the bytes.
func noteDelivery(std *IO, d *client.Delivery) {
	if d == nil {
		return
	}
	if d.Dropped != nil {
		std.Note("the patch was dropped, and the whole bundle taken: %s", d.Dropped.Message)
	}
	what := "the whole bundle"
	if d.Base != nil {
		what = "a patch against what is installed"
	}
	std.Note("fetched %s: %s", term.Bytes(d.Fetched), what)
}

// tell reports to the vault what the device did. That it cannot be told now is no
// failure: it is told later, unless the vault wants to hear of the device no more.
func tell(ctx context.Context, std *IO, device *client.Device) {
	switch left, err := device.Report(ctx); {
	case err == nil || ctx.Err() != nil:
	case sealift.ReasonOf(err) == "revoked":
		std.Warn("the vault takes no reports of this device any more, and gives it no keys: %v", err)
	default:
		std.Note("the vault is told later what this device did (%d steps): %v", left, err)
	}
}

// agentResult is what the agent prints of one check.
type agentResult struct {
	Device sealift.DeviceID `json:"device"`
	client.Result
}

func printAgentResult(std *IO, device *client.Device, r client.Result) error {
	return std.Print(agentResult{device.ID(), r}, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, describe(r))
		if err == nil && r.Blocked {
			_, err = fmt.Fprintln(w, "the installed release is outdated: its owner wants nobody to run it")
		}
		return err
	})
}

func describe(r client.Result) string {
	installed := "nothing is installed"
	if r.Installed != nil {
		installed = fmt.Sprintf("version %s (counter %d) is installed", r.Installed.Version, r.Installed.Counter)
	}
	switch r.Outcome {
	case client.OutcomeAvailable:
		if r.Waits != nil {
			return fmt.Sprintf("version %s waits for the end of quiet hours, at %s: %s", r.Available.Version, r.Waits.Format("2006-01-02 15:04"), installed)
		}
	case client.OutcomeUpdated:
		return "updated: " + installed
	case client.OutcomeCurrent:
		if r.Excluded != "" {
			return fmt.Sprintf("channel %s is not for this device (%s): %s", r.Channel, r.Excluded, installed)
		}
		return "nothing newer: " + installed
	case client.OutcomePending:
		return fmt.Sprintf("version %s waits to be confirmed; before it, %s", r.Pending.Version, installed)
	case client.OutcomeRolledBack:
		return "taken back: " + installed
	}
	return string(r.Outcome) + ": " + installed
}

type agentConfirmCmd struct {
	Dir string `required:"" placeholder:"DIR" help:"The device's folder."`
}

// Run implements the command.
func (c *agentConfirmCmd) Run(std *IO) error { return runAgentConfirm(std, *c) }

func runAgentConfirm(std *IO, opts agentConfirmCmd) error {
	if _, err := os.Stat(opts.Dir); err != nil {
		return sealift.Errorf(sealift.KindNotFound, "confirming a release", "%w", err).WithHint("name the folder that the agent was given with --dir")
	}
	result, err := client.ConfirmIn(client.NewSystem(), opts.Dir)
	if err != nil {
		return err
	}
	return std.Print(result, Println("confirmed version %s", result.Installed.Version))
}
