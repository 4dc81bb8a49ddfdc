package cli

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// simulator is a TUF repository that a test changes at will, after the
// RepositorySimulator of the conformance suite: publish signs a new version of
// a role, and what was published before stays.
type simulator struct {
	t   *testing.T
	now time.Time

	root      *metadata.Metadata[metadata.RootType]
	timestamp *metadata.Metadata[metadata.TimestampType]
	snapshot  *metadata.Metadata[metadata.SnapshotType]
	targets   map[string]*metadata.Metadata[metadata.TargetsType]
	signers   map[string][]simKey
	withHash  bool // in timestamp and snapshot

	mu        sync.Mutex
	signed    map[string][][]byte // role → versions from 1
	artifacts map[string]*artifact
	asked     []string // metadata requests: "role 2", or "role" without a version
	askedFor  []string // targets, their hash prefix cut off
	server    *httptest.Server
}

type artifact struct {
	content []byte
	hashes  []string
}

type simKey struct {
	key    *metadata.Key
	id     string
	signer signature.Signer
}

func newSimulator(t *testing.T) *simulator {
	s := &simulator{
		t: t, now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC),
		targets: map[string]*metadata.Metadata[metadata.TargetsType]{},
		signers: map[string][]simKey{}, signed: map[string][][]byte{}, artifacts: map[string]*artifact{},
	}
	expires := s.now.Add(30 * 24 * time.Hour)
	s.root, s.timestamp, s.snapshot = metadata.Root(expires), metadata.Timestamp(expires), metadata.Snapshot(expires)
	s.root.Signed.Version, s.timestamp.Signed.Version, s.snapshot.Signed.Version = 0, 0, 0
	s.targets["targets"] = s.newTargets()
	for _, role := range metadata.TOP_LEVEL_ROLE_NAMES {
		s.addKey(role, s.newKey("ed25519"))
	}
	s.publish("targets", "snapshot", "timestamp", "root")
	s.server = httptest.NewServer(s)
	t.Cleanup(s.server.Close)
	return s
}

func (s *simulator) newTargets() *metadata.Metadata[metadata.TargetsType] {
	m := metadata.Targets(s.now.Add(30 * 24 * time.Hour))
	m.Signed.Version = 0
	return m
}

func (s *simulator) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *simulator) newKey(kind string) simKey {
	s.t.Helper()
	var private crypto.Signer
	var err error
	switch kind {
	case "ed25519":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case "ecdsa":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "rsa":
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	s.must(err)
	signer, err := signature.LoadSigner(private, crypto.SHA256)
	if k, ok := private.(*rsa.PrivateKey); ok {
		signer, err = signature.LoadRSAPSSSigner(k, crypto.SHA256, &rsa.PSSOptions{Hash: crypto.SHA256, SaltLength: 32})
	}
	s.must(err)
	key, err := metadata.KeyFromPublicKey(private.Public())
	s.must(err)
	return s.named(simKey{key: key, signer: signer})
}

// named gives a key the id of its present content.
func (s *simulator) named(k simKey) simKey {
	data, err := cjson.EncodeCanonical(k.key)
	s.must(err)
	sum := sha256.Sum256(data)
	k.id = hex.EncodeToString(sum[:])
	return k
}

// addKey gives a top-level role a key and signs with it from now on.
func (s *simulator) addKey(role string, key simKey) {
	s.root.Signed.Keys[key.id] = key.key
	s.root.Signed.Roles[role].KeyIDs = append(s.root.Signed.Roles[role].KeyIDs, key.id)
	s.signers[role] = append(s.signers[role], key)
}

// rotate gives a top-level role new keys in place of all it had.
func (s *simulator) rotate(role string) {
	s.root.Signed.Roles[role].KeyIDs = nil
	s.signers[role] = nil
	for range s.root.Signed.Roles[role].Threshold {
		s.addKey(role, s.newKey("ed25519"))
	}
}

// delegate adds a delegated role with a key of its own, made by s.
func (s *simulator) delegate(parent string, role metadata.DelegatedRole) {
	from := s.targets[parent]
	if from.Signed.Delegations == nil {
		from.Signed.Delegations = &metadata.Delegations{Keys: map[string]*metadata.Key{}}
	}
	key := s.newKey("ed25519")
	role.KeyIDs = append(role.KeyIDs, key.id)
	from.Signed.Delegations.Keys[key.id] = key.key
	from.Signed.Delegations.Roles = append(from.Signed.Delegations.Roles, role)
	s.signers[role.Name] = append(s.signers[role.Name], key)
	if s.targets[role.Name] == nil {
		s.targets[role.Name] = s.newTargets()
	}
}

// delegateBins adds succinct roles to targets.
func (s *simulator) delegateBins(bits int, prefix string) []string {
	key := s.newKey("ed25519")
	succinct := &metadata.SuccinctRoles{KeyIDs: []string{key.id}, Threshold: 1, BitLength: bits, NamePrefix: prefix}
	s.targets["targets"].Signed.Delegations = &metadata.Delegations{
		Keys: map[string]*metadata.Key{key.id: key.key}, SuccinctRoles: succinct,
	}
	for _, bin := range succinct.GetRoles() {
		s.targets[bin] = s.newTargets()
		s.signers[bin] = []simKey{key}
	}
	return succinct.GetRoles()
}

func role(name string, paths ...string) metadata.DelegatedRole {
	if len(paths) == 0 {
		paths = []string{"*"}
	}
	return metadata.DelegatedRole{Name: name, Threshold: 1, Paths: paths}
}

// addTarget enters a target in a role and serves it.
func (s *simulator) addTarget(role, path, content string, algorithms ...string) {
	if len(algorithms) == 0 {
		algorithms = []string{"sha256"}
	}
	sum256, sum512 := sha256.Sum256([]byte(content)), sha512.Sum512([]byte(content))
	file := &metadata.TargetFiles{Length: int64(len(content)), Hashes: metadata.Hashes{}}
	a := &artifact{content: []byte(content)}
	for _, algorithm := range algorithms {
		file.Hashes[algorithm] = sum256[:]
		if algorithm != "sha256" {
			file.Hashes[algorithm] = sum512[:]
		}
		a.hashes = append(a.hashes, hex.EncodeToString(file.Hashes[algorithm]))
	}
	s.targets[role].Signed.Targets[path] = file
	s.mu.Lock()
	defer s.mu.Unlock()
	s.artifacts[path] = a
}

// publish signs the next version of each role and serves it.
func (s *simulator) publish(roles ...string) {
	s.t.Helper()
	for _, role := range roles {
		data := s.sign(role)
		s.mu.Lock()
		s.signed[role] = append(s.signed[role], data)
		s.mu.Unlock()
		s.enter(role, data)
	}
}

func (s *simulator) sign(role string) []byte {
	s.t.Helper()
	switch role {
	case "root":
		return signMetadata(s, role, s.root, &s.root.Signed.Version)
	case "timestamp":
		return signMetadata(s, role, s.timestamp, &s.timestamp.Signed.Version)
	case "snapshot":
		return signMetadata(s, role, s.snapshot, &s.snapshot.Signed.Version)
	}
	return signMetadata(s, role, s.targets[role], &s.targets[role].Signed.Version)
}

func signMetadata[T metadata.Roles](s *simulator, role string, m *metadata.Metadata[T], version *int64) []byte {
	s.t.Helper()
	*version++
	payload, err := cjson.EncodeCanonical(m.Signed)
	s.must(err)
	m.ClearSignatures()
	for _, k := range s.signers[role] {
		sig, err := k.signer.SignMessage(bytes.NewReader(payload))
		s.must(err)
		m.Signatures = append(m.Signatures, metadata.Signature{KeyID: k.id, Signature: sig})
	}
	data, err := m.ToBytes(true)
	s.must(err)
	return data
}

// enter names the new version in the role that vouches for it.
func (s *simulator) enter(role string, data []byte) {
	file := func(version int64) *metadata.MetaFiles {
		f := metadata.MetaFile(version)
		if s.withHash {
			sum := sha256.Sum256(data)
			f.Length, f.Hashes = int64(len(data)), metadata.Hashes{"sha256": sum[:]}
		}
		return f
	}
	switch role {
	case "root", "timestamp":
	case "snapshot":
		s.timestamp.Signed.Meta["snapshot.json"] = file(s.snapshot.Signed.Version)
	default:
		s.snapshot.Signed.Meta[role+".json"] = file(s.targets[role].Signed.Version)
	}
}

// forget unpublishes all versions of a role and goes on with version next.
func (s *simulator) forget(role string, next int64) {
	s.mu.Lock()
	s.signed[role] = nil
	s.mu.Unlock()
	switch role {
	case "timestamp":
		s.timestamp.Signed.Version = next - 1
	case "snapshot":
		s.snapshot.Signed.Version = next - 1
	case "root":
		s.root.Signed.Version = next - 1
	default:
		s.targets[role].Signed.Version = next - 1
	}
}

// edit changes the published bytes of a role's newest version as JSON.
func (s *simulator) edit(role string, change func(document map[string]any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	versions := s.signed[role]
	var document map[string]any
	s.must(json.Unmarshal(versions[len(versions)-1], &document))
	change(document)
	data, err := json.Marshal(document)
	s.must(err)
	versions[len(versions)-1] = data
}

// newest returns the role's newest published bytes.
func (s *simulator) newest(role string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.signed[role][len(s.signed[role])-1]
}

// ServeHTTP implements http.Handler.
func (s *simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, ok := s.serve(r.URL)
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(data)
}

func (s *simulator) serve(u *url.URL) ([]byte, bool) {
	if name, ok := strings.CutPrefix(u.EscapedPath(), "/metadata/"); ok {
		name = strings.TrimSuffix(name, ".json")
		version := 0
		if head, rest, cut := strings.Cut(name, "."); cut && (rest == "root" || s.root.Signed.ConsistentSnapshot) {
			version, _ = strconv.Atoi(head)
			name = rest
		}
		role, err := url.PathUnescape(name)
		if err != nil {
			return nil, false
		}
		return s.serveMetadata(role, version)
	}
	name := strings.TrimPrefix(u.Path, "/targets/")
	dir, file := "", name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		dir, file = name[:i+1], name[i+1:]
	}
	hash := ""
	if s.root.Signed.ConsistentSnapshot {
		hash, file, _ = strings.Cut(file, ".")
	}
	s.askedFor = append(s.askedFor, dir+file)
	a := s.artifacts[dir+file]
	if a == nil || hash != "" && !strings.Contains(strings.Join(a.hashes, " "), hash) {
		return nil, false
	}
	return a.content, true
}

func (s *simulator) serveMetadata(role string, version int) ([]byte, bool) {
	if version == 0 {
		s.asked = append(s.asked, role)
		version = len(s.signed[role])
	} else {
		s.asked = append(s.asked, fmt.Sprintf("%s %d", role, version))
	}
	if version < 1 || version > len(s.signed[role]) {
		return nil, false
	}
	return s.signed[role][version-1], true
}

// requests returns the metadata requests since it was called last.
func (s *simulator) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// conformant is the client under test, run the way the suite runs it.
type conformant struct {
	*simulator
	metadataDir, targetDir string
	env                    map[string]string
}

// newConformant returns a client that was not initialised yet.
func newConformant(t *testing.T) *conformant {
	dir := t.TempDir()
	return &conformant{newSimulator(t), filepath.Join(dir, "metadata"), filepath.Join(dir, "targets"), map[string]string{}}
}

// startConformant returns a client with version 1 of root.
func startConformant(t *testing.T) *conformant {
	c := newConformant(t)
	c.want(0, c.init(c.signed["root"][0]))
	return c
}

func (c *conformant) init(root []byte) int {
	c.t.Helper()
	file := filepath.Join(c.t.TempDir(), "initial_root.json")
	c.must(os.WriteFile(file, root, 0o644))
	return c.run("--metadata-dir", c.metadataDir, "init", file)
}

func (c *conformant) refresh() int {
	return c.run("--metadata-url", c.server.URL+"/metadata/", "--metadata-dir", c.metadataDir, "refresh")
}

func (c *conformant) download(names ...string) int {
	args := []string{"--metadata-url", c.server.URL + "/metadata/", "--metadata-dir", c.metadataDir}
	for _, name := range names {
		args = append(args, "--target-name", name)
	}
	return c.run(append(args, "--target-dir", c.targetDir, "--target-base-url", c.server.URL+"/targets/", "download")...)
}

func (c *conformant) run(args ...string) int {
	c.t.Helper()
	var said bytes.Buffer
	std := IO{
		In: strings.NewReader(""), Out: io.Discard, Err: &said,
		Now: func() time.Time { return c.now },
		Env: func(name string) (string, bool) { v, ok := c.env[name]; return v, ok },
	}
	code := Main(c.t.Context(), append([]string{"tuf"}, args...), std)
	if code != 0 {
		c.t.Logf("%s: %s", args[len(args)-1], said.String())
	}
	return code
}

func (c *conformant) want(code, got int) {
	c.t.Helper()
	if got != code {
		c.t.Fatalf("exit code %d, want %d", got, code)
	}
}

// trusted returns the names and versions of the metadata in the client's
// folder, where none of the files may be anything but metadata.
func (c *conformant) trusted() map[string]int64 {
	c.t.Helper()
	versions := map[string]int64{}
	entries, err := os.ReadDir(c.metadataDir)
	c.must(err)
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), ".json")
		if !ok {
			continue
		}
		var m struct {
			Signed struct {
				Version int64 `json:"version"`
			} `json:"signed"`
		}
		data, err := os.ReadFile(filepath.Join(c.metadataDir, entry.Name()))
		c.must(err)
		c.must(json.Unmarshal(data, &m))
		versions[name] = m.Signed.Version
	}
	return versions
}

// downloaded returns the contents of the client's target folder by file name.
func (c *conformant) downloaded() map[string]string {
	c.t.Helper()
	contents := map[string]string{}
	entries, err := os.ReadDir(c.targetDir)
	if os.IsNotExist(err) {
		return contents
	}
	c.must(err)
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(c.targetDir, entry.Name()))
		c.must(err)
		contents[entry.Name()] = string(data)
	}
	return contents
}
