package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
)

type rootCmd struct {
	Rotate rootRotateCmd `cmd:"" help:"Sign the next root with new root keys, and publish it. Devices follow by themselves."`
}

type rootRotateCmd struct {
	Keys        string            `required:"" placeholder:"DIR" help:"Folder with people's keys."`
	Replace     []string          `xor:"what" placeholder:"KEY" help:"Replace this root key only, such as root-1. May be repeated. Without it: all of them."`
	Renew       bool              `xor:"what" help:"Replace no key: only set a new expiry."`
	New         peoplesKeys       `embed:""`
	Reach       PKCS11Options     `embed:""`
	Passphrases PassphraseOptions `embed:""`
	API         APIOptions        `embed:""`
}

// Run implements the command.
func (c *rootRotateCmd) Run(ctx context.Context, std *IO) error { return runRootRotate(ctx, std, *c) }

// resumeRotation finishes a rotation that was interrupted before. Where the
// server does not publish its root it is sent again, and not replaced by
// another one while it may be on its way: that would trust keys of its own.
func resumeRotation(ctx context.Context, c *apiclient.Client, folder *ceremony.Folder, current []byte) (bool, error) {
	finished, err := folder.Resume(current)
	if err != nil || finished {
		return finished, err
	}
	waiting, err := folder.Waiting(current)
	if err != nil || waiting == nil {
		return false, err
	}
	switch _, err := c.AcceptRoot(ctx, api.Ceremony{Root: waiting}); {
	case err != nil && sealift.KindOf(err) == sealift.KindMetadata:
		return false, nil // refused for good
	case err != nil:
		return false, err
	}
	return folder.Resume(waiting)
}

func runRootRotate(ctx context.Context, std *IO, opts rootRotateCmd) (err error) {
	folder, done, err := opts.Reach.folder(ctx, std, opts.Keys, opts.New.RootKey...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	for _, uri := range opts.New.RootKey {
		if err := checkNewKey(uri); err != nil {
			return err
		}
	}
	folder.Places = ceremony.Places{ceremony.RoleRoot: opts.New.RootKey}
	names, err := folder.RotationKeys(opts.Replace, opts.Renew)
	if err != nil {
		return err
	}
	if err := opts.Passphrases.Check(names...); err != nil {
		return err
	}
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	current, err := c.Root(ctx)
	if err != nil {
		return err
	}
	finished, err := resumeRotation(ctx, c, folder, current)
	if err != nil {
		return err
	}
	if finished {
		std.Note("finished the rotation that was interrupted before; run it again for another one")
		return std.Print(map[string]any{"resumed": true}, func(io.Writer) error { return nil })
	}
	anchors, vaultKeys, err := anchorsOf(ctx, c)
	if err != nil {
		return err
	}
	phrases := newPhrases(ctx, std, opts.Passphrases, folder.Inventory.Alone())
	defer phrases.clear()
	rotation, err := folder.RotateRoot(current, anchors, opts.Replace, opts.Renew, phrases.get, std.Now())
	if err != nil {
		return err
	}
	accepted, err := c.AcceptRoot(ctx, api.Ceremony{Root: rotation.Outcome.Root})
	if err != nil {
		return err
	}
	if err := rotation.Commit(); err != nil {
		return err
	}
	return std.Print(map[string]any{"version": accepted.Version, "sha256": accepted.SHA256, "expires": accepted.Expires, "replaced": rotation.Replaced, "added": rotation.Added, "online": onlineOf(rotation, vaultKeys)},
		func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "root version %d is published, good until %s\n", accepted.Version, accepted.Expires.Format("2006-01-02"))
			if err == nil && len(rotation.Added) > 0 {
				_, err = fmt.Fprintf(w, "  new keys      %s\n  retired keys  %s\n", strings.Join(rotation.Added, ", "), strings.Join(rotation.Replaced, ", "))
			}
			for _, change := range onlineOf(rotation, vaultKeys) {
				if err == nil {
					_, err = fmt.Fprintf(w, "  %-13s %s  sha256:%s\n", map[bool]string{true: "now listed", false: "not any more"}[change.Listed], change.Key, change.SHA256)
				}
			}
			return err
		})
}

// onlineKey is a key of the vault that a root lists newly, or no longer.
type onlineKey struct {
	Key    string `json:"key"` // "timestamp/3"
	SHA256 string `json:"sha256"`
	Listed bool   `json:"listed"`
}

func onlineOf(r *ceremony.Rotation, names map[sealift.Digest]string) []onlineKey {
	keys := []onlineKey{}
	for _, change := range r.Online {
		name := names[change.SHA256]
		if name == "" {
			name = "an older " + change.Role + " key"
		}
		keys = append(keys, onlineKey{name, change.SHA256.String(), change.Listed})
	}
	return keys
}
