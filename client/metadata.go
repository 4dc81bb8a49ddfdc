package client

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"

	"github.com/sealift/sealift"
)

// MetadataConfig says where metadata comes from and where it is kept.
type MetadataConfig struct {
	// URL is the address of the folder of metadata files, TargetsURL that of
	// the targets.
	URL, TargetsURL string
	// Dir is the cache. It may be lost at any time; what must not be is in
	// Memory.
	Dir string
	// Root is the root.json to begin with. Later roots are cached and found
	// from there. It may be nil after InitMetadata.
	Root []byte
	// Foreign is set for a TUF repository that Sealift did not make. Its
	// timestamps do not say when they were issued, so there is no trusted time
	// and the clock alone counts.
	Foreign bool
	// Memory keeps what must outlive the cache; nil means a file in Dir.
	Memory MemoryStore
	// Host is the machine; nil means NewSystem.
	Host Host
}

// Metadata is a verified view of one TUF repository (TUF specification 1.0),
// by go-tuf's updater and within our own bounds. Refresh brings it up to date;
// until one succeeded there is nothing to read.
//
// It is for one process at a time, and its methods for one goroutine at a
// time, which it sees to by itself.
type Metadata struct {
	cfg    MetadataConfig
	cache  cache
	memory MemoryStore
	wire   *wire

	mu    sync.Mutex
	fetch *tufFetcher
	up    *updater.Updater // nil unless the last Refresh succeeded
	known Memory
	now   time.Time
	// The end of the last Refresh that succeeded, by the time it judged by and,
	// for what has passed since, by the process's own monotonic time.
	judged, ended time.Time
}

// memoryFile is the name of the Memory beside a cache. It must not end like
// metadata.
const memoryFile = "memory"

// OpenMetadata checks cfg and opens the cache. It talks to nobody.
func OpenMetadata(cfg MetadataConfig) (*Metadata, error) {
	var err error
	if cfg.URL, err = parseBase(cfg.URL); err != nil {
		return nil, err
	}
	if cfg.TargetsURL != "" {
		if cfg.TargetsURL, err = parseBase(cfg.TargetsURL); err != nil {
			return nil, err
		}
	}
	if cfg.Host == nil {
		cfg.Host = NewSystem()
	}
	files, err := cfg.Host.Files(cfg.Dir)
	if err != nil {
		return nil, err
	}
	m := &Metadata{
		cfg:    cfg,
		cache:  cache{files, !cfg.Foreign},
		memory: cfg.Memory,
		wire:   newWire(cfg.Host.Transport()),
	}
	if m.memory == nil {
		m.memory = fileMemory{files, memoryFile}
	}
	if m.cfg.Root == nil {
		m.cfg.Root, _ = files.ReadFile(firstRoot, sealift.MaxRoot) // Refresh says if there is none
	}
	m.cache.tidy()
	return m, nil
}

// Close gives the cache back, and the host's idle connections.
func (m *Metadata) Close() error {
	m.wire.client.CloseIdleConnections()
	return m.cache.files.Close()
}

// Refresh follows the chain of roots and fetches timestamp, snapshot and
// targets as far as they are new. Errors are of KindMetadata, with the reason
// "expired", "rollback", "unsigned", "mismatch" or "malformed", or of
// KindNetwork. After an error nothing can be read.
func (m *Metadata) Refresh(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.up = nil
	err := m.refresh(ctx)
	if m.cacheToBlame(err) {
		err = m.refresh(ctx)
	}
	return metadataError("refreshing metadata", err)
}

// cacheToBlame reports whether an error of go-tuf may stem from a cached file
// that was damaged, and is gone now.
func (m *Metadata) cacheToBlame(err error) bool {
	var typed *sealift.Error // of ours, beneath or around go-tuf
	return err != nil && !errors.As(err, &typed) && m.cache.sweep()
}

func (m *Metadata) refresh(ctx context.Context) error {
	up, err := m.open(ctx)
	if err != nil {
		return err
	}
	err = guard(up.Refresh)
	set := up.GetTrustedMetadataSet()
	// What was verified is remembered even if the whole did not come about.
	if laterErr := m.settle(set); err == nil {
		err = laterErr
	}
	if err == nil {
		err = m.checkExpiry(set)
	}
	if err != nil {
		return err
	}
	up.UnsafeSetRefTime(m.now) // for the bins: trusted time may just have moved
	m.up = up
	m.judged, m.ended = m.now.Round(0), time.Now()
	return nil
}

// open is the one place where an updater comes from. An updater refreshes
// once, so each Refresh has its own.
func (m *Metadata) open(ctx context.Context) (*updater.Updater, error) {
	const op = "opening metadata"
	var err error
	if m.known, err = m.memory.Load(); err != nil {
		return nil, err
	}
	root, err := m.cache.root(m.cfg.Root)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindMetadata, op, "%w", err).WithReason("root").
			WithHint("use the root.json that came with the app or from the vault's owner")
	}
	m.fetch = &tufFetcher{ctx: ctx, wire: m.wire, own: !m.cfg.Foreign}
	cfg := &config.UpdaterConfig{
		MaxRootRotations: sealift.MaxRootRotations, MaxDelegations: sealift.MaxDelegations,
		RootMaxLength: sealift.MaxRoot, TimestampMaxLength: sealift.MaxTimestamp,
		SnapshotMaxLength: sealift.MaxSnapshot, TargetsMaxLength: sealift.MaxTargets,
		Fetcher: m.fetch, LocalTrustedRoot: root, LocalMetadataDir: m.cfg.Dir,
		RemoteMetadataURL: m.cfg.URL, PrefixTargetsWithHash: true,
		DisableLocalCache: true, // while opening: the root is cached already
	}
	var up *updater.Updater
	if err := guard(func() (err error) { up, err = updater.New(cfg); return err }); err != nil {
		return nil, err
	}
	cfg.DisableLocalCache = false
	m.setTime(up)
	// The new root may have taken the timestamp's keys away from a thief who
	// put trusted time out of reach: decide anew before anything is judged.
	m.fetch.rootsDone = func() { m.setTime(up) }
	return up, nil
}

// setTime tells the updater what time it is, before it compares an expiry.
func (m *Metadata) setTime(up *updater.Updater) {
	m.now = m.timeUnder(&up.GetTrustedMetadataSet().Root.Signed)
	up.UnsafeSetRefTime(m.now)
}

// timeUnder is the later of the clock and of the trusted time that the
// timestamp's present keys vouch for. A clock behind therefore thaws nothing
// that was seen to be over, and one ahead leaves no trace.
func (m *Metadata) timeUnder(root *metadata.RootType) time.Time {
	now := m.cfg.Host.Now()
	if trusted := m.trustedUnder(root); trusted.After(now) {
		return trusted
	}
	return now
}

func (m *Metadata) trustedUnder(root *metadata.RootType) time.Time {
	if m.cfg.Foreign || m.known.Issued.Keys != fingerprint(root, metadata.TIMESTAMP) {
		return time.Time{}
	}
	return m.known.Issued.At
}

// settle makes durable what go-tuf stored, holds what it verified to what is
// remembered, and remembers more.
func (m *Metadata) settle(set trustedmetadata.TrustedMetadata) error {
	if err := m.cache.sync(m.fetch.taken()); err != nil {
		return diskError("storing metadata", err)
	}
	next, refused := m.judge(set)
	if err := m.remember(next); err != nil {
		return err
	}
	m.now = m.timeUnder(&set.Root.Signed)
	return refused
}

func (m *Metadata) remember(next Memory) error {
	if next.equal(m.known) {
		return nil
	}
	if err := m.memory.Swap(m.known, next); err != nil {
		return err
	}
	m.known = next
	return nil
}

// judge returns the memory with what set says added to it, and an error if
// set is older than what is remembered.
func (m *Metadata) judge(set trustedmetadata.TrustedMetadata) (Memory, error) {
	j := judgement{Memory: m.known}
	root := &set.Root.Signed
	j.check("root", root.Version, m.known.Root)
	j.Root = max(j.Root, root.Version)
	if set.Timestamp == nil {
		return j.Memory, j.err
	}
	keys, stamp := fingerprint(root, metadata.TIMESTAMP), &set.Timestamp.Signed
	snapshot := stamp.Meta["snapshot.json"].Version
	j.vouch(&j.Timestamp, keys, metadata.TIMESTAMP, stamp.Version)
	j.vouch(&j.Timestamp, keys, metadata.SNAPSHOT, snapshot)
	if issued, err := issuedOf(set.Timestamp); err == nil && !m.cfg.Foreign {
		if j.Issued.Keys != keys || issued.After(j.Issued.At) {
			j.Issued = IssuedStamp{keys, issued}
		}
	}
	if set.Snapshot != nil && set.Snapshot.Signed.Version == snapshot {
		j.snapshot(root, &set.Snapshot.Signed, set.Targets)
	}
	return j.Memory, j.err
}

// judgement is a Memory that grows, and the first objection.
type judgement struct {
	Memory
	err error
}

// snapshot adds the versions of targets and of every bin that was loaded, now
// or once.
func (j *judgement) snapshot(root *metadata.RootType, s *metadata.SnapshotType, loaded map[string]*metadata.Metadata[metadata.TargetsType]) {
	keys := fingerprint(root, metadata.SNAPSHOT)
	names := map[string]bool{metadata.TARGETS: true}
	for name := range loaded {
		names[name] = true
	}
	if j.Snapshot.Keys == keys {
		for name := range j.Snapshot.Versions {
			names[name] = true
		}
	}
	for name := range names {
		var version int64
		if file := s.Meta[name+metadataSuffix]; file != nil {
			version = file.Version
		}
		j.vouch(&j.Snapshot, keys, name, version)
	}
}

func (j *judgement) vouch(by *RoleMemory, keys sealift.Digest, name string, version int64) {
	j.check(name, version, by.floor(keys, name))
	*by = by.raise(keys, name, version)
}

func (j *judgement) check(name string, version, floor int64) {
	if version < floor && j.err == nil {
		j.err = sealift.Errorf(sealift.KindMetadata, "refreshing metadata", "%s is at version %d, this device has seen version %d", name, version, floor).
			WithReason("rollback").WithHint("the server shows an older state than before; if it was restored from a backup, its owner must continue above what was published")
	}
}

// checkExpiry compares every expiry, also that of bins which were read, with
// the time now that the newest timestamp was read.
func (m *Metadata) checkExpiry(set trustedmetadata.TrustedMetadata) error {
	expires := map[string]time.Time{
		metadata.ROOT:      set.Root.Signed.Expires,
		metadata.TIMESTAMP: set.Timestamp.Signed.Expires,
		metadata.SNAPSHOT:  set.Snapshot.Signed.Expires,
	}
	for name, targets := range set.Targets {
		expires[name] = targets.Signed.Expires
	}
	for _, name := range slices.Sorted(maps.Keys(expires)) {
		if m.now.After(expires[name]) {
			return &metadata.ErrExpiredMetadata{Msg: name + metadataSuffix + " is expired"}
		}
	}
	return nil
}

// present brings "now" up to the present and returns how long ago the last
// Refresh ended, by the clock or by the process's own time, whichever says
// more: a clock may stand still, or be put back, and a process may sleep.
func (m *Metadata) present() (since time.Duration) {
	since = time.Since(m.ended)
	m.now = m.timeUnder(&m.up.GetTrustedMetadataSet().Root.Signed)
	if elapsed := m.judged.Add(since); elapsed.After(m.now) {
		m.now = elapsed
	}
	return max(since, m.now.Round(0).Sub(m.judged))
}

// age is how long ago the last Refresh ended.
func (m *Metadata) age() (time.Duration, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.up == nil {
		return 0, notRefreshed("metadata")
	}
	return m.present(), nil
}

// stillGood looks whether what the last Refresh verified, and what was read
// since, has expired meanwhile.
func (m *Metadata) stillGood() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.up == nil {
		return notRefreshed("metadata")
	}
	m.present()
	return metadataError("looking at the metadata again", m.checkExpiry(m.up.GetTrustedMetadataSet()))
}

// remembered is what this process knows to be remembered.
func (m *Metadata) remembered() Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.known
}

// Now is the later of the clock and trusted time, as of when metadata was
// judged last.
func (m *Metadata) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// TrustedTime is the greatest time of issue that the repository's timestamps
// were seen to bear; zero before the first one, and for a foreign repository.
func (m *Metadata) TrustedTime() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.up == nil {
		return time.Time{}
	}
	return m.trustedUnder(&m.up.GetTrustedMetadataSet().Root.Signed)
}
