package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/trust"
)

type verifyCmd struct {
	Release     string `arg:"" help:"The release.json to verify."`
	Root        string `required:"" placeholder:"FILE" help:"A root.json of the vault, from its owner."`
	MetadataDir string `required:"" placeholder:"DIR" help:"Update metadata: the tuf folder of a device, or a copy of what the server serves under /v1/ (public/ in its data folder)."`
	Proof       string `placeholder:"FILE" help:"The release's log proof. Without it: the file beside the release that ends in .proof, or, of a server's folder and a release that is offered, the one there."`
	Runtime     string `placeholder:"V" help:"Version of the native host to verify for. Without it: any that the release is for."`
	Blob        string `placeholder:"FILE" help:"The sealed bundle, for step 4."`
	DeviceDir   string `placeholder:"DIR" help:"Folder of a device that holds the epoch's key, to open the sealed bundle with; --blob."`
}

// Run implements the command.
func (c *verifyCmd) Run(ctx context.Context, std *IO) error { return runVerify(ctx, std, *c) }

// verifyStep is what became of one step.
type verifyStep struct {
	Step   string `json:"step"`
	State  string `json:"state"` // "passed", "failed", "partly" or "not checked"
	Detail string `json:"detail"`
}

type verifyResult struct {
	OK      bool           `json:"ok"`
	Release *trust.Release `json:"release,omitempty"`
	Steps   []verifyStep   `json:"steps"`
}

func runVerify(ctx context.Context, std *IO, opts verifyCmd) error {
	v := &verification{std: std, opts: opts}
	err := v.run(ctx)
	if err != nil && len(v.result.Steps) == 0 {
		return err // nothing was verified yet
	}
	v.result.OK = err == nil
	printed := std.Print(v.result, func(w io.Writer) error {
		var rows [][]string
		for i, s := range v.result.Steps {
			rows = append(rows, []string{fmt.Sprint(i + 1), s.Step, s.State, s.Detail})
		}
		return Table([]string{"STEP", "", "STATE", "DETAIL"}, rows)(w)
	})
	return errors.Join(err, printed)
}

// verification goes through the four steps with what is at hand.
type verification struct {
	std    *IO
	opts   verifyCmd
	result verifyResult
}

func (v *verification) step(name, state, format string, args ...any) {
	v.result.Steps = append(v.result.Steps, verifyStep{name, state, fmt.Sprintf(format, args...)})
}

// failed notes the step at which it ended, and that no later one was looked at.
// What is not at hand was not checked.
func (v *verification) failed(name string, err error) error {
	state := "failed"
	if sealift.KindOf(err) == sealift.KindNotFound {
		state = "not checked"
	}
	v.step(name, state, "%s", err)
	names := []string{"chain", "signature", "version", "integrity"}
	for _, later := range names[len(v.result.Steps):] {
		v.step(later, "not checked", "an earlier step failed")
	}
	return err
}

func (v *verification) run(ctx context.Context) error {
	if v.opts.DeviceDir != "" && v.opts.Blob == "" {
		return sealift.Errorf(sealift.KindInvalid, "verifying the release", "--device-dir is for opening a --blob").WithHint("add --blob FILE")
	}
	if v.opts.Runtime != "" {
		if _, err := sealift.ParseVersion(v.opts.Runtime); err != nil {
			return err
		}
	}
	data, err := readBounded(v.opts.Release, "release.json", sealift.MaxRelease, "write it with: sealift release show VERSION --app APP --out FILE")
	if err != nil {
		return err
	}
	file, err := trust.ParseReleaseFile(data)
	if err != nil {
		return v.failed("chain", err)
	}
	m, close, err := v.metadata(ctx)
	if err != nil {
		return err
	}
	defer close()
	now := m.view.Now()
	// Who may sign does not depend on the app, what else is demanded does, and
	// which app it is for is believed once step 1 is passed.
	rules, err := trust.NewRules(m.anchors, m.deny, "")
	if err != nil {
		return err
	}
	verified, leaf, err := rules.CheckChain(file)
	if err != nil {
		return v.failed("chain", err)
	}
	r := verified.Release
	if rules, err = trust.NewRules(m.anchors, m.deny, r.App); err != nil {
		return err
	}
	v.result.Release = r
	v.step("chain", "passed", "leaf %s of a release CA in trust.json, not revoked", verified.Serial)

	proof, err := v.proof(ctx, m, verified)
	if err != nil {
		return v.failed("signature", err)
	}
	if _, err := rules.CheckSignature(trust.Evidence{Release: file, Proof: proof}, leaf); err != nil {
		return v.failed("signature", err)
	}
	v.step("signature", "passed", "by the leaf over the exact payload; the log holds it (not compared with what a device saw of the log)")

	device := trust.Device{App: r.App, Channel: r.Channel, Platform: r.Platform, Runtime: sealift.Version(v.opts.Runtime)}
	if v.opts.Runtime == "" {
		device.Runtime, _ = r.Runtime.Sample()
	}
	if err := rules.CheckVersion(device, r, now); err != nil {
		return v.failed("version", err)
	}
	v.step("version", "passed", "%s, counter %d, for %s/%s/%s: as a device sees it that has nothing installed", r.Version, r.Counter, r.App, r.Channel, r.Platform)
	return v.integrity(ctx, r)
}

// offlineMetadata is what the metadata folder says, verified.
type offlineMetadata struct {
	view    *client.Metadata
	anchors *trust.Trust
	deny    *trust.Deny
}

// metadata verifies what is in the metadata folder, with the device's own code.
func (v *verification) metadata(ctx context.Context) (*offlineMetadata, func(), error) {
	root, err := readRootFile(v.opts.Root)
	if err != nil {
		return nil, nil, err
	}
	host, err := newFileHost(v.std.Now, v.opts.MetadataDir)
	if err != nil {
		return nil, nil, err
	}
	scratch, err := os.MkdirTemp("", "sealift-verify-")
	if err != nil {
		return nil, nil, sealift.Errorf(sealift.KindExhausted, "making a temporary folder", "%w", err)
	}
	m := &offlineMetadata{}
	remove := func() { _ = os.RemoveAll(scratch) }
	m.view, err = client.OpenMetadata(client.MetadataConfig{URL: fileHostBase + "metadata/", TargetsURL: fileHostBase + "targets/", Dir: scratch, Root: root, Host: host})
	if err != nil {
		remove()
		return nil, nil, err
	}
	close := func() { _ = m.view.Close(); remove() }
	if err := m.read(ctx); err != nil {
		close()
		if sealift.KindOf(err) == sealift.KindNetwork {
			err = sealift.Errorf(sealift.KindNotFound, "reading the metadata folder", "%s is not whole: %w", v.opts.MetadataDir, err).
				WithHint("name the tuf folder of a device that checked lately, or the public folder of a server")
		}
		return nil, nil, err
	}
	return m, close, nil
}

func (m *offlineMetadata) read(ctx context.Context) error {
	if err := m.view.Refresh(ctx); err != nil {
		return err
	}
	data, err := m.view.TopLevel(ctx, trust.TrustPath)
	if err != nil {
		return err
	}
	if m.anchors, err = trust.ParseTrust(data); err != nil {
		return err
	}
	if data, err = m.view.Delegated(ctx, trust.DenyPath); err != nil {
		return err
	}
	m.deny, err = trust.ParseDeny(data)
	return err
}

// proof finds the log proof of the release: the one that is named, the one
// beside it, or, while it is offered, the one that the offer names.
func (v *verification) proof(ctx context.Context, m *offlineMetadata, verified *trust.Verified) ([]byte, error) {
	paths := []string{v.opts.Proof}
	if v.opts.Proof == "" {
		paths = []string{strings.TrimSuffix(v.opts.Release, ".json") + ".proof"}
		if digest, ok := offeredProof(ctx, m.view, verified); ok {
			paths = append(paths, filepath.Join(v.opts.MetadataDir, "proofs", digest.String()))
		}
	}
	for _, path := range paths {
		if _, err := os.Stat(path); err == nil || v.opts.Proof != "" {
			return readBounded(path, "log proof", sealift.MaxProof, proofHint)
		}
	}
	return nil, sealift.Errorf(sealift.KindNotFound, "step 2, checking the signature", "there is no log proof at hand").
		WithReason("proof").WithHint("%s", proofHint)
}

const proofHint = "name the log proof with --proof FILE; a device keeps it beside its release.json, a server under proofs/"

func offeredProof(ctx context.Context, view *client.Metadata, verified *trust.Verified) (sealift.Digest, bool) {
	r := verified.Release
	data, err := view.Delegated(ctx, trust.OfferPath(r.App, r.Channel, r.Platform))
	if err != nil {
		return sealift.Digest{}, false
	}
	offer, err := trust.ParseOffer(data, r.App, r.Channel, r.Platform)
	if err != nil {
		return sealift.Digest{}, false
	}
	for _, c := range offer.Candidates {
		if c.Release.Digest == verified.Digest {
			return c.Proof.Digest, true
		}
	}
	return sealift.Digest{}, false
}

// integrity is step 4 as far as the files at hand allow.
func (v *verification) integrity(ctx context.Context, r *trust.Release) error {
	if v.opts.Blob == "" {
		v.step("integrity", "not checked", "no --blob")
		return nil
	}
	blob, err := os.Open(v.opts.Blob)
	if err != nil {
		return v.failed("integrity", sealift.Errorf(sealift.KindNotFound, "step 4, reading the blob", "%w", err))
	}
	defer blob.Close()
	digest, length, err := sealift.DigestReader(blob)
	if err == nil {
		err = trust.CheckBlob(r.Full(), digest, length)
	}
	if err != nil {
		return v.failed("integrity", err)
	}
	if v.opts.DeviceDir == "" {
		v.step("integrity", "partly", "the sealed bundle is the one that the release names; what is in it needs a device's key: --device-dir")
		return nil
	}
	key, err := client.HeldContentKey(client.NewSystem(), v.opts.DeviceDir, r)
	if err != nil {
		return v.failed("integrity", err)
	}
	if _, err := blob.Seek(0, io.SeekStart); err != nil {
		return v.failed("integrity", err)
	}
	files := &countingSink{}
	id := bundle.Identity{Digest: r.Archive.Digest, Length: r.Archive.Length}
	if err := bundle.Open(ctx, blob, id, r.App, key, files, nil); err != nil {
		return v.failed("integrity", err)
	}
	v.step("integrity", "passed", "%d files, archive %s", files.n, r.Archive.Digest)
	return nil
}

// countingSink counts files and keeps none.
type countingSink struct{ n int }

// Create implements bundle.Sink.
func (s *countingSink) Create(string, int64, bool) (io.WriteCloser, error) {
	s.n++
	return discardCloser{io.Discard}, nil
}

type discardCloser struct{ io.Writer }

// Close implements io.Closer.
func (discardCloser) Close() error { return nil }
