package vault

import (
	"context"
	"errors"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
)

// TestAct: what was done and what was refused is an entry, and what is broken is
// none.
func TestAct(t *testing.T) {
	w := newWorld(t)
	refusal := func(kind sealift.Kind, reason string) error {
		return sealift.Errorf(kind, "acting", "no").WithReason(reason)
	}
	for name, c := range map[string]struct {
		err    error
		result audit.Result // empty: no entry
		reason string
	}{
		"done":                     {nil, audit.OK, ""},
		"refused for a reason":     {refusal(sealift.KindDenied, "role"), audit.Refused, "role"},
		"refused, by kind":         {refusal(sealift.KindConflict, ""), audit.Refused, string(sealift.KindConflict)},
		"the disk is full":         {refusal(sealift.KindExhausted, "disk"), "", ""},
		"something is broken":      {errors.New("broken"), "", ""},
		"the network is away":      {refusal(sealift.KindNetwork, ""), "", ""},
		"the vault was sealed now": {refusal(sealift.KindSealed, ""), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			size := w.logSize()
			err := w.vault.Act(t.Context(), audit.Entry{Time: start, Actor: alice, Action: "test.act"}, func(_ *Tx, e *audit.Entry) error {
				e.Subject, e.Details["asked"] = "thing", "yes"
				return c.err
			})
			if !errors.Is(err, c.err) {
				t.Errorf("returned %v", err)
			}
			entries := w.entries(size)
			if c.result == "" {
				if len(entries) != 0 {
					t.Errorf("entered %+v", entries)
				}
				return
			}
			if len(entries) != 1 || entries[0].Result != c.result || entries[0].Subject != "thing" || entries[0].Details["asked"] != "yes" ||
				entries[0].Details["reason"] != c.reason || entries[0].Actor != alice {
				t.Errorf("entered %+v", entries)
			}
		})
	}
}

// TestRefuse: the caller's details stay as they are, and an entry that cannot be
// written is said beside what was refused.
func TestRefuse(t *testing.T) {
	w := newWorld(t)
	why := sealift.Errorf(sealift.KindDenied, "acting", "no").WithReason("role")
	details := map[string]string{"asked": "yes"}
	e := audit.Entry{Time: start, Actor: alice, Action: "test.act", Details: details}
	size := w.logSize()
	if err := w.vault.Refuse(t.Context(), e, why); !errors.Is(err, why) || !audit.IsEntered(err) || len(details) != 1 {
		t.Errorf("returned %v, details %v", err, details)
	}
	if entries := w.entries(size); len(entries) != 1 || entries[0].Result != audit.Refused || entries[0].Details["reason"] != "role" {
		t.Errorf("entered %+v", entries)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.vault.Refuse(over, e, why); !errors.Is(err, why) || !errors.Is(err, context.Canceled) || audit.IsEntered(err) {
		t.Errorf("without a database: %v", err)
	}
}
