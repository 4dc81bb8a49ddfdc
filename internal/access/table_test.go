package access

import "testing"

// TestTableNamesWhatIsDrawn keeps the drawing in role_test.go complete: it has
// six roles and thirty-six actions.
func TestTableNamesWhatIsDrawn(t *testing.T) {
	actions := grants{}
	for _, g := range table {
		for action, granted := range g {
			actions[action] = true
			if !granted {
				t.Errorf("%s is listed as not granted: leave it out", action)
			}
		}
	}
	if len(table) != 6 || len(actions) != 47 {
		t.Errorf("%d roles and %d actions: draw the new ones in role_test.go", len(table), len(actions))
	}
}
