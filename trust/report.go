package trust

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/sealift/sealift"
)

// Step is how far a device has come with a release.
type Step string

// The steps. A release that goes well is checked, downloading, verified,
// installed and confirmed.
const (
	StepChecked     Step = "checked"     // looked, and found this release for it; no release is nothing new
	StepDownloading Step = "downloading" // took steps 1 to 3, and began to fetch the blob
	StepVerified    Step = "verified"    // took step 4: the bundle is whole, and in its folder
	StepRefused     Step = "refused"     // did not take it: Kind and Reason say why
	StepInstalled   Step = "installed"   // "current" points to it; it has yet to prove itself
	StepConfirmed   Step = "confirmed"   // it works
	StepRolledBack  Step = "rolled-back" // it failed and was taken back
)

// Report is what a device says of itself (RequestReport): the steps that it has
// not been told are kept, oldest first, and how it is now. It is a claim: its
// signature says which device makes it, and nothing that it is true.
type Report struct {
	Steps []ReportStep `json:"steps,omitempty"` // at most sealift.MaxReportSteps, sequences rising
	Lost  uint64       `json:"lost,omitempty"`  // how many steps the device ever dropped, having no room, or since the vault could not read them
	State DeviceState  `json:"state"`
}

// ReportStep is one step of a device.
type ReportStep struct {
	Sequence uint64 `json:"sequence"` // from 1, rising; never used twice by a device
	Time     Time   `json:"time"`     // by the device's own clock, which may be off by years
	Step     Step   `json:"step"`
	// The release that it is about; all zero where there is none. Of one that was
	// refused before its signature held, Release alone is known.
	Release sealift.Digest  `json:"release,omitzero"` // of release.json
	Version sealift.Version `json:"version,omitempty"`
	Counter sealift.Counter `json:"counter,omitempty"`
	Channel sealift.Channel `json:"channel"`
	// Kind and Reason are those of the typed error, of a step refused or
	// rolled-back.
	Kind   sealift.Kind `json:"kind,omitempty"`
	Reason string       `json:"reason,omitempty"`
	// Took is how long it took since the step before it of the same release, in
	// milliseconds; 0 where that is not known.
	Took int64 `json:"took,omitempty"`
	// Patch is the SHA-256 of the patch from which the bundle was made, of a step
	// verified; absent where it came whole.
	Patch sealift.Digest `json:"patch,omitzero"`
}

// DeviceState is how a device is.
type DeviceState struct {
	// The versions of the TUF metadata that it trusts; 0 for none yet. What a key
	// signed that a root or targets of these versions leaves out, it refuses.
	Root      int64 `json:"root"`
	Targets   int64 `json:"targets"`
	Snapshot  int64 `json:"snapshot"`
	Timestamp int64 `json:"timestamp"`

	Installed *ReportRelease `json:"installed,omitempty"` // the last good one
	Previous  *ReportRelease `json:"previous,omitempty"`  // the good one before it
	Pending   *ReportRelease `json:"pending,omitempty"`   // in place, and not proven yet

	Channel  sealift.Channel  `json:"channel"`
	Platform sealift.Platform `json:"platform"`
	Runtime  sealift.Version  `json:"runtime"`
	// Build and Emulator are what rules of channels look at besides; Build is empty
	// for one that did not say. Excluded is the ChannelRules.Excludes that keeps the
	// device from taking anything of the channel.
	Build    Build  `json:"build,omitempty"`
	Emulator bool   `json:"emulator,omitempty"`
	Excluded string `json:"excluded,omitempty"`
	Client   string `json:"client"` // name and version of the device library, "sealift/1.4.0"
	// Epochs are those whose key it holds, by SHA-256 of the public key.
	Epochs []sealift.Digest `json:"epochs,omitempty"`
}

// ReportRelease names a release on a device.
type ReportRelease struct {
	Release sealift.Digest  `json:"release"` // of release.json
	Version sealift.Version `json:"version"`
	Counter sealift.Counter `json:"counter"`
}

// ReportKept answers a report: what it says is durable.
type ReportKept struct {
	// Through is the highest sequence that the vault keeps of the device. Steps up
	// to it are never to be sent again; the device numbers on above it.
	Through uint64 `json:"through"`
}

var (
	reportReason = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,39}$`)
	clientName   = regexp.MustCompile(`^[!-~]{1,64}$`)
)

// Check refuses what is not of its form, before anything of it is kept.
func (r *Report) Check() error {
	if len(r.Steps) > sealift.MaxReportSteps {
		return fmt.Errorf("%d steps, at most %d are allowed", len(r.Steps), sealift.MaxReportSteps)
	}
	if r.Lost > sealift.MaxReportSequence {
		return errors.New("more steps are lost than there can be")
	}
	var last uint64
	for _, s := range r.Steps {
		if s.Sequence <= last || s.Sequence > sealift.MaxReportSequence {
			return fmt.Errorf("sequence %d behind %d", s.Sequence, last)
		}
		last = s.Sequence
		if err := s.Check(); err != nil {
			return fmt.Errorf("step %d: %w", s.Sequence, err)
		}
	}
	return r.State.check()
}

// Check refuses a step, its sequence aside, that is not of its form.
func (s *ReportStep) Check() error {
	if _, err := sealift.ParseChannel(string(s.Channel)); err != nil {
		return err
	}
	about := !s.Release.IsZero()
	switch s.Step {
	case StepChecked, StepRefused:
	case StepDownloading, StepVerified, StepInstalled, StepConfirmed, StepRolledBack:
		if !about {
			return fmt.Errorf("%s names no release", s.Step)
		}
	default:
		return fmt.Errorf("%.40q is no step", s.Step)
	}
	if s.Version != "" || s.Counter != 0 || about && s.Step != StepRefused {
		if err := (&ReportRelease{s.Release, s.Version, s.Counter}).check(); err != nil {
			return err
		}
	}
	if failed := s.Step == StepRefused || s.Step == StepRolledBack; failed != (s.Kind != "") {
		return errors.New("an error's kind is for what failed, and only for that")
	}
	if s.Kind != "" && !reportReason.MatchString(string(s.Kind)) || s.Reason != "" && (s.Kind == "" || !reportReason.MatchString(s.Reason)) {
		return errors.New("a kind or reason that is none")
	}
	if !s.Patch.IsZero() && s.Step != StepVerified {
		return errors.New("a patch is for what was verified")
	}
	if s.Took < 0 || s.Took > sealift.MaxReportTook.Milliseconds() {
		return errors.New("it took longer than anything does")
	}
	return nil
}

func (r *ReportRelease) check() error {
	if r.Release.IsZero() || r.Counter == 0 || uint64(r.Counter) > sealift.MaxReportSequence {
		return errors.New("a release without its digest or counter")
	}
	_, err := sealift.ParseVersion(string(r.Version))
	return err
}

// ValidClient reports whether a name is of the form of DeviceState.Client: 1 to 64
// visible ASCII characters.
func ValidClient(name string) bool { return clientName.MatchString(name) }

func (s *DeviceState) check() error {
	for _, version := range []int64{s.Root, s.Targets, s.Snapshot, s.Timestamp} {
		if version < 0 || version > sealift.MaxReportSequence {
			return errors.New("a version of metadata that is none")
		}
	}
	for _, release := range []*ReportRelease{s.Installed, s.Previous, s.Pending} {
		if release == nil {
			continue
		}
		if err := release.check(); err != nil {
			return err
		}
	}
	_, channelErr := sealift.ParseChannel(string(s.Channel))
	_, platformErr := sealift.ParsePlatform(string(s.Platform))
	_, runtimeErr := sealift.ParseVersion(string(s.Runtime))
	if err := errors.Join(channelErr, platformErr, runtimeErr); err != nil {
		return err
	}
	if s.Build != "" {
		if _, err := ParseBuild(string(s.Build)); err != nil {
			return err
		}
	}
	if s.Excluded != "" && !reportReason.MatchString(s.Excluded) {
		return errors.New("a reason that is none")
	}
	if !ValidClient(s.Client) {
		return errors.New("the client's name is not 1 to 64 visible ASCII characters")
	}
	if len(s.Epochs) > sealift.MaxEpochKeys {
		return fmt.Errorf("%d epochs, at most %d are held", len(s.Epochs), sealift.MaxEpochKeys)
	}
	return nil
}
