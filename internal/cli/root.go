package cli

import (
	"bytes"
	"context"
	"crypto"
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
	Rotate rootRotateCmd `cmd:"" help:"Sign the next root, with new keys or other ones, and publish it, or write it to a file for others to sign. Devices follow by themselves."`
	Keygen rootKeygenCmd `cmd:"" help:"Make a root or targets key of your own, for others to add to the next root. It needs no server."`
}

type rootRotateCmd struct {
	Keys        string            `required:"" placeholder:"DIR" help:"Folder with people's keys."`
	Change      rootChange        `embed:""`
	Out         string            `placeholder:"FILE" help:"Write it there for the next person to sign, in place of publishing it."`
	New         peoplesKeys       `embed:""`
	Reach       PKCS11Options     `embed:""`
	Passphrases PassphraseOptions `embed:""`
	API         APIOptions        `embed:""`
}

// rootChange are the flags that say what is to be different in the next root.
type rootChange struct {
	Replace    []string `xor:"what" placeholder:"KEY" help:"Put a new key that is made here in the place of this root or targets key only, such as root-1. May be repeated. Without this or another change: all root keys."`
	Renew      bool     `xor:"what" help:"Replace no key: only set a new expiry."`
	Drop       []string `placeholder:"KEY" help:"Trust this root or targets key no more. May be repeated."`
	AddRoot    []string `sep:"none" placeholder:"FILE" help:"Trust this root key, too, that somebody else made and holds: its .pub file, as sealift root keygen wrote it. May be repeated."`
	AddTargets []string `sep:"none" placeholder:"FILE" help:"Trust this targets key, too, as --add-root does a root key."`
	Threshold  int      `placeholder:"M" help:"How many keys of each role must sign from then on. Without it: as many as now."`
}

// parse reads the files that the flags name.
func (c rootChange) parse(folder *ceremony.Folder) (ceremony.RootChange, error) {
	out := ceremony.RootChange{Replace: c.Replace, Drop: c.Drop, Threshold: c.Threshold, Add: map[ceremony.Role][]crypto.PublicKey{}}
	if !c.Renew && len(c.Replace)+len(c.Drop)+len(c.AddRoot)+len(c.AddTargets)+c.Threshold == 0 {
		out.Replace = folder.LiveKeys(ceremony.RoleRoot)
	}
	if c.Threshold < 0 {
		return out, usage("%d keys cannot sign", c.Threshold).WithHint("name how many must: --threshold 2")
	}
	for role, files := range map[ceremony.Role][]string{ceremony.RoleRoot: c.AddRoot, ceremony.RoleTargets: c.AddTargets} {
		for _, file := range files {
			pub, err := ceremony.ReadPublicKey(file)
			if err != nil {
				return out, err
			}
			out.Add[role] = append(out.Add[role], pub)
		}
	}
	return out, nil
}

// Run implements the command.
func (c *rootRotateCmd) Run(ctx context.Context, std *IO) error { return runRootRotate(ctx, std, *c) }

// resumeRotation finishes a rotation that was interrupted before. Where the
// server does not publish its root it is sent again, and not replaced by
// another one while it may be on its way: that would trust keys of its own.
func resumeRotation(ctx context.Context, c *apiclient.Client, folder *ceremony.Folder, published []byte) (bool, error) {
	waiting, err := folder.Waiting()
	if err != nil || waiting == nil {
		return false, err
	}
	if !bytes.Equal(waiting.Next, published) {
		if sealift.DigestOf(published) != waiting.Root {
			return false, nil // the server went another way: the next one replaces it
		}
		switch _, err := c.AcceptRoot(ctx, api.Ceremony{Root: waiting.Next, Targets: waiting.Targets, Trust: waiting.Trust}); {
		case err != nil && sealift.KindOf(err) == sealift.KindMetadata:
			return false, nil // refused for good
		case err != nil:
			return false, err
		}
	}
	_, err = folder.Finish(waiting)
	return err == nil, err
}

func runRootRotate(ctx context.Context, std *IO, opts rootRotateCmd) (err error) {
	folder, done, err := opts.Reach.folder(ctx, std, opts.Keys, opts.New.all()...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	if folder.Places, err = opts.New.places(); err != nil {
		return err
	}
	if _, err := opts.checked(folder); err != nil { // before a server is asked
		return err
	}
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	published, err := c.Root(ctx)
	if err != nil {
		return err
	}
	finished, err := resumeRotation(ctx, c, folder, published)
	if err != nil {
		return err
	}
	if finished {
		std.Note("finished the rotation that was interrupted before; run it again for another one")
		return std.Print(map[string]any{"resumed": true}, func(io.Writer) error { return nil })
	}
	if _, err := followServer(ctx, std, c, folder); err != nil {
		return err
	}
	change, err := opts.checked(folder) // once more: the folder may have followed
	if err != nil {
		return err
	}
	return proposeRoot(ctx, std, c, folder, change, opts)
}

// checked returns the change that the flags ask for, if the folder can make it.
func (c rootRotateCmd) checked(folder *ceremony.Folder) (ceremony.RootChange, error) {
	change, err := c.Change.parse(folder)
	if err != nil {
		return change, err
	}
	names, err := folder.RootKeys(change)
	if err != nil {
		return change, err
	}
	return change, c.Passphrases.Check(names...)
}

// proposeRoot makes and signs the next root, and publishes it or hands it on.
func proposeRoot(ctx context.Context, std *IO, c *apiclient.Client, folder *ceremony.Folder, change ceremony.RootChange, opts rootRotateCmd) error {
	anchors, vaultKeys, err := anchorsOf(ctx, c)
	if err != nil {
		return err
	}
	phrases := newPhrases(ctx, std, opts.Passphrases, folder.Inventory.Alone())
	defer phrases.clear()
	if opts.Out == "" {
		if err := folder.Reach(change, phrases.get); err != nil {
			return err
		}
	}
	p, err := folder.ProposeRoot(change, anchors, phrases.get, std.Now())
	if err != nil {
		return err
	}
	review, err := folder.Review(p)
	if err != nil {
		return err
	}
	noteReview(std, review)
	if err := folder.Sign(p, phrases.get); err != nil {
		return err
	}
	if opts.Out != "" {
		return handOn(std, folder, p, opts.Out, review)
	}
	if err := completeHere(folder, p); err != nil {
		return err
	}
	if err := folder.Wait(p); err != nil {
		return err
	}
	accepted, err := publish(ctx, std, c, folder, p)
	if err != nil {
		return err
	}
	return printRotation(std, accepted, p, review, vaultKeys)
}

func printRotation(std *IO, accepted api.Root, p *ceremony.Proposal, review *ceremony.Review, vaultKeys map[sealift.Digest]string) error {
	added, replaced, online := namesOf(review.Root.Added), namesOf(review.Root.Removed), onlineOf(review, vaultKeys)
	result := map[string]any{"version": accepted.Version, "sha256": accepted.SHA256, "expires": accepted.Expires, "replaced": replaced, "added": added, "online": online, "changes": notNil(review.Changes)}
	if p.Targets != nil {
		result["targets"], result["targetsExpire"] = accepted.Targets, accepted.TargetsExpire
	}
	return std.Print(result, func(w io.Writer) error {
		var out strings.Builder
		out.WriteString(publishedText(accepted, p))
		if len(added) > 0 {
			fmt.Fprintf(&out, "  new keys      %s\n", strings.Join(added, ", "))
		}
		if len(replaced) > 0 {
			fmt.Fprintf(&out, "  retired keys  %s\n", strings.Join(replaced, ", "))
		}
		for _, change := range online {
			fmt.Fprintf(&out, "  %-13s %s  sha256:%s\n", map[bool]string{true: "now listed", false: "not any more"}[change.Listed], change.Key, change.SHA256)
		}
		_, err := io.WriteString(w, out.String())
		return err
	})
}

func namesOf(signers []ceremony.Signer) (names []string) {
	for _, s := range signers {
		names = append(names, s.Name)
	}
	return names
}

// onlineKey is a key of the vault that a root lists newly, or no longer.
type onlineKey struct {
	Key    string `json:"key"` // "timestamp/3"
	SHA256 string `json:"sha256"`
	Listed bool   `json:"listed"`
}

func onlineOf(r *ceremony.Review, names map[sealift.Digest]string) []onlineKey {
	keys := []onlineKey{}
	for _, change := range r.Root.Online {
		name := names[change.SHA256]
		if name == "" {
			name = "an older " + change.Role + " key"
		}
		keys = append(keys, onlineKey{name, change.SHA256.String(), change.Listed})
	}
	return keys
}

type rootKeygenCmd struct {
	Keys        string            `required:"" placeholder:"DIR" help:"Your folder with people's keys: a copy of theirs without any key file is enough."`
	Role        string            `enum:"root,targets" default:"root" help:"What it is to sign: root or targets."`
	In          string            `placeholder:"URI" help:"Make it in a PKCS#11 token, under the label that object names: 'pkcs11:token=NAME;object=LABEL'."`
	Out         string            `required:"" placeholder:"FILE" help:"Write its public half there, for who proposes the next root."`
	Reach       PKCS11Options     `embed:""`
	Passphrases PassphraseOptions `embed:""`
}

// Run implements the command.
func (c *rootKeygenCmd) Run(ctx context.Context, std *IO) error { return runRootKeygen(ctx, std, *c) }

func runRootKeygen(ctx context.Context, std *IO, opts rootKeygenCmd) (err error) {
	role := ceremony.Role(opts.Role)
	if opts.In != "" {
		if err := checkNewKey(opts.In); err != nil {
			return err
		}
	}
	if err := ceremony.CheckNew(opts.Out); err != nil {
		return err
	}
	folder, done, err := opts.Reach.folder(ctx, std, opts.Keys, peoplesKeys{RootKey: []string{opts.In}}.all()...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	folder.Places = ceremony.Places{role: {opts.In}}
	if err := opts.Passphrases.Check(folder.NextKey(role)); err != nil {
		return err
	}
	phrases := newPhrases(ctx, std, opts.Passphrases, true)
	defer phrases.clear()
	key, pub, err := folder.NewKey(role, phrases.get)
	if err != nil {
		return err
	}
	if err := ceremony.WritePublicKey(opts.Out, pub); err != nil {
		return err
	}
	return std.Print(map[string]any{"key": key.Name, "sha256": key.ID(), "file": opts.Out, "token": key.Token}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s  sha256:%s\n%s is for who proposes the next root; tell them the SHA-256 by another way:\n  sealift root rotate --keys DIR --add-%s %s --out proposal.json\n", key.Name, key.ID(), opts.Out, role, opts.Out)
		return err
	})
}
