package rollout

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/sealift/sealift"
)

// String says a plan in words: "1 % for 24h0m0s, then somebody lets it go on, then
// 100 % for 24h0m0s; a halt pauses it".
func (p *Plan) String() string {
	var b strings.Builder
	for i, s := range p.Stages {
		if i > 0 {
			b.WriteString(", then ")
		}
		fmt.Fprintf(&b, "%s %% for %s", s.Share, time.Duration(s.Duration))
		if s.Confirmed > 0 {
			fmt.Fprintf(&b, " and until %d devices have confirmed it", s.Confirmed)
		}
		if s.Gate == Approval {
			b.WriteString(", then somebody lets it go on")
		}
	}
	if p.Halt.Then == GoBack {
		return b.String() + "; a halt prepares the roll-back"
	}
	return b.String() + "; a halt pauses it"
}

// Encode writes a plan as ParsePlan reads it.
func (p *Plan) Encode() ([]byte, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, "writing the plan", "%w", err)
	}
	return text, nil
}
