package sealifttest

import (
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

// keepReport keeps what a device says, as the vault does.
func (w *World) keepReport(req *trust.Request) (trust.ReportKept, error) {
	var said trust.Report
	if err := trust.DecodeBody(req.Body, &said); err != nil {
		return trust.ReportKept{}, err
	}
	if err := said.Check(); err != nil {
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
