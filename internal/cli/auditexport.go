package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/internal/term"
)

type auditExportCmd struct {
	Out string     `required:"" placeholder:"FILE" help:"Write it there; the file must not exist."`
	API APIOptions `embed:""`
}

// Run implements the command.
func (c *auditExportCmd) Run(ctx context.Context, std *IO) error { return runAuditExport(ctx, std, *c) }

const exportOp = "exporting the log"

func runAuditExport(ctx context.Context, std *IO, opts auditExportCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	// Under another name until it is whole: half an export must not be taken
	// for one.
	partial := opts.Out + ".partial"
	if _, err := os.Lstat(opts.Out); !errors.Is(err, fs.ErrNotExist) {
		return sealift.Errorf(sealift.KindConflict, exportOp, "%s exists already", opts.Out).WithHint("choose another --out; no export is overwritten")
	}
	out, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return sealift.Errorf(sealift.KindInvalid, exportOp, "%w", err).WithHint("choose an --out in a folder that you may write to")
	}
	begun, err := writeExport(ctx, std, c, out)
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err == nil {
		err = os.Link(partial, opts.Out) // which, unlike a rename, replaces nothing
	}
	if err = errors.Join(err, os.Remove(partial)); err != nil {
		return exportError(err)
	}
	return std.Print(map[string]any{"file": opts.Out, "origin": begun.Origin, "entries": begun.Checkpoint.Size},
		Println("exported %d entries of %s to %s; check them with: sealift audit verify %s --log-key KEY", begun.Checkpoint.Size, begun.Origin, opts.Out, opts.Out))
}

// exportError gives an error of the disk a kind and a hint; others have theirs.
func exportError(err error) error {
	var ours *sealift.Error
	if errors.As(err, &ours) || errors.Is(err, context.Canceled) {
		return err
	}
	return sealift.Errorf(sealift.KindExhausted, exportOp, "%w", err).WithHint("choose an --out on a disk with room")
}

func writeExport(ctx context.Context, std *IO, c *apiclient.Client, out io.Writer) (api.LogExport, error) {
	begun, err := c.BeginExport(ctx)
	if err != nil {
		return begun, err
	}
	size := begun.Checkpoint.Size
	bar := std.Progress("entries", size, term.InItems)
	defer bar.Finish()
	export, err := audit.NewExporter(out, begun.Origin, size, begun.Keys)
	if err != nil {
		return begun, err
	}
	signed := &checkpoints{client: c, std: std, last: begun.Checkpoint}
	for first := int64(0); first < size; {
		leaves, err := c.Leaves(ctx, first)
		if err != nil {
			return begun, err
		}
		if len(leaves) == 0 {
			return begun, sealift.Errorf(sealift.KindIntegrity, exportOp, "entry %d is missing on the server, which signed %d entries", first, size).
				WithReason("log").WithHint("verify the server's own rows with: sealift audit verify --data DIR")
		}
		for _, leaf := range leaves[:min(int64(len(leaves)), size-first)] {
			stored := audit.Stored{Index: leaf.Index, Leaf: leaf.Leaf}
			copy(stored.Hash[:], leaf.Hash)
			if err := export.Entry(stored); err != nil {
				return begun, err
			}
			if err := signed.write(ctx, export, leaf.Index+1); err != nil {
				return begun, err
			}
		}
		first += int64(len(leaves))
		bar.Add(int64(len(leaves)))
	}
	return begun, export.Flush()
}

// checkpoints hands out the log's checkpoints as an export comes by them.
type checkpoints struct {
	client *apiclient.Client
	std    *IO
	last   api.Checkpoint // the one that the export ends with
	ahead  []api.Checkpoint
	asked  int64 // up to here all have been asked for
}

// write writes the checkpoint of so many entries, if there is one.
func (s *checkpoints) write(ctx context.Context, e *audit.Exporter, size int64) error {
	if size == s.last.Size {
		last, err := awaitCosigned(ctx, s.std, s.client, s.last)
		if err != nil {
			return err
		}
		return e.Checkpoint([]byte(last.Note))
	}
	if len(s.ahead) == 0 && s.asked < s.last.Size {
		page, err := s.client.Checkpoints(ctx, max(size, s.asked))
		if err != nil {
			return err
		}
		if s.ahead, s.asked = page, s.last.Size; len(page) > 0 {
			s.asked = page[len(page)-1].Size + 1
		}
	}
	for len(s.ahead) > 0 && s.ahead[0].Size < size {
		s.ahead = s.ahead[1:]
	}
	if len(s.ahead) == 0 || s.ahead[0].Size != size {
		return nil
	}
	note := s.ahead[0].Note
	s.ahead = s.ahead[1:]
	return e.Checkpoint([]byte(note))
}

func verifyExportFile(std *IO, path string, d audit.Demands) (audit.Verified, error) {
	f, err := os.Open(path)
	if err != nil {
		return audit.Verified{}, sealift.Errorf(sealift.KindNotFound, "reading an export", "%w", err).WithHint("make one with: sealift audit export --out FILE")
	}
	defer f.Close()
	total := int64(0)
	if info, err := f.Stat(); err == nil {
		total = info.Size()
	}
	bar := std.Progress("verifying", total, term.InBytes)
	defer bar.Finish()
	return audit.VerifyExport(&countingReader{f, bar}, d)
}

// countingReader draws what is read.
type countingReader struct {
	r   io.Reader
	bar *term.Progress
}

// Read implements io.Reader.
func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.bar.Add(int64(n))
	return n, err
}

func verifyLogProof(opts auditVerifyCmd, d audit.Demands) (index int64, v audit.Verified, err error) {
	proof, err := readBounded(opts.Proof, "proof", sealift.MaxProof, "write it with: sealift audit prove INDEX --out FILE")
	if err != nil {
		return 0, v, err
	}
	leaf, err := readBounded(opts.Entry, "entry", sealift.MaxTarget, fmt.Sprintf("sealift audit prove wrote it beside the proof: %s.entry", opts.Proof))
	if err != nil {
		return 0, v, err
	}
	return audit.VerifyProof(leaf, proof, d)
}
