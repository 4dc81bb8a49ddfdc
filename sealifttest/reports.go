package sealifttest

import (
	"errors"
	"slices"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// Reported returns every step that a device reported, each once, and how it said
// it was when it last did.
func (w *World) Reported(id sealift.DeviceID) ([]trust.ReportStep, trust.DeviceState) {
	w.desk.mu.Lock()
	defer w.desk.mu.Unlock()
	r := w.desk.reports[id]
	return slices.Clone(r.Steps), r.State
}

// Outdate lets the vault refuse reports as malformed in which strange finds something,
// as a vault does that is older than the device. nil ends that.
func (w *World) Outdate(strange func(*trust.Report) bool) {
	w.desk.mu.Lock()
	defer w.desk.mu.Unlock()
	w.desk.strange = strange
}

// keepReport keeps what a device says, as the vault does.
func (w *World) keepReport(req *trust.Request) (trust.ReportKept, error) {
	var said trust.Report
	if err := trust.DecodeBody(req.Body, &said); err != nil {
		return trust.ReportKept{}, err
	}
	err := said.Check()
	if err == nil && w.desk.strange != nil && w.desk.strange(&said) {
		err = errors.New("it is of a newer device")
	}
	if err != nil {
		return trust.ReportKept{}, sealift.Errorf(sealift.KindInvalid, "keeping a report", "%w", err).WithReason("malformed")
	}
	kept := w.desk.reports[req.Device]
	var through uint64
	if n := len(kept.Steps); n > 0 {
		through = kept.Steps[n-1].Sequence
	}
	for _, step := range said.Steps {
		if step.Sequence > through {
			kept.Steps, through = append(kept.Steps, step), step.Sequence
		}
	}
	kept.State, kept.Lost = said.State, said.Lost
	w.desk.reports[req.Device] = kept
	return trust.ReportKept{Through: through}, nil
}
