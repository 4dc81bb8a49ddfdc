package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/sealift/sealift/internal/control/api"
)

type keyCmd struct {
	List    keyListCmd    `cmd:"" help:"List the vault's keys, a line each version."`
	Suspend keySuspendCmd `cmd:"" help:"Let a key do nothing until it is restored."`
	Restore keyRestoreCmd `cmd:"" help:"Let a suspended key do its work again."`
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
			fmt.Sprintf("%s/%d", k.ID, k.Version), k.Purpose, k.Algorithm, k.Provider, k.Owner, string(k.State),
			k.NotBefore.UTC().Format(time.DateOnly), untilOf(k, std.Now()), k.Public[:min(len(k.Public), 12)],
		})
	}
	return std.Print(map[string]any{"keys": keys}, Table([]string{"KEY", "PURPOSE", "ALGORITHM", "PROVIDER", "OWNER", "STATE", "FROM", "UNTIL", "PUBLIC"}, rows))
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

// keyChange are the flags of a command that changes a key's state.
type keyChange struct {
	Key     string     `arg:"" help:"The key's id, as sealift key list shows it in front of the slash."`
	Version uint64     `default:"1" placeholder:"N" help:"Which version of it."`
	Reason  string     `required:"" placeholder:"TEXT" help:"Why, in your words, for the log."`
	API     APIOptions `embed:""`
}

type keySuspendCmd struct {
	Change keyChange `embed:""`
}

// Run implements the command.
func (c *keySuspendCmd) Run(ctx context.Context, std *IO) error {
	return runKeyChange(ctx, std, c.Change, api.KeyChangeToSuspended)
}

type keyRestoreCmd struct {
	Change keyChange `embed:""`
}

// Run implements the command.
func (c *keyRestoreCmd) Run(ctx context.Context, std *IO) error {
	return runKeyChange(ctx, std, c.Change, api.KeyChangeToActive)
}

func runKeyChange(ctx context.Context, std *IO, opts keyChange, to api.KeyChangeTo) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	k, err := c.SetKeyState(ctx, api.KeyChange{ID: opts.Key, Version: opts.Version, To: to, Reason: opts.Reason})
	if err != nil {
		return err
	}
	return std.Print(k, Println("%s/%d is %s", k.ID, k.Version, k.State))
}
