package fleet_test

import (
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// TestAdmission: each way in, for an app that lets anybody in and for one that does
// not, and what vouches for the device then.
func TestAdmission(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, c := range []struct {
		open bool
		uses int // of the token; -1 for none
		in   int // of three devices that come with it
	}{
		{open: true, uses: -1, in: 3}, {open: false, uses: -1, in: 0}, // openly
		{open: true, uses: 0, in: 3}, {open: false, uses: 0, in: 3}, // by the app's token
		{open: true, uses: 1, in: 1}, {open: false, uses: 1, in: 1}, // by a token for one device
	} {
		b.app = b.makeApp(c.open)
		var token sealift.EnrolmentToken
		if c.uses >= 0 {
			token = b.token(c.uses, time.Hour)
		}
		for n := range 3 {
			d := b.newDevice()
			req, e := b.request(d, trust.RequestEnrol), b.enrolment(d)
			if c.uses >= 0 {
				e = b.proven(token, req, e)
			}
			_, answered, err := b.ask(req, e, d.identity)
			if n >= c.in {
				b.wantSigned("one too many", answered, err, sealift.KindDenied, "token")
				continue
			}
			b.check(err)
			if row := b.row(d); row.Token != token.ID() {
				t.Errorf("%+v: %q vouches for it", c, row.Token)
			}
		}
	}
}
