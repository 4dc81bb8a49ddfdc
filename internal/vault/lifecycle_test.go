package vault

import (
	"slices"
	"testing"
)

// Every cell of the table, written out a second time in another form.
func TestTransitionsCellByCell(t *testing.T) {
	const table = `
              pre-active active suspended deactivated compromised destroyed
pre-active    -          yes    -         -           yes         yes
active        -          -      yes       yes         yes         -
suspended     -          yes    -         yes         yes         -
deactivated   -          -      -         -           yes         yes
compromised   -          -      -         -           -           yes
destroyed     -          -      -         -           -           -
`
	cells := cellsOf(t, table)
	if len(cells) != 36 {
		t.Fatalf("%d cells, want 36", len(cells))
	}
	for _, c := range cells {
		if got := CanTransition(State(c.row), State(c.column)); got != (c.value == "yes") {
			t.Errorf("%s to %s: %v", c.row, c.column, got)
		}
	}
	if CanTransition("", Active) || CanTransition(Active, "") || CanTransition("lost", "found") {
		t.Error("a state that is none has a transition")
	}
}

func TestStatePermitsCellByCell(t *testing.T) {
	const table = `
              sign export mac wrap
pre-active    -    -      -   -
active        yes  yes    yes yes
suspended     -    -      -   -
deactivated   -    yes    -   yes
compromised   -    -      -   -
destroyed     -    -      -   -
`
	for _, c := range cellsOf(t, table) {
		if got := State(c.row).permits(Operation(c.column)); got != (c.value == "yes") {
			t.Errorf("%s in %s: %v", c.column, c.row, got)
		}
	}
	if Active.permits("") || State("").permits(OpSign) {
		t.Error("an unknown state or operation is permitted")
	}
}

func TestParseState(t *testing.T) {
	for _, s := range States() {
		if got, err := ParseState(string(s)); err != nil || got != s {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "Active", "lost"} {
		if _, err := ParseState(s); err == nil {
			t.Errorf("%q accepted", s)
		}
	}
	if len(States()) != len(transitions) {
		t.Error("States does not list every state")
	}
}

func TestPoliciesAreWhole(t *testing.T) {
	operationOf := map[Algorithm]Operation{
		Ed25519: OpSign, ECDSAP256: OpSign, ECDSAP384: OpSign, RSA4096: OpSign, RSA2048: OpEncode,
		HPKEHybrid: OpExport, HPKEP256: OpExport, HMACSHA256: OpMAC, AES256: OpWrap,
	}
	if len(Purposes()) != 12 || !slices.IsSorted(Purposes()) {
		t.Errorf("purposes: %v", Purposes())
	}
	for _, p := range Purposes() {
		if _, err := ParsePurpose(string(p)); err != nil {
			t.Error(err)
		}
		if len(p.Algorithms()) == 0 {
			t.Errorf("%s has no algorithm", p)
		}
		for _, a := range p.Algorithms() {
			if operationOf[a] != p.Operation() {
				t.Errorf("%s allows %s, which does not %s", p, a, p.Operation())
			}
		}
		if usual, longest := p.Cryptoperiod(); usual <= 0 || usual > longest {
			t.Errorf("%s: cryptoperiod %v of at most %v", p, usual, longest)
		}
	}
	if _, err := ParsePurpose("signing"); err == nil {
		t.Error("an unknown purpose is accepted")
	}
}
