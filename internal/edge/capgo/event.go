package capgo

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
)

// saidEvent is an event as it came.
type saidEvent struct {
	said
	Action text    `json:"action"`
	Old    text    `json:"old_version_name"`
	Time   text    `json:"timestamp"` // in milliseconds since 1970
	More   details `json:"metadata"`
}

// details is any JSON as text.
type details string

// UnmarshalJSON implements json.Unmarshaler.
func (d *details) UnmarshalJSON(data []byte) error {
	if string(data) != "null" {
		*d = details(bounded(string(data)))
	}
	return nil
}

// eventsIn reads a report: a list of events, or one alone. It returns how many of a
// list cannot be read, and are left out.
func eventsIn(body []byte) (events []saidEvent, left int, f *fault) {
	if body = bytes.TrimSpace(body); len(body) == 0 || body[0] != '[' {
		var one saidEvent
		f := unmarshal(body, &one)
		return []saidEvent{one}, 0, f
	}
	list, err := listIn[json.RawMessage](body, sealift.MaxCapgoReport)
	if err != nil || !json.Valid(body) {
		return nil, 0, &fault{codeMalformed, "the body is not a JSON list of the plugin"}
	}
	if len(list) > sealift.MaxCapgoReport {
		return nil, 0, &fault{codeTooLarge, "the report tells of more events than the plugin keeps"}
	}
	for _, item := range list {
		var one saidEvent
		if unmarshal(item, &one) != nil || one.Action == "" {
			left++
			continue
		}
		events = append(events, one)
	}
	return events, left, nil
}

// event is what is kept of it, received at now; path is of a file that failed.
func (e *saidEvent) event(in *Info, path string, now time.Time) store.CapgoEvent {
	out := store.CapgoEvent{
		App: in.App, Device: in.Device, At: momentOf(string(e.Time), now), Action: string(e.Action), Version: string(e.VersionName), Old: string(e.Old),
		Detail: string(e.More), Received: now,
	}
	if out.Detail == "" {
		out.Detail = path
	}
	return out
}

// splitPath takes the path of a file that failed off the version, which it comes
// behind with a colon.
func (e *saidEvent) splitPath() (path string) {
	version, path, _ := strings.Cut(string(e.VersionName), ":")
	e.VersionName = text(version)
	return path
}

// lastMoment is the end of the year 9999, in milliseconds since 1970.
const lastMoment = 253402300799999

// momentOf reads a device's clock, however far off it is; without one, it is now.
func momentOf(ms string, now time.Time) time.Time {
	n, err := strconv.ParseFloat(ms, 64)
	if err != nil || !(n > 0 && n <= lastMoment) {
		return now
	}
	return time.UnixMilli(int64(n)).UTC()
}

// stepOf returns what an action says of its release, in the words of a device of
// Sealift's own; false for nothing.
func stepOf(action string) (step trust.ReportStep, says bool) {
	refused := func(kind sealift.Kind) (trust.ReportStep, bool) {
		return trust.ReportStep{Step: trust.StepRefused, Kind: kind, Reason: action}, true
	}
	switch action {
	case "download_zip_start", "download_manifest_start", "download_0":
		return trust.ReportStep{Step: trust.StepDownloading}, true
	case "download_complete", "download_zip_complete", "download_manifest_complete", "set_next":
		return trust.ReportStep{Step: trust.StepVerified}, true
	case "set":
		return trust.ReportStep{Step: trust.StepInstalled}, true
	case "update_fail":
		return trust.ReportStep{Step: trust.StepRolledBack, Kind: sealift.KindRollback, Reason: action}, true
	case "checksum_fail", "download_manifest_checksum_fail", "download_manifest_brotli_fail":
		return refused(sealift.KindIntegrity)
	case "decrypt_fail", "checksum_required", "session_key_required":
		return refused(sealift.KindSignature)
	case "unzip_fail", "windows_path_fail", "canonical_path_fail", "directory_path_fail", "manifest_path_fail":
		return refused(sealift.KindInvalid)
	case "low_mem_fail", "insufficient_disk_space":
		return refused(sealift.KindExhausted)
	case "set_fail":
		return refused(sealift.KindInternal)
	}
	// The network failed: download_fail, finish_download_fail. They say nothing of the
	// release, and old plugins send them for every answer that is not an update.
	return step, false
}

// released returns the release that an event is about: the one of its version on the
// channel that the device is on, or else the newest of any channel where devices may
// be at their own word, since it may have been there; zero for none. What somebody
// makes up says nothing of a channel that nobody put the device on.
func (a *App) released(in *Info, version sealift.Version, chosen sealift.Channel) sealift.Digest {
	if on, assigned := a.place(in, chosen); on != nil && (assigned || !on.Rules.Private) && on.Lines[in.Platform] != nil {
		if run, known := on.Lines[in.Platform].Runs[version]; known {
			return run.Release
		}
	}
	var newest Run
	for _, channel := range a.Channels {
		if line := channel.Lines[in.Platform]; line != nil && channel.open() {
			if run := line.Runs[version]; run.Counter > newest.Counter {
				newest = run
			}
		}
	}
	return newest.Release
}

// offers reports whether any channel offers a release.
func (a *App) offers(release sealift.Digest) bool {
	for _, channel := range a.Channels {
		for _, line := range channel.Lines {
			if line.Offers(release) {
				return true
			}
		}
	}
	return false
}
