package vault

import "github.com/sealift/sealift"

// State is where a key version is in its life (SP 800-57 part 1 rev. 5,
// section 7).
type State string

// The states. Their order here is the order of the table below.
const (
	PreActive   State = "pre-active"  // made, not yet to be used
	Active      State = "active"      // does what its purpose allows
	Suspended   State = "suspended"   // does nothing for now, may come back
	Deactivated State = "deactivated" // signs and seals nothing more; opens what was sealed to it
	Compromised State = "compromised" // does nothing; what it signed is under doubt
	Destroyed   State = "destroyed"   // its private material is erased; the row stays
)

// States returns all states in the order of a life.
func States() []State {
	return []State{PreActive, Active, Suspended, Deactivated, Compromised, Destroyed}
}

// transitions holds the allowed changes. It is stricter than SP 800-57 in one
// thing: a key in service (active or suspended) is never destroyed in one step,
// because that step cannot be taken back; it is deactivated or declared
// compromised first.
var transitions = map[State][]State{
	PreActive:   {Active, Compromised, Destroyed},
	Active:      {Suspended, Deactivated, Compromised},
	Suspended:   {Active, Deactivated, Compromised},
	Deactivated: {Compromised, Destroyed},
	Compromised: {Destroyed},
	Destroyed:   {},
}

// CanTransition reports whether a key version in state from may be put into
// state to. No state leads to itself.
func CanTransition(from, to State) bool {
	for _, allowed := range transitions[from] {
		if allowed == to {
			return true
		}
	}
	return false
}

// ParseState accepts the six states.
func ParseState(s string) (State, error) {
	if _, ok := transitions[State(s)]; !ok {
		return "", sealift.Errorf(sealift.KindInvalid, "parsing key state", "%.40q is not a state", s).
			WithHint("states are %v", States())
	}
	return State(s), nil
}

// permits reports whether a key in state s may do op. A deactivated key still
// opens what was sealed to it while it was active (SP 800-57, section 7.4), so
// that devices can install releases of an earlier epoch; all else is for
// active keys.
func (s State) permits(op Operation) bool {
	switch op {
	case OpExport, OpWrap:
		return s == Active || s == Deactivated
	case OpSign, OpMAC, OpEncode:
		return s == Active
	}
	return false
}
