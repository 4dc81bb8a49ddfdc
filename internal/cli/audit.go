package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
)

type auditCmd struct {
	List      auditListCmd      `cmd:"" help:"List entries of the log, the newest first."`
	Export    auditExportCmd    `cmd:"" help:"Write the whole log into a file that can be verified without the server."`
	Verify    auditVerifyCmd    `cmd:"" help:"Verify an export, a server's own rows, or one entry, offline."`
	Prove     auditProveCmd     `cmd:"" help:"Write one entry, and the proof that it stands in the log."`
	Witnesses auditWitnessesCmd `cmd:"" help:"List who cosigns the log, and what each cosigned last."`
	Key       auditKeyCmd       `cmd:"" help:"Print the log's keys, from metadata that is verified first. Keep them apart from the server."`
}

type auditListCmd struct {
	Action string     `placeholder:"NAME" help:"Only this action, such as key.use, or all that begin so, such as key."`
	Key    string     `placeholder:"ID" help:"Only uses and changes of this key."`
	Actor  string     `placeholder:"ID" help:"Only what this token, device or part of the system did."`
	Result string     `placeholder:"RESULT" help:"Only what ended so: ok, refused, failed or abandoned."`
	Since  string     `placeholder:"TIME" help:"Only from then on: 2026-03-01, 2026-03-01T12:00:00Z, or a duration before now, such as 24h."`
	Until  string     `placeholder:"TIME" help:"Only before then."`
	Before int64      `placeholder:"INDEX" help:"Only entries before this one."`
	Limit  int        `default:"50" placeholder:"N" help:"At most so many."`
	API    APIOptions `embed:""`
}

// Run implements the command.
func (c *auditListCmd) Run(ctx context.Context, std *IO) error { return runAuditList(ctx, std, *c) }

func runAuditList(ctx context.Context, std *IO, opts auditListCmd) error {
	if err := checkLimit(opts.Limit); err != nil {
		return err
	}
	params := api.ListEntriesParams{
		Before: opts.Before, Action: opts.Action, Key: opts.Key, Actor: opts.Actor, Result: api.ListEntriesParamsResult(opts.Result),
	}
	var err error
	if params.Since, err = parseMoment("--since", opts.Since, std.Now()); err != nil {
		return err
	}
	if params.Until, err = parseMoment("--until", opts.Until, std.Now()); err != nil {
		return err
	}
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	var rows [][]string
	for left := opts.Limit; left > 0; {
		params.Limit = min(left, sealift.MaxPage)
		page, err := c.Entries(ctx, params)
		if err != nil {
			return err
		}
		for _, e := range page.Entries {
			if std.JSON {
				if err := std.Print(e, nil); err != nil {
					return err
				}
			}
			rows = append(rows, entryRow(e))
		}
		left -= len(page.Entries)
		if params.Before = page.Next; page.Next == 0 {
			break
		}
	}
	if std.JSON {
		return nil
	}
	return std.Print(nil, Table([]string{"INDEX", "TIME", "WHO", "FROM", "ACTION", "KEY", "RESULT", "ON"}, rows))
}

func entryRow(e api.LogEntry) []string {
	row := []string{fmt.Sprint(e.Index), "", "", "", e.Action, "", string(e.Result), e.Subject}
	if e.Time != nil {
		row[1] = e.Time.UTC().Format("2006-01-02 15:04:05Z")
	}
	if e.Actor != nil {
		row[2], row[3] = string(e.Actor.Kind)+" "+e.Actor.ID, e.Actor.Address
	}
	if e.Key != "" {
		row[5] = fmt.Sprintf("%s/%d", e.Key, e.Version)
	}
	// What a key was used for, or what the API refused.
	if purpose := cmp.Or(e.Details["for"], e.Details["action"]); purpose != "" {
		row[4] += " for " + purpose
	}
	if reason := e.Details["reason"]; reason != "" && e.Result == api.LogEntryResultRefused {
		row[6] += ": " + reason
	}
	return row
}

// parseMoment reads a point in time as people write it.
func parseMoment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(form, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, sealift.Errorf(sealift.KindInvalid, "reading "+flag, "%q is no time", text).
		WithHint("use a form such as 2026-03-01, 2026-03-01T12:00:00Z, or 24h for a day ago")
}

// LogKeys are the flags of a command that checks signatures of the log: its
// keys as they are, or metadata that names them.
type LogKeys struct {
	LogKey      []string `name:"log-key" sep:"none" placeholder:"KEY" help:"A key of the log, as sealift audit key prints it, or a file with such keys, one a line. May be repeated."`
	Root        string   `placeholder:"FILE" help:"In place of --log-key: a root.json of the vault, from its owner; with --metadata-dir."`
	MetadataDir string   `placeholder:"DIR" help:"Update metadata that names the log's keys: the tuf folder of a device, or a server's public folder."`
}

// open returns the log's name and keys, and how they are written.
func (o LogKeys) open(ctx context.Context, std *IO) (origin string, keys note.Verifiers, texts []string, err error) {
	const op = "finding the log's keys"
	switch {
	case len(o.LogKey) > 0 && (o.Root != "" || o.MetadataDir != ""):
		return "", nil, nil, usage("--log-key goes without --root and --metadata-dir")
	case len(o.LogKey) == 0 && (o.Root == "" || o.MetadataDir == ""):
		return "", nil, nil, sealift.Errorf(sealift.KindInvalid, op, "none were named").
			WithHint("use --log-key, or --root and --metadata-dir")
	}
	if len(o.LogKey) > 0 {
		texts, err = readLogKeys(o.LogKey)
	} else {
		texts, err = trustedLogKeys(ctx, std, o)
	}
	if err != nil {
		return "", nil, nil, err
	}
	var list []note.Verifier
	for _, text := range texts {
		v, err := note.NewVerifier(text)
		if err == nil && len(list) > 0 && v.Name() != origin {
			err = fmt.Errorf("it is of %q, another one of %q", v.Name(), origin)
		}
		if err != nil {
			return "", nil, nil, sealift.Errorf(sealift.KindInvalid, op, "%.200q: %w", text, err).
				WithHint("use what sealift audit key prints, or a file with it")
		}
		origin, list = v.Name(), append(list, v)
	}
	return origin, note.VerifierList(list...), texts, nil
}

// readLogKeys takes each word for a key where it has the form of one, and else
// for a file.
func readLogKeys(words []string) (keys []string, err error) {
	for _, word := range words {
		if strings.Count(word, "+") >= 2 {
			keys = append(keys, word)
			continue
		}
		data, err := readBounded(word, "log keys", sealift.MaxTarget, "name a file with what sealift audit key prints")
		if err != nil {
			return nil, err
		}
		keys = append(keys, strings.Fields(string(data))...)
	}
	if len(keys) == 0 {
		return nil, usage("--log-key names a file without a key").WithHint("name a file with what sealift audit key prints")
	}
	return keys, nil
}

func trustedLogKeys(ctx context.Context, std *IO, o LogKeys) ([]string, error) {
	v := &verification{std: std, opts: verifyCmd{Root: o.Root, MetadataDir: o.MetadataDir}}
	m, close, err := v.metadata(ctx)
	if err != nil {
		return nil, err
	}
	defer close()
	return m.anchors.Log.Keys, nil
}

type auditKeyCmd struct {
	Root        string `required:"" placeholder:"FILE" help:"A root.json of the vault, from its owner."`
	MetadataDir string `required:"" placeholder:"DIR" help:"Update metadata: the tuf folder of a device, or a server's public folder."`
}

// Run implements the command.
func (c *auditKeyCmd) Run(ctx context.Context, std *IO) error {
	origin, _, keys, err := LogKeys{Root: c.Root, MetadataDir: c.MetadataDir}.open(ctx, std)
	if err != nil {
		return err
	}
	return std.Print(map[string]any{"origin": origin, "keys": keys}, Println("%s", strings.Join(keys, "\n")))
}

type auditProveCmd struct {
	Index int64      `arg:"" help:"The entry's index, as sealift audit list shows it."`
	Out   string     `required:"" placeholder:"FILE" help:"Write the proof there, and the entry to FILE.entry."`
	API   APIOptions `embed:""`
}

// Run implements the command.
func (c *auditProveCmd) Run(ctx context.Context, std *IO) error { return runAuditProve(ctx, std, *c) }

func runAuditProve(ctx context.Context, std *IO, opts auditProveCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	proven, err := c.ProveEntry(ctx, opts.Index)
	if err != nil {
		return err
	}
	proof, err := cosignedProof(ctx, std, c, []byte(proven.Proof))
	if err != nil {
		return err
	}
	entry := opts.Out + ".entry"
	for path, content := range map[string][]byte{opts.Out: proof, entry: proven.Leaf.Leaf} {
		if err := os.WriteFile(path, content, 0o600); err != nil { // entries are nobody's business
			return sealift.Errorf(sealift.KindInvalid, "writing the proof", "%w", err).WithHint("choose an --out in a folder that you may write to")
		}
	}
	return std.Print(map[string]any{"index": opts.Index, "proof": opts.Out, "entry": entry},
		Println("the proof is in %s, the entry in %s; check them with: sealift audit verify --proof %s --entry %s --log-key KEY", opts.Out, entry, opts.Out, entry))
}
