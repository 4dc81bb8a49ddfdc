package cli

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/internal/witness"
	"github.com/sealift/sealift/trust"
)

type auditWitnessesCmd struct {
	API APIOptions `embed:""`
}

// Run implements the command.
func (c *auditWitnessesCmd) Run(ctx context.Context, std *IO) error {
	return runAuditWitnesses(ctx, std, *c)
}

func runAuditWitnesses(ctx context.Context, std *IO, opts auditWitnessesCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	list, err := c.Witnesses(ctx)
	if err != nil {
		return err
	}
	if len(list) == 0 && !std.JSON {
		std.Note("nobody cosigns the log; name witnesses with: sealift server --witnesses FILE")
		return nil
	}
	var rows [][]string
	for _, w := range list {
		if std.JSON {
			if err := std.Print(w, nil); err != nil {
				return err
			}
		}
		cosigned := "never"
		if w.Cosigned != nil {
			cosigned = w.Cosigned.UTC().Format("2006-01-02 15:04:05Z")
		}
		rows = append(rows, []string{w.Name, fmt.Sprint(w.Size), cosigned, w.Problem})
	}
	if std.JSON {
		return nil
	}
	return std.Print(nil, Table([]string{"WITNESS", "ENTRIES", "COSIGNED", "PROBLEM"}, rows))
}

// An export or a proof waits for its checkpoint to be cosigned: the server asks
// within two seconds, and a witness answers at once or is away.
const (
	cosignPause = 500 * time.Millisecond
	cosignTries = 20
)

// awaitCosigned waits until a checkpoint that was just signed is cosigned by
// every witness of the server that cosigned when it was asked last, and returns
// it as it is then. It says who is missing.
func awaitCosigned(ctx context.Context, std *IO, c *apiclient.Client, signed api.Checkpoint) (api.Checkpoint, error) {
	list, err := c.Witnesses(ctx)
	if err != nil || len(list) == 0 {
		return signed, err
	}
	for try := 1; ; try++ {
		page, err := c.Checkpoints(ctx, signed.Size)
		if err != nil {
			return signed, err
		}
		if len(page) > 0 && page[0].Size == signed.Size {
			signed = page[0]
		}
		waiting, missing := false, ""
		for _, w := range list {
			if !strings.Contains(signed.Note, "\n— "+w.Name+" ") {
				waiting = waiting || w.Reason == ""
				missing += ", " + w.Name
			}
		}
		if !waiting || try == cosignTries {
			if missing != "" {
				std.Note("not cosigned by %s; see: sealift audit witnesses", missing[2:])
			}
			return signed, nil
		}
		select {
		case <-ctx.Done():
			return signed, ctx.Err()
		case <-time.After(cosignPause):
		}
	}
}

// cosignedProof puts the cosigned checkpoint into a proof that the server just
// made.
func cosignedProof(ctx context.Context, std *IO, c *apiclient.Client, proof []byte) ([]byte, error) {
	p, err := trust.ParseProof(proof)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindNetwork, "reading the proof", "the server sent what is none: %w", err)
	}
	_, rest, _ := bytes.Cut(p.Checkpoint, []byte("\n"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	size, err := strconv.ParseInt(string(line), 10, 64) // to be asked for; whoever verifies it reads it strictly
	if err != nil {
		return nil, sealift.Errorf(sealift.KindNetwork, "reading the proof", "the server sent what is none: %w", err)
	}
	signed, err := awaitCosigned(ctx, std, c, api.Checkpoint{Size: size, Note: string(p.Checkpoint)})
	p.Checkpoint = []byte(signed.Note)
	return p.Encode(), err
}

// witnesses looks at who cosigns the log: the server signs a checkpoint every
// hour.
func (d *doctor) witnesses(ctx context.Context) {
	const check = "witnesses"
	list, err := d.client.Witnesses(ctx)
	if err != nil {
		d.unseen(check, err)
		return
	}
	if len(list) == 0 {
		d.found(check, stateNotChecked, "nobody cosigns the log: whoever has its key can show two histories").
			Hint = "name witnesses with: sealift server --witnesses FILE"
	}
	for _, w := range list {
		d.witness(check, w)
	}
}

func (d *doctor) witness(check string, w api.Witness) {
	if w.Reason == witness.ReasonFork {
		d.found(check, stateFailed, "%s says that the log forked: %s", w.Name, w.Problem).
			Hint = "compare with: sealift audit verify --data DIR --checkpoint FILE, with a checkpoint that was kept elsewhere"
		return
	}
	last, state := w.Name+" has cosigned nothing yet", stateFailed
	if w.Cosigned != nil {
		age := d.now.Sub(*w.Cosigned)
		last = fmt.Sprintf("%s cosigned %d entries at %s, %s ago", w.Name, w.Size, w.Cosigned.UTC().Format("2006-01-02 15:04Z"), age.Round(time.Second))
		switch {
		case age <= 2*sealift.TimestampPeriod:
			state = stateOK
		case age <= 24*time.Hour:
			state = stateWarning
		}
	}
	if w.Reason == "" {
		d.found(check, state, "%s", last)
		return
	}
	if state == stateOK {
		state = stateWarning
	}
	d.found(check, state, "%s; since then: %s", last, w.Problem).Hint = "see the server's log, and ask whoever runs " + w.Name
}
