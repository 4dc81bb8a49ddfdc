package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
)

type keyCmd struct {
	List       keyListCmd       `cmd:"" help:"List the vault's keys, a line each version."`
	Show       keyShowCmd       `cmd:"" help:"Show the versions of one key, and what the end of each waits for."`
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
	Retire     keyRetireCmd     `cmd:"" help:"Destroy a version that is deactivated or compromised, later: at a date, or before that when no device believes it any more."`
	Destroy    keyDestroyCmd    `cmd:"" help:"Erase the private half of a version that nothing uses any more."`
}

type keyListCmd struct {
	ID      string `name:"id" placeholder:"ID" help:"Only versions of this key."`
	Purpose string `placeholder:"PURPOSE" help:"Only for this purpose, such as release-ca or epoch."`
	State   string `placeholder:"STATE" help:"Only in this state: pre-active, active, suspended, deactivated, compromised or destroyed."`
	// The vault holds none of these: they are told by the releases.
	Releases bool       `help:"List the keys that were made for one release each in their place: leaf keys and content keys. With --app."`
	App      string     `placeholder:"ID" help:"With --releases: of this app's releases."`
	Before   uint64     `placeholder:"COUNTER" help:"With --releases: only releases with a smaller counter."`
	Limit    int        `default:"50" placeholder:"N" help:"With --releases: how many, up to 100."`
	API      APIOptions `embed:""`
}

// Run implements the command.
func (c *keyListCmd) Run(ctx context.Context, std *IO) error { return runKeyList(ctx, std, *c) }

func runKeyList(ctx context.Context, std *IO, opts keyListCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	if opts.Releases {
		return listReleaseKeys(ctx, std, c, opts)
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
	at := k.RetireAt.UTC().Format(time.DateOnly)
	if k.Fleet != nil {
		return fmt.Sprintf("%s until %s or the fleet's word", k.State, at)
	}
	return fmt.Sprintf("%s until %s", k.State, at)
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

// listReleaseKeys shows the keys that serve one release each, with their ends.
func listReleaseKeys(ctx context.Context, std *IO, c *apiclient.Client, opts keyListCmd) error {
	app, err := sealift.ParseAppID(opts.App)
	if err != nil {
		return err
	}
	list, err := c.ReleaseKeys(ctx, app, api.ListReleaseKeysParams{Before: opts.Before, Limit: opts.Limit})
	if err != nil {
		return err
	}
	if list.Next > 0 {
		std.Note("there are more: --before %d", list.Next)
	}
	var rows [][]string
	for _, k := range list.Keys {
		release := fmt.Sprintf("%s %s/%s #%d", k.Version, k.Channel, k.Platform, k.Counter)
		signed := k.Leaf.Signed.UTC().Format("2006-01-02 15:04Z")
		rows = append(rows, []string{release, "leaf", k.Leaf.Public[:12], "destroyed after one signature, " + signed, fmt.Sprintf("%s of CA %s", k.Leaf.Serial, k.Leaf.Issuer[:12])})
		rows = append(rows, []string{release, "content", "-", contentEnd(k.Content), fmt.Sprintf("sealed to %s/%d, epoch %d", k.Content.Key, k.Content.Version, k.Content.Epoch)})
	}
	return std.Print(list, Table([]string{"RELEASE", "KEY", "PUBLIC", "END", "BY"}, rows))
}

// contentEnd is how long a content key can be opened.
func contentEnd(k api.ContentKey) string {
	switch k.EpochState {
	case "destroyed":
		return "ended with its epoch"
	case "compromised":
		return "ends with its epoch, which is compromised"
	}
	return "ends with its epoch"
}
