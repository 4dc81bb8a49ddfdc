package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/sealift/sealift/internal/control/api"
)

type keyCmd struct {
	List       keyListCmd       `cmd:"" help:"List the vault's keys, a line each version."`
	Create     keyCreateCmd     `cmd:"" help:"Make a key that a service signs with."`
	Import     keyImportCmd     `cmd:"" help:"Bring a service's key that was made elsewhere."`
	Public     keyPublicCmd     `cmd:"" help:"Show the public half of a service's key, as PEM."`
	Sign       keySignCmd       `cmd:"" help:"Have a service's key sign a file."`
	Export     keyExportCmd     `cmd:"" help:"Take the private half of a key that was created so."`
	Rotate     keyRotateCmd     `cmd:"" help:"Put the next version of a key in the place of the one in use."`
	Suspend    keySuspendCmd    `cmd:"" help:"Let a key do nothing until it is restored."`
	Restore    keyRestoreCmd    `cmd:"" help:"Let a suspended key do its work again."`
	Deactivate keyDeactivateCmd `cmd:"" help:"Let a key that a service uses sign no more, for good."`
	Compromise keyCompromiseCmd `cmd:"" help:"Declare a key compromised. One that the vault works with is replaced in the same act."`
	Retire     keyRetireCmd     `cmd:"" help:"Destroy a version that is deactivated or compromised, later."`
	Destroy    keyDestroyCmd    `cmd:"" help:"Erase the private half of a version that nothing uses any more."`
}

type keyListCmd struct {
	ID      string     `name:"id" placeholder:"ID" help:"Only versions of this key."`
	Purpose string     `placeholder:"PURPOSE" help:"Only for this purpose, such as release-ca or epoch."`
	State   string     `placeholder:"STATE" help:"Only in this state: pre-active, active, suspended, deactivated, compromised or destroyed."`
	API     APIOptions `embed:""`
}

// Run implements the command.
func (c *keyListCmd) Run(ctx context.Context, std *IO) error { return runKeyList(ctx, std, *c) }

func runKeyList(ctx context.Context, std *IO, opts keyListCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	keys, err := c.Keys(ctx, api.ListKeysParams{ID: opts.ID, Purpose: opts.Purpose, State: api.KeyState(opts.State)})
	if err != nil {
		return err
	}
	var rows [][]string
	for _, k := range keys {
		rows = append(rows, []string{
			fmt.Sprintf("%s/%d", k.ID, k.Version), k.Purpose, k.Algorithm, k.Provider, k.Owner, stateText(k),
			k.NotBefore.UTC().Format(time.DateOnly), untilOf(k, std.Now()), vouchedText(k), k.Public[:min(len(k.Public), 12)],
		})
	}
	return std.Print(map[string]any{"keys": keys}, Table([]string{"KEY", "PURPOSE", "ALGORITHM", "PROVIDER", "OWNER", "STATE", "FROM", "UNTIL", "LISTED BY", "PUBLIC"}, rows))
}

// untilOf is the end of a key's cryptoperiod, and whether it is near.
func untilOf(k api.Key, now time.Time) string {
	until := k.NotAfter.UTC().Format(time.DateOnly)
	switch left := k.NotAfter.Sub(now); {
	case k.State != "active" && k.State != "suspended":
	case left <= 0:
		until += " (over)"
	case left < 30*24*time.Hour:
		until += fmt.Sprintf(" (%d days)", int(left/(24*time.Hour)))
	}
	return until
}

// stateText is a key's state, and when it is to be destroyed.
func stateText(k api.Key) string {
	if k.RetireAt == nil {
		return string(k.State)
	}
	return fmt.Sprintf("%s until %s", k.State, k.RetireAt.UTC().Format(time.DateOnly))
}

// vouchedText says by which signed document devices know a key.
func vouchedText(k api.Key) string {
	switch {
	case k.Vouched != "":
		return k.Vouched
	case k.Standby && (k.State == "active" || k.State == "pre-active"):
		return "none yet"
	}
	return "-"
}
