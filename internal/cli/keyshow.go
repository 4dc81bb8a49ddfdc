package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/vault"
)

type keyShowCmd struct {
	Key     string     `arg:"" help:"The key's id, as sealift key list shows it in front of the slash."`
	Version uint64     `placeholder:"N" help:"Only this version of it."`
	API     APIOptions `embed:""`
}

// Run implements the command.
func (c *keyShowCmd) Run(ctx context.Context, std *IO) error { return runKeyShow(ctx, std, *c) }

func runKeyShow(ctx context.Context, std *IO, opts keyShowCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	all, err := c.Keys(ctx, api.ListKeysParams{ID: opts.Key})
	if err != nil {
		return err
	}
	var keys []api.Key
	for _, k := range all {
		if opts.Version == 0 || k.Version == opts.Version {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return sealift.Errorf(sealift.KindNotFound, "looking up a key", "there is no such version of key %.80s", opts.Key).WithReason(vault.ReasonUnknownKey).
			WithHint("see the keys there are with: sealift key list")
	}
	return std.Print(map[string]any{"keys": keys}, func(w io.Writer) error {
		for i, k := range keys {
			if i > 0 {
				fmt.Fprintln(w)
			}
			if err := Table([]string{"FIELD", "VALUE"}, keyFields(k, std.Now()))(w); err != nil {
				return err
			}
		}
		return nil
	})
}

func keyFields(k api.Key, now time.Time) [][]string {
	date := func(t time.Time) string { return t.UTC().Format(time.DateOnly) }
	rows := [][]string{
		{"key", fmt.Sprintf("%s/%d", k.ID, k.Version)}, {"purpose", k.Purpose}, {"algorithm", k.Algorithm}, {"provider", k.Provider}, {"owner", k.Owner},
		{"state", fmt.Sprintf("%s since %s", k.State, date(k.Changed))}, {"cryptoperiod", date(k.NotBefore) + " to " + untilOf(k, now)},
		{"listed by", vouchedText(k)}, {"public", orDash(k.Public)},
	}
	if k.Label != "" {
		rows = append(rows, []string{"label", k.Label})
	}
	if k.App != "" {
		rows = append(rows, []string{"app", k.App})
	}
	return append(rows, retirementFields(k, now)...)
}

// retirementFields say when a version is destroyed, and what that waits for.
func retirementFields(k api.Key, now time.Time) (rows [][]string) {
	if k.RetireAt == nil {
		return nil
	}
	at := "at " + k.RetireAt.UTC().Format(time.DateOnly)
	f := k.Fleet
	if f == nil {
		return [][]string{{"retires", at}}
	}
	rows = [][]string{{"retires", fmt.Sprintf("%s, or when the fleet no longer depends on it: %s", at, fleetText(*f))}}
	if f.Waits == "" && f.NotBefore.After(now) {
		rows = append(rows, []string{"not before", toMinute(f.NotBefore) + ", whatever devices say"})
	}
	if f.Hint != "" {
		rows = append(rows, []string{"next", f.Hint})
	}
	return rows
}

func fleetText(f api.FleetRetirement) string {
	days := f.SeenWithin / (24 * 60 * 60)
	switch {
	case f.Waits != "":
		return f.Waits
	case f.Devices == 0:
		return fmt.Sprintf("no device that enrolled with a token was seen in %d days, so nobody can say", days)
	case f.Behind == 0:
		return fmt.Sprintf("none of the %d devices of the last %d days does", f.Devices, days)
	}
	text := fmt.Sprintf("%d of %d devices of the last %d days still do", f.Behind, f.Devices, days)
	if f.Oldest != nil {
		text += fmt.Sprintf(" (one of them last seen %s)", f.Oldest.UTC().Format(time.DateOnly))
	}
	return text
}
