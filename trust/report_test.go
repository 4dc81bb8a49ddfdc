package trust_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

func goodReport() *trust.Report {
	release := sealift.DigestOf([]byte("release.json"))
	step := func(n uint64, s trust.Step) trust.ReportStep {
		return trust.ReportStep{Sequence: n, Time: trust.At(start), Step: s, Release: release, Version: "1.4.0", Counter: 7, Channel: "production", Took: 20}
	}
	verified := step(3, trust.StepVerified)
	verified.Patch = sealift.DigestOf([]byte("patch"))
	refused := step(9, trust.StepRefused)
	refused.Kind, refused.Reason = sealift.KindIntegrity, "digest"
	at := &trust.ReportRelease{Release: release, Version: "1.4.0", Counter: 7}
	return &trust.Report{
		Steps: []trust.ReportStep{
			{Sequence: 1, Time: trust.At(start), Step: trust.StepChecked, Channel: "production"},
			step(2, trust.StepDownloading), verified, step(5, trust.StepInstalled), step(6, trust.StepConfirmed), refused,
		},
		Lost: 3,
		State: trust.DeviceState{
			Root: 2, Targets: 3, Snapshot: 40, Timestamp: 400, Installed: at, Channel: "production", Platform: "web", Runtime: "1.0.0", Client: "sealift/1.4.0",
			Epochs: []sealift.Digest{release}, Build: trust.BuildDevelopment, Emulator: true, Excluded: "build",
		},
	}
}

func TestReport(t *testing.T) {
	r := goodReport()
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
	body, err := trust.EncodeBody(r)
	if err != nil {
		t.Fatal(err)
	}
	var got trust.Report
	if err := trust.DecodeBody(body, &got); err != nil {
		t.Fatal(err)
	}
	if again, err := trust.EncodeBody(got); err != nil || !bytes.Equal(again, body) {
		t.Errorf("%s\n%s\n%v", body, again, err)
	}
	for what, bend := range map[string]func(*trust.Report){
		"sequence 0":         func(r *trust.Report) { r.Steps[0].Sequence = 0 },
		"a sequence twice":   func(r *trust.Report) { r.Steps[1].Sequence = 1 },
		"falling sequences":  func(r *trust.Report) { slices.Reverse(r.Steps) },
		"a huge sequence":    func(r *trust.Report) { r.Steps[5].Sequence = sealift.MaxReportSequence + 1 },
		"too many steps":     func(r *trust.Report) { r.Steps = make([]trust.ReportStep, sealift.MaxReportSteps+1) },
		"an unknown step":    func(r *trust.Report) { r.Steps[0].Step = "danced" },
		"a patch early":      func(r *trust.Report) { r.Steps[1].Patch = r.Steps[1].Release },
		"no release":         func(r *trust.Report) { r.Steps[1].Release = sealift.Digest{} },
		"no counter":         func(r *trust.Report) { r.Steps[1].Counter = 0 },
		"a strange version":  func(r *trust.Report) { r.Steps[1].Version = "one" },
		"version alone":      func(r *trust.Report) { r.Steps[0].Version = "1.0.0" },
		"no channel":         func(r *trust.Report) { r.Steps[0].Channel = "" },
		"no kind":            func(r *trust.Report) { r.Steps[5].Kind = "" },
		"a kind of success":  func(r *trust.Report) { r.Steps[4].Kind = "integrity" },
		"prose as reason":    func(r *trust.Report) { r.Steps[5].Reason = "it broke" },
		"a long reason":      func(r *trust.Report) { r.Steps[5].Reason = strings.Repeat("x", 41) },
		"negative time":      func(r *trust.Report) { r.Steps[1].Took = -1 },
		"endless time":       func(r *trust.Report) { r.Steps[1].Took = 1 << 60 },
		"negative root":      func(r *trust.Report) { r.State.Root = -1 },
		"an endless root":    func(r *trust.Report) { r.State.Root = 1 << 60 },
		"an endless loss":    func(r *trust.Report) { r.Lost = 1 << 60 },
		"installed nothing":  func(r *trust.Report) { r.State.Installed = &trust.ReportRelease{} },
		"no platform":        func(r *trust.Report) { r.State.Platform = "" },
		"no runtime":         func(r *trust.Report) { r.State.Runtime = "" },
		"no client":          func(r *trust.Report) { r.State.Client = "" },
		"client with lines":  func(r *trust.Report) { r.State.Client = "a\nb" },
		"too many epochs":    func(r *trust.Report) { r.State.Epochs = make([]sealift.Digest, sealift.MaxEpochKeys+1) },
		"a strange build":    func(r *trust.Report) { r.State.Build = "nightly" },
		"prose of exclusion": func(r *trust.Report) { r.State.Excluded = "not for you" },
		"follows nothing":    func(r *trust.Report) { r.State.Channel = "" },
	} {
		r := goodReport()
		bend(r)
		if r.Check() == nil {
			t.Errorf("%s: accepted", what)
		}
	}
}

// TestLargestReport: whatever a device has to say fits in a message.
func TestLargestReport(t *testing.T) {
	c := newCaller(t, testVault)
	digest := func(i int) sealift.Digest { return sealift.DigestOf(fmt.Append(nil, i)) }
	version := sealift.Version("1.0.0-" + strings.Repeat("x", 58))
	channel, word := sealift.Channel(strings.Repeat("c", 64)), strings.Repeat("r", 40)
	at := &trust.ReportRelease{Release: digest(0), Version: version, Counter: sealift.MaxReportSequence}
	r := trust.Report{Lost: sealift.MaxReportSequence, State: trust.DeviceState{
		Root: sealift.MaxReportSequence, Targets: sealift.MaxReportSequence, Snapshot: sealift.MaxReportSequence, Timestamp: sealift.MaxReportSequence,
		Installed: at, Previous: at, Pending: at, Channel: channel, Platform: "web", Runtime: version, Client: strings.Repeat("c", 64),
		Build: trust.BuildDevelopment, Emulator: true, Excluded: word,
	}}
	for i := range sealift.MaxEpochKeys {
		r.State.Epochs = append(r.State.Epochs, digest(i))
	}
	for i := range uint64(sealift.MaxReportSteps) {
		r.Steps = append(r.Steps, trust.ReportStep{
			Sequence: sealift.MaxReportSequence - sealift.MaxReportSteps + 1 + i, Time: trust.At(start.Add(time.Hour)), Step: trust.StepRolledBack,
			Release: digest(int(i)), Version: version, Counter: sealift.MaxReportSequence, Channel: channel, Kind: "unavailable", Reason: word,
			Took: sealift.MaxReportTook.Milliseconds(),
		})
	}
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
	var err error
	c.req.Kind = trust.RequestReport
	if c.req.Body, err = trust.EncodeBody(r); err != nil {
		t.Fatal(err)
	}
	message, err := trust.SignRequest(c.req, c.key)
	if err != nil {
		t.Fatal(err)
	}
	if len(message) > sealift.MaxMessage {
		t.Errorf("%d bytes", len(message))
	}
	if _, err := trust.ParseRequest(message); err != nil {
		t.Error(err)
	}
	if !json.Valid(c.req.Body) {
		t.Error("no JSON")
	}
}
