package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/internal/vault"
)

type doctorCmd struct {
	Reach PKCS11Options `embed:""`
	API   APIOptions    `embed:""`
}

// Run implements the command.
func (c *doctorCmd) Run(ctx context.Context, std *IO) error { return runDoctor(ctx, std, *c) }

// finding is what one check found.
type finding struct {
	Check  string `json:"check"`
	State  string `json:"state"` // "ok", "warning", "failed" or "not checked"
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

const (
	stateOK         = "ok"
	stateWarning    = "warning"
	stateFailed     = "failed"
	stateNotChecked = "not checked"
)

// soon is how long before its end something is worth a warning.
const soon = 30 * 24 * time.Hour

func runDoctor(ctx context.Context, std *IO, opts doctorCmd) error {
	server, err := opts.API.Open(std)
	if err != nil {
		return err
	}
	c, err := apiclient.New(server.Base.String(), server)
	if err != nil {
		return err
	}
	status, err := c.Status(ctx)
	if err != nil {
		return err // nothing else can be looked at
	}
	d := &doctor{client: c, server: server, now: std.Now()}
	d.found("server", stateOK, "version %s, vault %s", status.Version, status.Vault)
	d.metadata(ctx)
	if status.Sealed {
		d.sealed(status)
	} else {
		d.found("vault", stateOK, "unsealed")
		d.root(ctx)
		d.trust(ctx)
		d.keys(ctx)
		d.tokenKeys(ctx, std, opts.Reach)
		d.rows(ctx)
		d.tokens(ctx)
		d.witnesses(ctx)
		d.backups(ctx)
		d.people(ctx)
		d.approvals(ctx)
		d.doors(ctx)
		d.issuer(ctx)
	}
	failed := 0
	var rows [][]string
	for _, f := range d.findings {
		if f.State == stateFailed {
			failed++
		}
		rows = append(rows, []string{f.Check, f.State, f.Detail})
	}
	printed := std.Print(map[string]any{"ok": failed == 0, "findings": d.findings}, func(w io.Writer) error {
		if err := Table([]string{"CHECK", "STATE", "DETAIL"}, rows)(w); err != nil {
			return err
		}
		for _, f := range d.findings {
			if f.Hint != "" {
				if _, err := fmt.Fprintf(w, "\n%s: %s\n", f.Check, f.Hint); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if printed == nil && failed > 0 {
		return sealift.Errorf(sealift.KindInternal, "examining the installation", "%d of %d checks failed", failed, len(d.findings)).
			WithReason("unsound").WithHint("the lines above say which, and what to do")
	}
	return printed
}

// doctor examines an installation from outside, by its API.
type doctor struct {
	client   *apiclient.Client
	server   *API
	now      time.Time
	findings []*finding

	timestamp   signedPart // as metadata found it
	ownersToken time.Time  // when the last owner's token ends; zero for none
	persons     []api.Person
	asked       bool // people are asked about something, by policies that the vault wrote
}

func (d *doctor) found(check, state, format string, args ...any) *finding {
	f := &finding{Check: check, State: state, Detail: fmt.Sprintf(format, args...)}
	d.findings = append(d.findings, f)
	return f
}

// unseen notes a check that the caller's role, or something else, prevents.
func (d *doctor) unseen(check string, err error) {
	switch sealift.ReasonOf(err) {
	case vault.ReasonForged, vault.ReasonPutBack, vault.ReasonDeleted: // which is denied to everybody
		d.found(check, stateFailed, "%s", err).Hint = sealift.HintOf(err)
		return
	}
	if sealift.KindOf(err) == sealift.KindDenied {
		d.found(check, stateNotChecked, "this token may not see it")
		return
	}
	d.found(check, stateFailed, "%s", err).Hint = sealift.HintOf(err)
}

// sealed says how long the fleet can do without the vault.
func (d *doctor) sealed(status api.Status) {
	detail := "it is sealed: nothing is signed, nobody is answered"
	switch issued, expires := d.timestamp.Signed.Issued, d.timestamp.Signed.Expires; {
	case expires.IsZero(): // the metadata said what is wrong
	case !d.now.Before(expires):
		detail += "; devices install nothing any more"
	case d.now.Sub(issued) > expires.Sub(issued)/2:
		detail += fmt.Sprintf("; more than half of the timestamp's life is over, and devices stop in %s", expires.Sub(d.now).Round(time.Minute))
	default:
		detail += fmt.Sprintf("; devices go on for %s", expires.Sub(d.now).Round(time.Minute))
	}
	d.found("vault", stateFailed, "%s", detail).Hint = "unseal it with " + describeWay(status.Unseal, vault.PathUnseal) + ": sealift vault unseal"
}

// ends says how long something is good for.
func (d *doctor) ends(check, what string, at time.Time, hint string) {
	until := at.UTC().Format("2006-01-02 15:04Z")
	switch left := at.Sub(d.now); {
	case left <= 0:
		d.found(check, stateFailed, "%s ended at %s", what, until).Hint = hint
	case left < soon:
		d.found(check, stateWarning, "%s ends at %s, in %d days", what, until, int(left/(24*time.Hour))).Hint = hint
	default:
		d.found(check, stateOK, "%s is good until %s", what, until)
	}
}

// signedPart is what the checks read of TUF metadata. It is not verified: what
// devices think of it, devices say.
type signedPart struct {
	Signed struct {
		Expires time.Time `json:"expires"`
		Issued  time.Time `json:"issued"`
	} `json:"signed"`
}

// metadata looks at the newest timestamp as a device would get it. The server
// signs one every hour.
func (d *doctor) metadata(ctx context.Context) {
	const check = "metadata"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.server.Base.String()+"/v1/metadata/timestamp.json", nil)
	if err != nil {
		d.unseen(check, err)
		return
	}
	resp, err := d.server.client.Do(req) // without the token: devices have none
	if err != nil {
		d.unseen(check, d.server.unreachable(err))
		return
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, sealift.MaxTimestamp))
	var timestamp signedPart
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the server answers %s", resp.Status)
	}
	if err == nil {
		err = json.Unmarshal(data, &timestamp)
	}
	if err != nil {
		d.unseen(check, err)
		return
	}
	d.timestamp = timestamp
	const hint = "see the server's log, and its machine's disk and clock"
	signed, expires := timestamp.Signed.Issued.UTC().Format("2006-01-02 15:04Z"), timestamp.Signed.Expires.UTC().Format("2006-01-02 15:04Z")
	switch age := d.now.Sub(timestamp.Signed.Issued); {
	case !d.now.Before(timestamp.Signed.Expires):
		d.found(check, stateFailed, "the timestamp ended at %s: devices install nothing", expires).Hint = hint
	case age > 2*sealift.TimestampPeriod:
		d.found(check, stateFailed, "the timestamp was signed at %s, and none since; devices stop at %s", signed, expires).Hint = hint
	case age < -sealift.MaxClockAhead:
		d.found(check, stateFailed, "the timestamp was signed at %s, which is yet to come", signed).Hint = "look at the clocks of both machines"
	default:
		d.found(check, stateOK, "the timestamp was signed at %s and is good until %s", signed, expires)
	}
}

func (d *doctor) root(ctx context.Context) {
	data, err := d.client.Root(ctx)
	var root signedPart
	if err == nil {
		err = json.Unmarshal(data, &root)
	}
	if err != nil {
		d.unseen("root", err)
		return
	}
	d.ends("root", "root.json", root.Signed.Expires, "renew it with: sealift root rotate --keys DIR --renew")
}

// inviteOwner is what to do in the first day.
const inviteOwner = "invite the first owner before the owner's token ends: sealift user invite LOGIN --role owner"
