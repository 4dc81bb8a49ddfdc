package term

import (
	"bytes"
	"testing"

	"github.com/sealift/sealift"
)

func TestConfirm(t *testing.T) {
	for answer, want := range map[string]bool{"yes": true, "no": false, "YES": false, "yes please": false, " yes": false} {
		keyboard, screen := openPTY(t, 80)
		type result struct {
			said bool
			err  error
		}
		results := make(chan result, 1)
		go func() {
			said, err := Confirm(t.Context(), screen, screen, "sign this? ", "yes")
			results <- result{said, err}
		}()
		waitFor(t, keyboard, "sign this? ")
		typed(t, keyboard, answer+"\r")
		waitFor(t, keyboard, answer) // it is shown
		if got := <-results; got.err != nil || got.said != want {
			t.Errorf("%q: %t, %v", answer, got.said, got.err)
		}
	}
	if _, err := Confirm(t.Context(), new(bytes.Buffer), new(bytes.Buffer), "sign this? ", "yes"); sealift.ReasonOf(err) != "no-terminal" {
		t.Errorf("without a terminal: %v", err)
	}
}
