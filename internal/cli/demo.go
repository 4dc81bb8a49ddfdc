package cli

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/sealifttest"
)

type demoCmd struct {
	From string `placeholder:"DIR" help:"Folder to publish first, instead of the built-in sample."`
	To   string `placeholder:"DIR" help:"Folder to publish next; with --from."`
	All  bool   `help:"Try every attack on every document, the slow ones too: some minutes."`
	Dir  string `placeholder:"DIR" help:"Keep everything in this folder, which must not exist. Without it, all is removed at the end."`
}

// Run implements the command.
func (c *demoCmd) Run(ctx context.Context, std *IO) error { return runDemo(ctx, std, *c) }

//go:embed sample
var samples embed.FS

// The versions of the demo: one to begin with, one to update to, and one more
// of the same files that waits at the server while the attacks are tried. Those
// behind it, from demoPatched on, are for attacks on patches: one each.
const (
	demoFirst  sealift.Version = "1.0.0"
	demoSecond sealift.Version = "1.1.0"
	demoBait   sealift.Version = "1.2.0"
)

// demoPatched is the version that the i-th attack on a patch is about.
func demoPatched(i int) sealift.Version { return sealift.Version(fmt.Sprintf("1.%d.0", 3+i)) }

// demoResult is what the demo did, and whether all of it went as it should.
type demoResult struct {
	OK      bool         `json:"ok"`
	Updates []demoUpdate `json:"updates"`
	Attacks []demoAttack `json:"attacks"`
}

func runDemo(ctx context.Context, std *IO, opts demoCmd) (err error) {
	first, second, err := opts.bundles()
	if err != nil {
		return err
	}
	dir, remove, err := opts.folder()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	stage, err := newDemoStage(ctx, std, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.close()) }()
	result, err := stage.play(ctx, first, second, opts.All)
	if err != nil {
		return err
	}
	if err := std.Print(result, result.summary); err != nil {
		return err
	}
	if !result.OK {
		return sealift.Errorf(sealift.KindInternal, "running the demo", "not all of it went as it should").
			WithReason("demo").WithHint("the lines above say what; with --dir the folder is kept to look at")
	}
	return nil
}

// bundles returns what to publish first and next.
func (c demoCmd) bundles() (first, second fs.FS, err error) {
	if (c.From == "") != (c.To == "") {
		return nil, nil, sealift.Errorf(sealift.KindInvalid, "running the demo", "--from and --to go together").WithHint("give both, or neither")
	}
	if c.From == "" {
		first, firstErr := fs.Sub(samples, "sample/"+string(demoFirst))
		second, secondErr := fs.Sub(samples, "sample/"+string(demoSecond))
		return first, second, errors.Join(firstErr, secondErr)
	}
	from, err := openBundle(c.From)
	if err != nil {
		return nil, nil, err
	}
	to, err := openBundle(c.To)
	if err != nil {
		return nil, nil, err
	}
	return from.FS(), to.FS(), nil // open until the program ends
}

// folder makes the folder of the demo and says how to leave it.
func (c demoCmd) folder() (dir string, remove func() error, err error) {
	const op = "making the folder of the demo"
	if c.Dir == "" {
		dir, err := os.MkdirTemp("", "sealift-demo-")
		if err != nil {
			return "", nil, sealift.Errorf(sealift.KindExhausted, op, "%w", err).WithHint("name one with --dir")
		}
		return dir, func() error { return os.RemoveAll(dir) }, nil
	}
	if err := os.Mkdir(c.Dir, 0o700); err != nil {
		return "", nil, sealift.Errorf(sealift.KindConflict, op, "%w", err).WithHint("choose a --dir that does not exist yet")
	}
	return c.Dir, func() error { return nil }, nil
}

// play tells the whole story.
func (s *demoStage) play(ctx context.Context, first, second fs.FS, all bool) (demoResult, error) {
	result := demoResult{OK: true, Updates: []demoUpdate{}, Attacks: []demoAttack{}}
	for _, release := range []struct {
		version sealift.Version
		bundle  fs.FS
	}{{demoFirst, first}, {demoSecond, second}} {
		if _, err := s.publish(ctx, release.version, release.bundle); err != nil {
			return result, err
		}
		update, err := s.update(ctx, release.version, release.bundle)
		if err != nil {
			return result, err
		}
		result.Updates = append(result.Updates, update)
		result.OK = result.OK && update.OK
	}
	// What an attacker who was there all along would have recorded.
	if err := s.hostile.Observe(ctx); err != nil {
		return result, err
	}
	if _, err := s.publish(ctx, demoBait, second); err != nil {
		return result, err
	}
	s.std.Note("\nversion %s waits at the server; attacks on its way to the device:", demoBait)
	for _, attack := range demoAttacks(all) {
		outcome, err := s.attack(ctx, attack)
		if err != nil {
			return result, fmt.Errorf("attack %s: %w", attack.Name, err)
		}
		result.Attacks = append(result.Attacks, outcome)
		result.OK = result.OK && outcome.Refused
	}
	replay, err := s.replayRequest(ctx)
	if err != nil {
		return result, err
	}
	result.Attacks = append(result.Attacks, replay)
	result.OK = result.OK && replay.Refused
	s.std.Note("\nthe attackers are gone:")
	update, err := s.update(ctx, demoBait, second)
	if err != nil {
		return result, err
	}
	result.Updates = append(result.Updates, update)
	result.OK = result.OK && update.OK
	return result, s.playPatches(ctx, &result, [2]fs.FS{first, second}, demoPatchAttacks(all))
}

// playPatches tries attacks on patches. Each costs its release, which the device
// takes by another way, so they take turns with the bundles; their number is even
// in the short demo and the long one, so that the second is what stays.
func (s *demoStage) playPatches(ctx context.Context, result *demoResult, bundles [2]fs.FS, attacks []sealifttest.Attack) error {
	s.std.Note("\nattacks on the patch of a release, each of the next one: the device takes the whole bundle instead")
	for i, attack := range attacks {
		patched, err := s.publish(ctx, demoPatched(i), bundles[i%2])
		if err != nil {
			return err
		}
		if !patched {
			s.std.Note("the two bundles have too little in common for patches: there is nothing to attack")
			return nil
		}
		outcome, err := s.attackPatch(ctx, attack, demoPatched(i), bundles[i%2])
		if err != nil {
			return fmt.Errorf("attack %s: %w", attack.Name, err)
		}
		result.Attacks = append(result.Attacks, outcome)
		result.OK = result.OK && outcome.Refused
	}
	return nil
}

// variants are the endings of attacks that try on every document what the demo
// shows on some; slow ones wait for a device's patience to end.
var (
	variants = []string{"-empty", "-null", "-missing", "-failing", "-redirected", "-endless"}
	slow     = []string{"blob-slow", "blob-stalled", "patch-slow", "patch-stalled"}
	// shownVariants are in the short demo all the same.
	shownVariants = []string{"timestamp-redirected", "blob-endless", "patch-endless"}
)

// demoAttacks are those of the catalogue that need no stolen key, on a device
// that has been there for a while.
func demoAttacks(all bool) []sealifttest.Attack {
	var out []sealifttest.Attack
	for _, attack := range sealifttest.Attacks() {
		if !attack.Delivery() || attack.Fresh || attack.Lured() {
			continue
		}
		if all || demoShows(attack) {
			out = append(out, attack)
		}
	}
	return out
}

// demoPatchAttacks are those of the catalogue that are on patches and need no
// stolen key.
func demoPatchAttacks(all bool) []sealifttest.Attack {
	return slices.DeleteFunc(sealifttest.PatchAttacks(), func(a sealifttest.Attack) bool { return !a.Delivery() || !all && !demoShows(a) })
}

// demoShows reports whether an attack is in the short demo.
func demoShows(attack sealifttest.Attack) bool {
	isVariant := slices.ContainsFunc(variants, func(ending string) bool { return strings.HasSuffix(attack.Name, ending) })
	shown := !isVariant || slices.Contains(shownVariants, attack.Name)
	return shown && !slices.Contains(slow, attack.Name)
}

// summary is the table at the end.
func (r demoResult) summary(w io.Writer) error {
	var rows [][]string
	for _, u := range r.Updates {
		rows = append(rows, []string{"update", "to " + string(u.Version), "four steps passed, files identical", verdict(u.OK)})
	}
	for _, a := range r.Attacks {
		met := a.Met
		if a.Reason != "" {
			met += " (" + a.Reason + ")"
		}
		rows = append(rows, []string{"attack", a.Name, met, verdict(a.Refused)})
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	if err := Table([]string{"WHAT", "WHICH", "OUTCOME", "AS IT SHOULD"}, rows)(w); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%d updates installed, %d attacks refused\n", count(r.Updates, func(u demoUpdate) bool { return u.OK }), count(r.Attacks, func(a demoAttack) bool { return a.Refused }))
	return err
}

func verdict(ok bool) string {
	if ok {
		return "yes"
	}
	return "NO"
}

func count[T any](list []T, holds func(T) bool) (n int) {
	for _, v := range list {
		if holds(v) {
			n++
		}
	}
	return n
}
