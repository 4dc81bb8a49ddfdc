package sealifttest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

// plain is the shortest device that does all the checks: what an implementer
// in another language would write first. It shows that the World is what TUF's
// own client and package trust take, and that each attack is refused by them
// and not by an accident of package client.
type plain struct {
	base string // of the edge
	dir  string // TUF's cache
	root []byte // the newest
	now  func() time.Time

	enrolled *sealifttest.Accomplice
	epochs   map[sealift.Digest]*bundle.PrivateKey
	asked    *trust.Request // of the vault, last
	state    plainState
	dropped  error // why the last patch came to nothing
}

// plainState is what must not change when an attack is refused.
type plainState struct {
	Device trust.Device
	Seen   trust.Seen
	Files  map[string]string
}

func newPlain(base, dir string, w *sealifttest.World) (*plain, error) {
	accomplice, err := w.Enrol(sealifttest.Default.App)
	return &plain{
		base: base, dir: dir, root: w.FirstRoot(), now: w.Now, enrolled: accomplice,
		epochs: map[sealift.Digest]*bundle.PrivateKey{},
		state: plainState{Device: trust.Device{
			App: sealifttest.Default.App, Channel: sealifttest.Default.Channel, Platform: sealifttest.Default.Platform, Runtime: "2.0.0",
		}},
	}, err
}

// update installs what is offered, if it is newer.
func (d *plain) update() error {
	rules, offer, err := d.refresh()
	if err != nil {
		if sealift.KindOf(err) == sealift.KindInternal {
			err = sealift.Errorf(sealift.KindMetadata, "refreshing", "%w", err).WithReason(metadataReason(err))
		}
		return err
	}
	if len(offer.Candidates) == 0 {
		return nil
	}
	candidate := offer.Candidates[len(offer.Candidates)-1]
	if d.state.Device.Installed != nil && d.state.Device.Installed.Release == candidate.Release.Digest {
		return nil
	}
	v, err := d.verify(rules, candidate)
	if err != nil {
		return err
	}
	files, err := d.open(rules, v.Release)
	if err != nil {
		return err
	}
	d.state.Files, d.state.Seen = files, v.Log
	d.state.Device.Confirmed = max(d.state.Device.Confirmed, v.Release.Counter)
	d.state.Device.Installed = &trust.Installed{Release: v.Digest, Version: v.Release.Version, Sound: true}
	return nil
}

func metadataReason(err error) string {
	if errors.Is(err, &metadata.ErrExpiredMetadata{}) {
		return "expired"
	}
	return "unverified"
}

func (d *plain) refresh() (*trust.Rules, *trust.Offer, error) {
	cfg, err := config.New(d.base+"/v1/metadata", d.root)
	if err != nil {
		return nil, nil, err
	}
	cfg.LocalMetadataDir, cfg.RemoteTargetsURL, cfg.PrefixTargetsWithHash = d.dir, d.base+"/v1/targets", true
	cfg.LocalTargetsDir = filepath.Join(d.dir, "targets")
	cfg.Fetcher = d
	u, err := updater.New(cfg)
	if err != nil {
		return nil, nil, err
	}
	u.UnsafeSetRefTime(d.now())
	if err := u.Refresh(); err != nil {
		return nil, nil, err
	}
	if d.root, err = os.ReadFile(filepath.Join(d.dir, "root.json")); err != nil {
		return nil, nil, err
	}
	download := func(info *metadata.TargetFiles) ([]byte, error) {
		if _, cached, err := u.FindCachedTarget(info, ""); err != nil || cached != nil {
			return cached, err
		}
		_, data, err := u.DownloadTarget(info, "", "")
		return data, err
	}
	get := func(path string) ([]byte, error) {
		info, err := u.GetTargetInfo(path)
		if err != nil {
			return nil, err
		}
		return download(info)
	}
	trustJSON, err := download(u.GetTopLevelTargets()[trust.TrustPath])
	if err != nil {
		return nil, nil, err
	}
	denyJSON, err := get(trust.DenyPath)
	if err != nil {
		return nil, nil, err
	}
	t, err := trust.ParseTrust(trustJSON)
	if err != nil {
		return nil, nil, err
	}
	deny, err := trust.ParseDeny(denyJSON)
	if err != nil {
		return nil, nil, err
	}
	is := d.state.Device
	rules, err := trust.NewRules(t, deny, is.App)
	if err != nil {
		return nil, nil, err
	}
	channelsJSON, err := get(trust.ChannelsPath(is.App))
	if err != nil {
		return nil, nil, err
	}
	if _, err := trust.ParseChannels(channelsJSON, is.App); err != nil {
		return nil, nil, err
	}
	if err := d.assigned(get, d.now()); err != nil {
		return nil, nil, err
	}
	offerJSON, err := get(trust.OfferPath(is.App, is.Channel, is.Platform))
	if err != nil {
		return nil, nil, err
	}
	offer, err := trust.ParseOffer(offerJSON, is.App, is.Channel, is.Platform)
	return rules, offer, err
}

// assigned checks the device's assignment, if there is one, and does not go by it.
func (d *plain) assigned(get func(string) ([]byte, error), now time.Time) error {
	data, err := get(trust.AssignPath(d.enrolled.ID))
	if err != nil { // go-tuf has no type for that none is listed
		return nil
	}
	a, err := trust.ParseAssignment(data, d.enrolled.App, d.enrolled.ID)
	if err != nil {
		return err
	}
	return a.CheckSequence(now)
}

func (d *plain) verify(rules *trust.Rules, c trust.Candidate) (*trust.Verified, error) {
	release, err := d.pointed("releases", c.Release)
	if err != nil {
		return nil, err
	}
	proof, err := d.pointed("proofs", c.Proof)
	if err != nil {
		return nil, err
	}
	file, err := trust.ParseReleaseFile(release)
	if err != nil {
		return nil, err
	}
	return rules.Verify(d.state.Device, trust.Evidence{Release: file, Proof: proof, Seen: d.state.Seen, Tiles: d}, d.now())
}

// pointed fetches what the offer names by digest.
func (d *plain) pointed(folder string, p trust.Pointer) ([]byte, error) {
	data, err := d.get(folder+"/"+p.Digest.String(), p.Length)
	if err == nil && sealift.DigestOf(data) != p.Digest {
		err = sealift.Errorf(sealift.KindMetadata, "fetching what the offer names", "another SHA-256").WithReason("digest")
	}
	return data, err
}

func (d *plain) open(rules *trust.Rules, r *trust.Release) (map[string]string, error) {
	epoch, err := d.epoch(rules, r)
	if err != nil {
		return nil, err
	}
	id := bundle.Identity{Digest: r.Archive.Digest, Length: r.Archive.Length}
	key, err := bundle.OpenContentKey(epoch, r.ContentKey.Sealed,
		bundle.ContentKeyInfo{App: r.App, Channel: r.Channel, Epoch: r.Epoch.Number, Archive: id.Digest})
	if err != nil {
		return nil, err
	}
	if base, patch, ok := d.patch(r); ok {
		files := memory{}
		sealed, err := d.blob(patch)
		if err == nil {
			err = bundle.OpenPatch(context.Background(), bytes.NewReader(sealed), base, id, r.App, key, files, nil)
		}
		if d.dropped = err; err == nil {
			return files, nil
		}
	}
	sealed, err := d.blob(r.Full())
	if err != nil {
		return nil, err
	}
	files := memory{}
	return files, bundle.Open(context.Background(), bytes.NewReader(sealed), id, r.App, key, files, nil)
}

// patch returns the patch for what is installed, and what that is.
func (d *plain) patch(r *trust.Release) (bundle.Base, trust.Blob, bool) {
	files := fstest.MapFS{}
	for path, content := range d.state.Files {
		files[path] = &fstest.MapFile{Data: []byte(content), Mode: 0o644}
	}
	source, err := bundle.OpenSource(files)
	if err != nil {
		return bundle.Base{}, trust.Blob{}, false
	}
	id, err := source.Digest(context.Background(), nil)
	patch, ok := r.Patch(id.Digest)
	return bundle.Base{Identity: id, Archiver: source}, patch, ok && err == nil
}

func (d *plain) blob(want trust.Blob) ([]byte, error) {
	sealed, err := d.get("blobs/"+want.Digest.String(), want.Length)
	if sealift.ReasonOf(err) == "too-long" {
		return nil, trust.CheckBlob(want, sealift.Digest{}, want.Length+1)
	}
	if err != nil {
		return nil, err
	}
	return sealed, trust.CheckBlob(want, sealift.DigestOf(sealed), int64(len(sealed)))
}

func (d *plain) epoch(rules *trust.Rules, r *trust.Release) (*bundle.PrivateKey, error) {
	if key := d.epochs[r.Epoch.PublicKey]; key != nil {
		return key, nil
	}
	req := d.enrolled.Request(trust.RequestEpoch)
	d.asked = req
	var err error
	if req.Body, err = trust.EncodeBody(trust.EpochRequest{Channel: r.Channel, Number: r.Epoch.Number}); err != nil {
		return nil, err
	}
	message, err := trust.SignRequest(req, d.enrolled.Identity)
	if err != nil {
		return nil, err
	}
	raw, err := d.do(http.MethodPost, d.base+"/v1/devices", message, sealift.MaxMessage)
	if err != nil {
		return nil, err
	}
	answer, err := rules.OpenAnswer(raw, req, d.now())
	if err != nil {
		return nil, err
	}
	var grant trust.EpochGrant
	if err := trust.DecodeBody(answer.Body, &grant); err != nil {
		return nil, err
	}
	key, err := bundle.OpenEpochKey(d.enrolled.HPKE, grant.Sealed, bundle.EpochKeyInfo{
		Vault: req.Vault, App: req.App, Device: req.Device, Channel: r.Channel, Epoch: r.Epoch.Number,
	})
	if err != nil {
		return nil, err
	}
	if key.Public().Digest() != r.Epoch.PublicKey {
		return nil, sealift.Errorf(sealift.KindIntegrity, "taking an epoch key", "it is not the one that the release names").WithReason("epoch_key")
	}
	d.epochs[r.Epoch.PublicKey] = key
	return key, nil
}

// DownloadFile implements go-tuf's fetcher.Fetcher.
func (d *plain) DownloadFile(url string, max int64, _ time.Duration) ([]byte, error) {
	return d.do(http.MethodGet, url, nil, max)
}

func (d *plain) get(path string, max int64) ([]byte, error) {
	return d.do(http.MethodGet, d.base+"/v1/"+path, nil, max)
}

var errElsewhere = errors.New("it redirects")

func (d *plain) do(method, url string, body []byte, max int64) ([]byte, error) {
	fail := func(reason string, err error) error {
		return sealift.Errorf(sealift.KindNetwork, "fetching "+url, "%w", err).WithReason(reason)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	in, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return errElsewhere }}
	out, err := client.Do(in)
	if err != nil {
		return nil, fail("unreachable", err)
	}
	defer out.Body.Close()
	if out.StatusCode != http.StatusOK {
		return nil, fail("status", &metadata.ErrDownloadHTTP{StatusCode: out.StatusCode, URL: url})
	}
	data, err := io.ReadAll(io.LimitReader(out.Body, max+1))
	switch {
	case err != nil:
		return nil, fail("slow", err)
	case int64(len(data)) > max:
		return nil, fail("too-long", fmt.Errorf("more than %d bytes", max))
	}
	return data, nil
}

// Height, ReadTiles and SaveTiles implement tlog.TileReader.
func (d *plain) Height() int { return trust.TileHeight }

func (d *plain) SaveTiles([]tlog.Tile, [][]byte) {}

func (d *plain) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	all := make([][]byte, len(tiles))
	for i, tile := range tiles {
		var err error
		if all[i], err = d.get(trust.TilePath(tile), sealift.MaxLogTile); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// memory is a bundle.Sink.
type memory map[string]string

func (m memory) Create(path string, _ int64, _ bool) (io.WriteCloser, error) {
	return &memoryFile{memory: m, path: path}, nil
}

type memoryFile struct {
	bytes.Buffer
	memory memory
	path   string
}

func (f *memoryFile) Close() error {
	f.memory[f.path] = f.String()
	return nil
}

// snapshot copies the state, to be compared later.
func (d *plain) snapshot() plainState {
	s := d.state
	if s.Device.Installed != nil {
		installed := *s.Device.Installed
		s.Device.Installed = &installed
	}
	return s
}

func (d *plain) changed(before plainState) string { return cmp.Diff(before, d.state) }
