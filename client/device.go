package client

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"sync"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// Config says what a device is and where it lives.
type Config struct {
	Server string        // the address of a Sealift server: https://updates.example.com
	App    sealift.AppID // what is updated
	// Channel is the line of releases that it follows, unless the vault put it on
	// another one; empty for the default of the app.
	Channel  sealift.Channel
	Platform sealift.Platform // the kind of host
	Runtime  sealift.Version  // of the native host
	// Build and Emulator are what rules of channels look at besides; empty is
	// trust.BuildProduction. Nobody checks what a host says of itself.
	Build    trust.Build
	Emulator bool
	// Dir is the device's folder (see the package comment). It must be on one
	// file system that can sync and link. On unix it must belong to the user of
	// this process, and nobody else may write to it.
	Dir string
	// Root is a root.json of the vault that the app was shipped with.
	Root []byte

	// HealthCheck, if set, decides over each new release: it is called when
	// "current" points to it already, with the path of its folder, and an error
	// takes the release back. One that does not come back after the third start
	// (the machine went down with it) counts as failed.
	HealthCheck func(ctx context.Context, dir string) error
	// ConfirmWithin, if set and there is no HealthCheck, is how long a new
	// release has until somebody calls Confirm, before it is taken back (see
	// time in the package comment).
	//
	// With neither, a release is confirmed at once, and never taken back.
	ConfirmWithin time.Duration

	// Quiet are the times of day in which no release replaces another, unless it
	// says that it is urgent; nil for none. They must leave a minute of the day.
	Quiet []QuietHours

	// PatchLimit is how long the archives on either side of a patch may be for this
	// device to take it, in bytes: applying one takes as much memory as both of them
	// and 24 MiB, and is not tried again if the process is ended meanwhile. 0 means
	// sealift.MaxPatchArchive, above which none takes effect; less than 0 means whole
	// bundles only.
	PatchLimit int64

	// Client is the name and version of the program that updates, for reports, in
	// at most 64 visible ASCII characters; empty means "sealift".
	Client string

	// Progress, if set, is told how far a step has come, in bytes.
	Progress func(step Step, done, total int64)
	// Host is the machine; nil means NewSystem.
	Host Host
}

// Step is a long part of an update.
type Step string

// The steps that Progress hears of.
const (
	StepFetch Step = "fetch" // the blob, from the network
	StepOpen  Step = "open"  // the bundle, from the staged blob
)

// Names within a device's folder. The bundle folders are bundles/a and
// bundles/b.
const (
	agentLock   = "agent.lock"
	metadataDir = "tuf"
	stagingDir  = "staging"
	releasesDir = "releases"
	bundlesDir  = "bundles"
	currentLink = "current"
)

// Device is one installation of an app. Its methods may be called from several
// goroutines and take turns. One process at a time can have it open.
type Device struct {
	cfg   Config
	files Files
	lock  io.Closer
	store stateStore
	wire  *wire
	meta  *Metadata
	keys  *deviceKeys
	// Of the last refresh of this process; nil before it.
	rules    *trust.Rules
	channels *trust.Channels

	mu    sync.Mutex
	watch watch
}

// Open opens a device's folder, or makes one with fresh keys. It puts right
// what a crash left half done, and talks to nobody. A folder that another
// process has open is KindConflict.
func Open(cfg Config) (*Device, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Host == nil {
		cfg.Host = NewSystem()
	}
	files, err := cfg.Host.Files(cfg.Dir)
	if err != nil {
		return nil, err
	}
	d := &Device{cfg: cfg, files: files, store: stateStore{files}, wire: newWire(cfg.Host.Transport())}
	if err := d.open(); err != nil {
		_ = d.Close()
		return nil, err
	}
	return d, nil
}

func (c *Config) check() (err error) {
	if c.Server, err = parseBase(c.Server); err != nil {
		return err
	}
	_, appErr := sealift.ParseAppID(string(c.App))
	var channelErr error
	if c.Channel != "" {
		_, channelErr = sealift.ParseChannel(string(c.Channel))
	}
	_, buildErr := trust.ParseBuild(string(cmp.Or(c.Build, trust.BuildProduction)))
	_, platformErr := sealift.ParsePlatform(string(c.Platform))
	_, runtimeErr := sealift.ParseVersion(string(c.Runtime))
	for _, err := range []error{appErr, channelErr, buildErr, platformErr, runtimeErr} {
		if err != nil {
			return err
		}
	}
	c.Build = cmp.Or(c.Build, trust.BuildProduction)
	if c.Client = cmp.Or(c.Client, "sealift"); !trust.ValidClient(c.Client) {
		return sealift.Errorf(sealift.KindInvalid, "opening a device", "the client's name is not 1 to 64 visible ASCII characters")
	}
	if err := checkQuiet(c.Quiet); err != nil {
		return err
	}
	if c.Dir == "" {
		return sealift.Errorf(sealift.KindInvalid, "opening a device", "no folder was named")
	}
	// The process may move while the device is open.
	if c.Dir, err = filepath.Abs(c.Dir); err != nil {
		return diskError("opening a device", err)
	}
	if _, err := parseRoot(c.Root); err != nil {
		return sealift.Errorf(sealift.KindInvalid, "opening a device", "the root.json to begin with: %w", err).WithReason("root").
			WithHint("use the root.json that the vault's owner gave out")
	}
	return nil
}

func (d *Device) open() (err error) {
	if err := checkFolder(d.files, d.cfg.Dir); err != nil {
		return err
	}
	if d.lock, err = d.files.Lock(agentLock); err != nil {
		return err
	}
	st, err := d.store.load()
	if err != nil {
		return err
	}
	claimed := st
	if err := d.claim(&claimed); err != nil {
		return err
	}
	if d.keys, err = openKeys(d.files, st.Enrolled); err != nil {
		return err
	}
	if claimed.App != st.App || claimed.Reports.Channel != st.Reports.Channel {
		if _, err := d.store.change(d.claim); err != nil {
			return err
		}
	}
	if err := d.relink(); err != nil {
		return err
	}
	d.meta, err = OpenMetadata(MetadataConfig{
		URL: d.cfg.Server + "v1/metadata", TargetsURL: d.cfg.Server + "v1/targets",
		Dir: filepath.Join(d.cfg.Dir, metadataDir), Root: d.cfg.Root,
		Memory: stateMemory{d.store}, Host: d.cfg.Host,
	})
	return err
}

// claim has a new state be that of this device's app. Which channel it follows, a
// check says.
func (d *Device) claim(s *state) error {
	if s.App != "" && s.App != d.cfg.App {
		return sealift.Errorf(sealift.KindConflict, "opening a device", "%s belongs to app %s, not to %s", d.cfg.Dir, s.App, d.cfg.App).
			WithHint("give each app a folder of its own")
	}
	s.App, s.Reports.Channel = d.cfg.App, cmp.Or(s.Reports.Channel, d.cfg.Channel)
	return nil
}

// relink makes "current" point to where the state says. The state is written
// first, so a crash between the two ends here. It is held meanwhile, so that no
// link follows a state that is no more.
func (d *Device) relink() error {
	const op = "pointing current at the installed release"
	lock, err := d.store.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	s, err := d.store.load()
	if err != nil {
		return err
	}
	have, err := d.files.ReadLink(currentLink)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return diskError(op, err)
	}
	slot := s.slot()
	switch {
	case slot == "" && err == nil:
		if err := errors.Join(d.files.RemoveAll(currentLink), d.files.Sync(".")); err != nil {
			return diskError(op, err)
		}
	case slot != "" && have != path.Join(bundlesDir, slot):
		if err := d.files.Link(path.Join(bundlesDir, slot), currentLink); err != nil {
			return diskError(op, err)
		}
	}
	return nil
}

// ID returns the device's id, which it has from the start.
func (d *Device) ID() sealift.DeviceID { return d.keys.id }

// Enrolled reports whether the vault knows this device.
func (d *Device) Enrolled() (bool, error) {
	s, err := d.store.load()
	return s.Enrolled, err
}

// Close gives the folder back, and the host's idle connections.
func (d *Device) Close() error {
	d.wire.client.CloseIdleConnections()
	var errs []error
	if d.meta != nil {
		errs = append(errs, d.meta.Close())
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
	}
	return errors.Join(append(errs, d.files.Close())...)
}

func (d *Device) progress(step Step) func(done, total int64) {
	if d.cfg.Progress == nil {
		return nil
	}
	return func(done, total int64) { d.cfg.Progress(step, done, total) }
}

// Result says how things stand after a check or an update.
type Result struct {
	Outcome Outcome `json:"outcome"`
	// Installed is the last good release, Pending one that is in place and has
	// to prove itself. nil is none.
	Installed *Installed `json:"installed"`
	Pending   *Pending   `json:"pending,omitempty"`
	// Available is what a Check found, or an Update left for later, refused or
	// took back.
	Available *Available `json:"available,omitempty"`
	// Waits is set where Available waits for the end of quiet hours, and is that
	// end, by the machine's clock.
	Waits *time.Time `json:"waits,omitempty"`
	// Delivery says how the bundle came that this Update fetched; nil if it fetched
	// none.
	Delivery *Delivery `json:"delivery,omitempty"`
	// Channel is the one that the device follows, as of its last check; empty if it
	// has none. Excluded says why that is not for this device, which takes nothing
	// from it then: "private", "platform", "runtime", "build" or "emulator".
	Channel  sealift.Channel `json:"channel,omitempty"`
	Excluded string          `json:"excluded,omitempty"`
	// Blocked says that the installed release is under a floor: it is outdated
	// to a degree that its owner wants nobody to run it.
	Blocked bool `json:"blocked"`
	// Stale says that the server's metadata has expired, so that nothing is
	// known of what is current.
	Stale bool `json:"stale"`
}

// Outcome is what came of a check or an update, in a word.
type Outcome string

// The outcomes.
const (
	OutcomeCurrent    Outcome = "current"     // there is nothing newer for this device
	OutcomeAvailable  Outcome = "available"   // there is; from Check, and in quiet hours
	OutcomePending    Outcome = "pending"     // a release is in place and waits for Confirm
	OutcomeUpdated    Outcome = "updated"     // a release is in place and confirmed
	OutcomeRolledBack Outcome = "rolled-back" // a release failed and was taken back
	OutcomeFailed     Outcome = "failed"      // the error says why; what was installed still is
)

// Available describes a release that passed steps 1 to 3. Of one that was taken
// back, Act and Blob are no longer known.
type Available struct {
	Release sealift.Digest  `json:"release"` // of release.json
	Version sealift.Version `json:"version"`
	Counter sealift.Counter `json:"counter"`
	Act     sealift.Act     `json:"act,omitempty"`
	Archive trust.Pointer   `json:"archive"`
	Blob    *trust.Pointer  `json:"blob,omitempty"` // the whole bundle, as it is fetched
	// Patch is fetched in place of Blob, where there is one against what is
	// installed, unless an earlier Update gave it up.
	Patch *trust.Pointer `json:"patch,omitempty"`
	// Urgent is set where the release says that it waits for nothing.
	Urgent *trust.Urgent `json:"urgent,omitempty"`
}

// Status says what is installed, without asking the server.
func (d *Device) Status() (Result, error) {
	s, err := d.store.load()
	return s.result(OutcomeCurrent), err
}

func (s *state) result(o Outcome) Result {
	if s.Pending != nil && o == OutcomeCurrent {
		o = OutcomePending
	}
	return Result{Outcome: o, Installed: s.Installed, Pending: s.Pending, Channel: s.Reports.Channel, Excluded: s.Excluded, Blocked: s.Blocked}
}

// failed completes the result of something that ended in err.
func (d *Device) failed(r Result, err error) (Result, error) {
	if s, loadErr := d.store.load(); loadErr == nil {
		available := r.Available
		r = s.result(OutcomeFailed)
		r.Available = available
	}
	switch {
	case sealift.KindOf(err) == sealift.KindRollback:
		r.Outcome = OutcomeRolledBack
	case sealift.KindOf(err) == sealift.KindMetadata && sealift.ReasonOf(err) == "expired":
		r.Stale = true
	}
	return r, err
}
