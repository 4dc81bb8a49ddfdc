package client_test

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/sealift/sealift/sealifttest"
)

// TestCosignedCheckpoint: a device reads over what it does not know (C2SP
// signed-note), as the cosignatures of 15 witnesses are, in a proof whose
// checkpoint bears them.
func TestCosignedCheckpoint(t *testing.T) {
	play(t, func(s *scene) {
		now := s.world.Now()
		for n := range 15 {
			w, err := sealifttest.NewWitness(fmt.Sprintf("witness.example/%d", n), func() time.Time { return now }, "", nil)
			s.must(err)
			s.world.Cosigners = append(s.world.Cosigners, note.Signer(w))
		}
		s.publish("1.0.0")
		s.must(s.update())
		s.wantInstalled("1.0.0")
		s.publish("1.1.0") // the log has grown, and so the two are compared
		s.must(s.update())
		s.wantInstalled("1.1.0")
	})
}
