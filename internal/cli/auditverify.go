package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/installation"
	"github.com/sealift/sealift/trust"
)

type auditVerifyCmd struct {
	File       string   `arg:"" optional:"" help:"What sealift audit export wrote."`
	Data       string   `xor:"what" placeholder:"DIR" help:"In place of a file: a server's data folder, also while the server runs."`
	Proof      string   `xor:"what" placeholder:"FILE" help:"In place of a file: a proof that sealift audit prove wrote; with --entry."`
	Entry      string   `placeholder:"FILE" help:"The entry that --proof is of."`
	Checkpoint []string `placeholder:"FILE" help:"A checkpoint that was kept elsewhere: what is verified must be, or begin with, what it was signed for. May be repeated."`
	Witness    []string `sep:"none" placeholder:"KEY" help:"Verifier key of a witness that must have cosigned the newest checkpoint, or a file with such keys, as sealift server --witnesses takes it. May be repeated."`
	Needed     int      `name:"witnesses-needed" placeholder:"K" help:"How many of the witnesses must have, where not all."`
	Keys       LogKeys  `embed:""`
}

// Run implements the command.
func (c *auditVerifyCmd) Run(ctx context.Context, std *IO) error { return runAuditVerify(ctx, std, *c) }

// auditVerdict is what was verified.
type auditVerdict struct {
	OK          bool            `json:"ok"`
	Log         string          `json:"log"`
	Entries     int64           `json:"entries"`
	Hash        string          `json:"hash"`
	Checkpoints int             `json:"checkpoints,omitempty"`
	Index       *int64          `json:"index,omitempty"`     // of the entry that was proven
	Cosigned    []auditCosigner `json:"cosigned,omitempty"`  // by which of the witnesses named
	ClockBack   *auditClockBack `json:"clockBack,omitempty"` // the first entry that is older than one before it
	Lost        []lostEntries   `json:"lost,omitempty"`      // of which restores left no more than the hashes
}

type lostEntries struct {
	First    int64     `json:"first"`
	Count    int64     `json:"count"`
	Restored time.Time `json:"restored"`
}

// warnLost says what can be verified and not be read.
func warnLost(std *IO, lost []audit.Lost) {
	for _, l := range lost {
		std.Warn("what entries %d to %d said was lost before the restore of %s; their hashes hold, and releases among them are still there",
			l.First, l.First+l.Count-1, l.Restored.UTC().Format(time.RFC3339))
	}
}

type auditCosigner struct {
	Witness string    `json:"witness"`
	Time    time.Time `json:"time"` // by its own clock
}

type auditClockBack struct {
	Index int64     `json:"index"`
	Time  time.Time `json:"time"`
	After time.Time `json:"after"`
}

func runAuditVerify(ctx context.Context, std *IO, opts auditVerifyCmd) error {
	if what := cmp.Or(opts.Data, opts.Proof); (opts.File == "") == (what == "") {
		return usage("name one of: a file, --data, --proof").WithHint("an export is made with: sealift audit export --out FILE")
	}
	if (opts.Proof == "") != (opts.Entry == "") {
		return usage("--proof and --entry go together")
	}
	demands, err := opts.demands(ctx, std)
	if err != nil {
		return err
	}
	verdict := auditVerdict{OK: true, Log: demands.Origin}
	var verified audit.Verified
	switch {
	case opts.Data != "":
		verified, err = installation.VerifyLog(ctx, opts.Data, demands)
	case opts.Proof != "":
		var index int64
		index, verified, err = verifyLogProof(opts, demands)
		verdict.Index = &index
	default:
		verified, err = verifyExportFile(std, opts.File, demands)
	}
	if err != nil {
		return err
	}
	verdict.Entries, verdict.Hash, verdict.Checkpoints = verified.Tree.N, verified.Tree.Hash.String(), verified.Checkpoints
	for _, c := range verified.Cosigned {
		verdict.Cosigned = append(verdict.Cosigned, auditCosigner{c.Witness.Name(), c.Time})
	}
	for _, l := range verified.Lost {
		verdict.Lost = append(verdict.Lost, lostEntries{l.First, l.Count, l.Restored})
	}
	warnLost(std, verified.Lost)
	if back := verified.Back; back != nil {
		verdict.ClockBack = &auditClockBack{back.Index, back.Time, back.Before}
		std.Warn("the server's clock went back: entry %d is of %s, behind one of %s\nthe order of the entries is sound; their times, around there, are what the clock said",
			back.Index, back.Time.Format(time.RFC3339), back.Before.Format(time.RFC3339))
	}
	return std.Print(verdict, verdict.print)
}

func (v auditVerdict) print(w io.Writer) error {
	line := fmt.Sprintf("verified: all %d entries of %s\n  hash %s", v.Entries, v.Log, v.Hash)
	if v.Index != nil {
		line = fmt.Sprintf("verified: entry %d of %s, in a log of %d entries", *v.Index, v.Log, v.Entries)
	}
	for _, c := range v.Cosigned {
		line += fmt.Sprintf("\n  cosigned by %s at %s", c.Witness, c.Time.Format(time.RFC3339))
	}
	_, err := fmt.Fprintln(w, line)
	return err
}

// demands are what the flags hold the log to.
func (c auditVerifyCmd) demands(ctx context.Context, std *IO) (d audit.Demands, err error) {
	if d.Origin, d.Keys, _, err = c.Keys.open(ctx, std); err != nil {
		return d, err
	}
	for _, path := range c.Checkpoint {
		data, err := readBounded(path, "checkpoint", sealift.MaxProof, "name a file such as public/log/checkpoint in a server's data folder")
		if err != nil {
			return d, err
		}
		d.Kept = append(d.Kept, data)
	}
	if len(c.Witness) == 0 {
		if c.Needed != 0 {
			return d, usage("--witnesses-needed goes with --witness")
		}
		return d, nil
	}
	keys, err := readWitnessKeys(c.Witness)
	if err != nil {
		return d, err
	}
	if d.Witnesses, err = trust.NewQuorum(keys, cmp.Or(c.Needed, len(keys))); err != nil {
		return d, sealift.Errorf(sealift.KindInvalid, "reading --witness", "%w", err).
			WithHint("use verifier keys as the witnesses' operators give them, or the file of sealift server --witnesses")
	}
	return d, nil
}

// readWitnessKeys takes each word for a key where it has the form of one, and
// else for a file with keys, one a line and first in it.
func readWitnessKeys(words []string) (keys []string, err error) {
	for _, word := range words {
		if strings.Count(word, "+") >= 2 {
			keys = append(keys, word)
			continue
		}
		data, err := readBounded(word, "witnesses", sealift.MaxTarget, "name a file with verifier keys of witnesses, or a key")
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(data)) {
			if fields := strings.Fields(line); len(fields) > 0 && !strings.HasPrefix(fields[0], "#") {
				keys = append(keys, fields[0])
			}
		}
	}
	return keys, nil
}
