package client

import (
	"context"
	"path"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
)

// plan is a release that passed steps 1 to 3 for this device, with what it
// takes to install it.
type plan struct {
	rules    *trust.Rules
	verified *trust.Verified
	seen     trust.Seen // what was known of the log when it was verified
	release  []byte     // release.json
	proof    []byte
}

// available describes p to the host, for a device in the state s.
func (d *Device) available(s *state, p *plan) *Available {
	r := p.verified.Release
	full := pointer(r.Full())
	a := &Available{
		Release: p.verified.Digest, Version: r.Version, Counter: r.Counter, Act: r.Act,
		Archive: r.Archive, Blob: &full, Urgent: r.Urgent,
	}
	if patch, ok := d.patchFor(s, p); ok {
		at := pointer(patch)
		a.Patch = &at
	}
	return a
}

// Check asks what is current and verifies it up to step 3. It installs nothing.
func (d *Device) Check(ctx context.Context) (Result, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, err := d.plan(ctx)
	if err != nil {
		return d.failed(Result{}, err)
	}
	return d.found(p)
}

// found is the result where p may be installed; nil is nothing.
func (d *Device) found(p *plan) (Result, error) {
	s, err := d.store.load()
	if err != nil || p == nil {
		return s.result(OutcomeCurrent), err
	}
	r := s.result(OutcomeAvailable)
	r.Available = d.available(&s, p)
	if until := d.quietFor(&s, p); !until.IsZero() {
		r.Waits = &until
	}
	return r, nil
}

// refresh brings the metadata up to date and returns whom to trust.
func (d *Device) refresh(ctx context.Context) (*trust.Rules, error) {
	if err := d.meta.Refresh(ctx); err != nil {
		return nil, err
	}
	data, err := d.meta.TopLevel(ctx, trust.TrustPath)
	if err != nil {
		return nil, err
	}
	trusted, err := trust.ParseTrust(data)
	if err != nil {
		return nil, err
	}
	if data, err = d.delegated(ctx, trust.DenyPath); err != nil {
		return nil, err
	}
	denied, err := trust.ParseDeny(data)
	if err != nil {
		return nil, err
	}
	rules, err := trust.NewRules(trusted, denied, d.cfg.App)
	if err != nil {
		return nil, err
	}
	if d.channels, err = d.channelsOf(ctx); err != nil {
		return nil, err
	}
	d.rules = rules
	return rules, d.follow(rules)
}

// follow writes down what the rules say of the device as it is.
func (d *Device) follow(rules *trust.Rules) error {
	s, err := d.store.load()
	if err != nil {
		return err
	}
	next := s
	if err := next.follow(rules); err != nil {
		return err
	}
	if s.Vault == next.Vault && s.Blocked == next.Blocked && s.Log.Equal(next.Log) {
		return nil
	}
	_, err = d.conclude(func(s *state) error { return s.follow(rules) })
	return err
}

func (s *state) follow(rules *trust.Rules) error {
	if s.Vault != "" && s.Vault != rules.Vault() {
		return sealift.Errorf(sealift.KindMetadata, "reading trust.json", "it is of vault %s, this device is of %s", rules.Vault(), s.Vault).WithReason("vault").
			WithHint("check that the root and the server belong together")
	}
	s.Vault, s.Log = rules.Vault(), rules.Recall(s.Log)
	s.Blocked = s.Installed != nil && rules.Under(s.Installed.Counter, s.Installed.Version)
	return nil
}

// conclude writes down what follows from the metadata that this process judged. If
// another one has seen newer metadata since, nothing follows from this any more.
func (d *Device) conclude(f func(*state) error) (state, error) {
	known := d.meta.remembered()
	return d.store.change(func(s *state) error {
		if !s.Memory.equal(known) {
			return changedMeanwhile("writing down what the metadata says")
		}
		return f(s)
	})
}

// delegated reads a target that must be there. That a bin does not list it may
// be somebody showing us another bin, so it is no sign that there is nothing.
func (d *Device) delegated(ctx context.Context, name string) ([]byte, error) {
	data, err := d.meta.Delegated(ctx, name)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return nil, sealift.Errorf(sealift.KindMetadata, "reading "+name, "the director's metadata does not list it").WithReason("missing").
			WithHint("check the names of app, channel and platform, and that something was published for them")
	}
	return data, err
}

// plan decides what this device should run next, and notes what came of that; nil
// is what it runs already.
func (d *Device) plan(ctx context.Context) (*plan, error) {
	step := trust.ReportStep{Step: trust.StepRefused}
	p, err := d.seek(ctx, &step)
	switch {
	case err != nil:
		d.refused(ctx, step, err)
	case p == nil:
		d.noted(trust.ReportStep{Step: trust.StepChecked})
	default:
		d.noted(p.step(trust.StepChecked))
	}
	return p, err
}

// seek is plan. It says in about, as far as it comes, which release an error is
// about.
func (d *Device) seek(ctx context.Context, about *trust.ReportStep) (*plan, error) {
	rules, err := d.refresh(ctx)
	if err != nil {
		return nil, err
	}
	channel, excluded, err := d.place(ctx)
	if err != nil || excluded != "" {
		return nil, err
	}
	data, err := d.delegated(ctx, trust.OfferPath(d.cfg.App, channel, d.cfg.Platform))
	if err != nil {
		return nil, err
	}
	offer, err := trust.ParseOffer(data, d.cfg.App, channel, d.cfg.Platform)
	if err != nil {
		return nil, err
	}
	s, err := d.store.load()
	if err != nil {
		return nil, err
	}
	p, err := d.next(ctx, &s, rules, offer, about)
	if err != nil || p == nil || d.quietFor(&s, p).IsZero() {
		return p, err
	}
	return d.urgentBeside(ctx, s, rules, offer, p), nil
}

// next returns the first candidate that this device should install, as far as
// step 3, or nil.
func (d *Device) next(ctx context.Context, s *state, rules *trust.Rules, offer *trust.Offer, about *trust.ReportStep) (*plan, error) {
	for {
		c := d.choose(s, rules, offer)
		if c == nil || s.slot() != "" && c.Release.Digest == s.newest().Release && d.whole(s) {
			return nil, nil
		}
		about.Release = c.Release.Digest
		p, err := d.fetch(ctx, c)
		if err != nil {
			return nil, err
		}
		if err := d.authenticate(ctx, s, rules, p); err != nil {
			return nil, err
		}
		*about = p.step(about.Step)
		switch {
		case s.failedOn(p.verified):
			s.passOver(c.Release.Digest)
		case s.slot() != "" && s.newest().is(p.verified) && d.whole(s):
			return nil, nil
		default:
			return p, d.verify(s, p)
		}
	}
}

// passOver has a copy of the state choose no such candidate.
func (s *state) passOver(release sealift.Digest) {
	s.Refused = append(slices.Clone(s.Refused), release)
}

// choose returns the first candidate that is for this device, or nil.
func (d *Device) choose(s *state, rules *trust.Rules, offer *trust.Offer) *trust.Candidate {
	self := rollout.Device{ID: d.keys.id, Runtime: d.cfg.Runtime, Confirmed: s.Confirmed, Failed: s.Refused}
	have := s.Installed
	if have != nil {
		self.Installed, self.Version = have.Release, have.Version
	}
	if c := first(&self, offer.Candidates); c != nil || have == nil {
		return c
	}
	// What is installed may have to be replaced though nothing is newer: by itself,
	// where its folder is gone, and by anything, where it is trusted no more.
	self.Version = ""
	if s.Pending == nil && !d.whole(s) {
		self.Confirmed = have.Counter - 1
		for i, c := range offer.Candidates {
			if c.Counter == have.Counter && self.Takes(candidate(&c)) {
				return &offer.Candidates[i]
			}
		}
	}
	self.Confirmed = 0
	if c := first(&self, offer.Candidates); c != nil && c.Release.Digest != have.Release && !d.sound(have, rules) {
		return c
	}
	return nil
}

// first returns the first of the candidates that the device may take, or nil.
func first(self *rollout.Device, candidates []trust.Candidate) *trust.Candidate {
	for i := range candidates {
		if self.Takes(candidate(&candidates[i])) {
			return &candidates[i]
		}
	}
	return nil
}

// candidate is what package rollout has to know of one.
func candidate(c *trust.Candidate) *rollout.Candidate {
	return &rollout.Candidate{
		Release: c.Release.Digest, Version: c.Version, Counter: c.Counter, From: c.From, Runtime: c.Runtime, Share: c.Share, Salt: c.Salt,
	}
}

// newest returns what "current" points to.
func (s *state) newest() *Installed {
	if s.Pending != nil {
		return &s.Pending.Installed
	}
	return s.Installed
}

// whole reports whether the folder of what is installed is there. Somebody may
// have emptied the disk.
func (d *Device) whole(s *state) bool {
	return d.exists(path.Join(bundlesDir, s.slot()))
}

func (d *Device) exists(name string) bool {
	f, err := d.files.Open(name)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// fetch brings the release and its proof, named by the offer by digest.
func (d *Device) fetch(ctx context.Context, c *trust.Candidate) (*plan, error) {
	p := &plan{}
	var err error
	if p.release, err = d.named(ctx, "releases/", c.Release); err != nil {
		return nil, err
	}
	if p.proof, err = d.named(ctx, "proofs/", c.Proof); err != nil {
		return nil, err
	}
	return p, nil
}

func (d *Device) named(ctx context.Context, folder string, want trust.Pointer) ([]byte, error) {
	address := d.cfg.Server + "v1/" + folder + want.Digest.String()
	data, err := d.wire.get(ctx, address, want.Length)
	if err == nil && sealift.DigestOf(data) != want.Digest {
		err = sealift.Errorf(sealift.KindMetadata, "fetching "+address, "it is not what the offer names").WithReason("mismatch").
			WithHint("the server holds another file than its metadata says; try again later and tell its owner")
	}
	return data, err
}

// authenticate takes the release through steps 1 and 2.
func (d *Device) authenticate(ctx context.Context, s *state, rules *trust.Rules, p *plan) error {
	file, err := trust.ParseReleaseFile(p.release)
	if err != nil {
		return err
	}
	verified, err := rules.Authenticate(trust.Evidence{Release: file, Proof: p.proof, Seen: s.Log, Tiles: &tiles{ctx, d}})
	if err != nil {
		return err
	}
	p.rules, p.verified, p.seen = rules, verified, s.Log
	return nil
}

// verify takes it through step 3 and keeps what the log was seen at, in s as well:
// whatever is verified next must be consistent with that.
func (d *Device) verify(s *state, p *plan) error {
	if err := p.rules.CheckVersion(d.judged(s, p.rules, p.verified), p.verified.Release, d.meta.Now()); err != nil {
		return err
	}
	if p.verified.Log.Equal(s.Log) {
		return nil
	}
	_, err := d.conclude(func(s *state) error {
		if !s.Log.Equal(p.seen) && !s.Log.Equal(p.verified.Log) {
			return changedMeanwhile("writing down what was seen of the log")
		}
		s.Log = p.verified.Log
		return nil
	})
	if err == nil {
		s.Log = p.verified.Log
	}
	return err
}

// recheck judges a release once more before it is swapped in. To fetch and to
// open a blob may take days if its sender wants it to, and the verdict is only
// as good as it is fresh: what was revoked, suspended or has ended meanwhile is
// refused as it would have been at first. That the offer has moved on is no
// reason: the next update does so, too. The state that it was judged by is returned.
func (d *Device) recheck(ctx context.Context, p *plan) (s state, err error) {
	age, err := d.meta.age()
	if err != nil {
		return s, err
	}
	if s, err = d.store.load(); err != nil {
		return s, err
	}
	if age > sealift.MaxVerdictAge {
		rules, err := d.refresh(ctx)
		if err != nil {
			return s, err
		}
		if s, err = d.store.load(); err != nil {
			return s, err
		}
		if err := d.authenticate(ctx, &s, rules, p); err != nil {
			return s, err
		}
	}
	if err := d.meta.stillGood(); err != nil {
		return s, err
	}
	return s, d.verify(&s, p)
}

// judged is what step 3 holds a release to.
func (d *Device) judged(s *state, rules *trust.Rules, next *trust.Verified) trust.Device {
	device := trust.Device{
		App: d.cfg.App, Channel: s.Reports.Channel, Platform: d.cfg.Platform, Runtime: d.cfg.Runtime,
		Confirmed: s.Confirmed,
	}
	switch {
	case s.Installed == nil:
	case s.Installed.is(next): // and its folder is gone
		device.Confirmed = s.Installed.Counter - 1
	default:
		device.Installed = &trust.Installed{
			Release: s.Installed.Release, Version: s.Installed.Version, Sound: d.sound(s.Installed, rules),
		}
	}
	return device
}

// sound reports whether the installed release still passes steps 1 and 2, by
// the rules of today and the file of then. If that is lost it counts as sound,
// which is the stricter answer.
func (d *Device) sound(i *Installed, rules *trust.Rules) bool {
	release, err := d.files.ReadFile(releaseFile(i.Release), sealift.MaxRelease)
	if err != nil || sealift.DigestOf(release) != i.Release {
		return true
	}
	file, err := trust.ParseReleaseFile(release)
	return err == nil && rules.CheckInstalled(file) == nil
}

func releaseFile(d sealift.Digest) string { return path.Join(releasesDir, d.String()+".json") }

func proofFile(d sealift.Digest) string { return path.Join(releasesDir, d.String()+".proof") }

// tiles reads the log's hash tiles over the network (C2SP tlog-tiles). What
// they say is authenticated by those who ask for them.
type tiles struct {
	ctx context.Context // tlog's interface has no place for it
	d   *Device
}

// Height implements tlog.TileReader.
func (t *tiles) Height() int { return trust.TileHeight }

// SaveTiles implements tlog.TileReader: there is no cache.
func (t *tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// ReadTiles implements tlog.TileReader.
func (t *tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(wanted))
	for i, tile := range wanted {
		var err error
		if data[i], err = t.read(tile); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// read fetches a tile, the full one if its beginning is no longer kept apart.
func (t *tiles) read(tile tlog.Tile) ([]byte, error) {
	data, err := t.d.wire.get(t.ctx, t.d.cfg.Server+"v1/"+trust.TilePath(tile), sealift.MaxLogTile)
	if full := 1 << trust.TileHeight; isNotFound(err) && tile.W < full {
		length := tile.W * tlog.HashSize
		tile.W = full
		data, err = t.d.wire.get(t.ctx, t.d.cfg.Server+"v1/"+trust.TilePath(tile), sealift.MaxLogTile)
		data = data[:min(length, len(data))]
	}
	return data, err
}
