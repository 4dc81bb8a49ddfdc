package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/internal/release"
	"github.com/sealift/sealift/internal/vault"
)

// keyChange are the flags of a command that changes a key's state.
type keyChange struct {
	Key     string     `arg:"" help:"The key's id, as sealift key list shows it in front of the slash."`
	Version uint64     `placeholder:"N" help:"Which version of it. Without it: the newest one that this can be done to."`
	Reason  string     `required:"" placeholder:"TEXT" help:"Why, in your words, for the log."`
	API     APIOptions `embed:""`
}

type keySuspendCmd struct {
	Change keyChange `embed:""`
}

// Run implements the command.
func (c *keySuspendCmd) Run(ctx context.Context, std *IO) error {
	return runKeyChange(ctx, std, c.Change, api.KeyChangeToSuspended, "active")
}

type keyRestoreCmd struct {
	Change keyChange `embed:""`
}

// Run implements the command.
func (c *keyRestoreCmd) Run(ctx context.Context, std *IO) error {
	return runKeyChange(ctx, std, c.Change, api.KeyChangeToActive, "suspended")
}

type keyDeactivateCmd struct {
	Change keyChange `embed:""`
}

// Run implements the command.
func (c *keyDeactivateCmd) Run(ctx context.Context, std *IO) error {
	return runKeyChange(ctx, std, c.Change, api.KeyChangeToDeactivated, "active", "suspended")
}

type keyCompromiseCmd struct {
	Change keyChange `embed:""`
}

// Run implements the command.
func (c *keyCompromiseCmd) Run(ctx context.Context, std *IO) error {
	return runKeyChange(ctx, std, c.Change, api.KeyChangeToCompromised, "active", "suspended")
}

// keyEnd are the flags of a command that ends a version: which one is never
// guessed, since it cannot be taken back.
type keyEnd struct {
	Key     string     `arg:"" help:"The key's id, as sealift key list shows it in front of the slash."`
	Version uint64     `required:"" placeholder:"N" help:"Which version of it."`
	Reason  string     `required:"" placeholder:"TEXT" help:"Why, in your words, for the log."`
	API     APIOptions `embed:""`
}

type keyDestroyCmd struct {
	End keyEnd `embed:""`
}

// Run implements the command.
func (c *keyDestroyCmd) Run(ctx context.Context, std *IO) error {
	return runKeyChange(ctx, std, keyChange(c.End), api.KeyChangeToDestroyed)
}

type keyRetireCmd struct {
	End   keyEnd        `embed:""`
	After time.Duration `required:"" placeholder:"DURATION" help:"When, from now on, such as 720h. If something depends on it then, as soon as nothing does."`
	Fleet bool          `help:"Before that, when no device believes it any more: see the key with sealift key show."`
	// Not "720h" by tag: without --fleet it says nothing.
	SeenWithin time.Duration `placeholder:"DURATION" help:"With --fleet: devices that were not seen for so long do not count; 720h, unless it is given, and 168h at the least."`
}

// Run implements the command.
func (c *keyRetireCmd) Run(ctx context.Context, std *IO) error { return runKeyRetire(ctx, std, *c) }

func runKeyRetire(ctx context.Context, std *IO, opts keyRetireCmd) error {
	if opts.After < time.Second {
		return usage("--after %s is not at least a second", opts.After).WithHint("destroy it at once with: sealift key destroy %s --version %d --reason TEXT", opts.End.Key, opts.End.Version)
	}
	switch {
	case opts.SeenWithin != 0 && !opts.Fleet:
		return usage("--seen-within says nothing without --fleet")
	case opts.Fleet && opts.SeenWithin == 0:
		opts.SeenWithin = sealift.FleetSilence
	case opts.Fleet && opts.SeenWithin < sealift.MinFleetSilence:
		return usage("--seen-within %s is less than %s, in which each device reports several times", opts.SeenWithin, sealift.MinFleetSilence)
	}
	c, err := opts.End.API.client(std)
	if err != nil {
		return err
	}
	k, err := c.RetireKey(ctx, api.KeyRetirement{
		ID: opts.End.Key, Version: opts.End.Version, After: int64(opts.After / time.Second), SeenWithin: int64(opts.SeenWithin / time.Second), Reason: opts.End.Reason,
	})
	if err != nil {
		return err
	}
	if opts.Fleet {
		std.Note("or until no device believes it any more; what that waits for: sealift key show %s --version %d", k.ID, k.Version)
	}
	return std.Print(k, Println("%s/%d is %s", k.ID, k.Version, stateText(k)))
}

func runKeyChange(ctx context.Context, std *IO, opts keyChange, to api.KeyChangeTo, from ...api.KeyState) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	if opts.Version == 0 {
		if opts.Version, err = versionIn(ctx, c, opts.Key, from); err != nil {
			return err
		}
	}
	k, err := c.SetKeyState(ctx, api.KeyChange{ID: opts.Key, Version: opts.Version, To: to, Reason: opts.Reason})
	if err != nil {
		return err
	}
	return std.Print(k, Println("%s/%d is %s", k.ID, k.Version, k.State))
}

// versionIn returns the newest version of a key in one of the states, or its
// newest of all, for the server to say what is wrong with it.
func versionIn(ctx context.Context, c *apiclient.Client, id string, states []api.KeyState) (uint64, error) {
	keys, err := c.Keys(ctx, api.ListKeysParams{ID: id})
	if err != nil {
		return 0, err
	}
	var newest uint64
	for _, k := range slices.Backward(keys) {
		if slices.Contains(states, k.State) {
			return k.Version, nil
		}
		if newest == 0 && k.State != "pre-active" {
			newest = k.Version
		}
	}
	if newest == 0 {
		return 0, sealift.Errorf(sealift.KindNotFound, "looking up a key", "there is no key %.80s", id).WithReason(vault.ReasonUnknownKey).
			WithHint("see the keys there are with: sealift key list")
	}
	return newest, nil
}

type keyRotateCmd struct {
	Key    string     `arg:"" help:"The key's id, as sealift key list shows it in front of the slash."`
	Reason string     `required:"" placeholder:"TEXT" help:"Why, in your words, for the log."`
	API    APIOptions `embed:""`
}

// Run implements the command.
func (c *keyRotateCmd) Run(ctx context.Context, std *IO) error { return runKeyRotate(ctx, std, *c) }

func runKeyRotate(ctx context.Context, std *IO, opts keyRotateCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	r, err := c.RotateKey(ctx, api.KeyRotation{ID: opts.Key, Reason: opts.Reason})
	if err != nil {
		return err
	}
	return std.Print(r, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s/%d is %s\n%s/%d is %s\n", r.Active.ID, r.Active.Version, r.Active.State, r.Before.ID, r.Before.Version, r.Before.State)
		if err == nil && r.Standby != nil {
			_, err = fmt.Fprintf(w, "%s/%d is its standby, which no signed document lists yet\n  before the next rotation  %s\n",
				r.Standby.ID, r.Standby.Version, release.Ceremony(vault.Purpose(r.Standby.Purpose)))
		}
		return err
	})
}
