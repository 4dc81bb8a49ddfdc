package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

func TestTUFRollback(t *testing.T) {
	for _, withHash := range []bool{false, true} {
		t.Run(fmt.Sprintf("hashes %v", withHash), func(t *testing.T) {
			t.Run("timestamp", func(t *testing.T) {
				c := startConformant(t)
				c.withHash = withHash
				c.publish("timestamp")
				c.want(0, c.refresh())
				c.requests()
				c.forget("timestamp", 1)
				c.publish("timestamp")
				c.want(1, c.refresh())
				c.wantTrusted(versions{"root": 1, "timestamp": 2, "snapshot": 1, "targets": 1})
				c.wantRequests("root 2", "timestamp")
			})
			t.Run("snapshot", func(t *testing.T) {
				c := startConformant(t)
				c.withHash = withHash
				c.publish("snapshot", "timestamp")
				c.want(0, c.refresh())
				c.requests()
				c.forget("snapshot", 1)
				c.publish("snapshot", "timestamp")
				c.want(1, c.refresh())
				c.wantTrusted(versions{"root": 1, "timestamp": 2, "snapshot": 2, "targets": 1})
				c.wantRequests("root 2", "timestamp")
			})
			t.Run("targets", func(t *testing.T) {
				c := startConformant(t)
				c.withHash = withHash
				c.publish("targets", "snapshot", "timestamp")
				c.want(0, c.refresh())
				c.forget("targets", 1)
				c.publish("targets", "snapshot", "timestamp")
				c.want(1, c.refresh())
				c.wantTrusted(versions{"root": 1, "timestamp": 3, "snapshot": 2, "targets": 2})
			})
		})
	}
}

// The versions seen are remembered apart from the cache, so losing it opens no
// way back; the suite does not look there.
func TestTUFRollbackWithoutCache(t *testing.T) {
	for _, lost := range [][]string{{"timestamp"}, {"timestamp", "snapshot"}, {"timestamp", "snapshot", "targets"}} {
		t.Run(fmt.Sprint(lost), func(t *testing.T) {
			c := startConformant(t)
			c.publish("targets", "snapshot", "timestamp")
			old := map[string][]byte{"timestamp": c.newest("timestamp")}
			c.publish("targets", "snapshot", "timestamp")
			c.want(0, c.refresh())
			for _, role := range lost {
				c.must(os.WriteFile(filepath.Join(c.metadataDir, role+".json"), nil, 0o644))
			}
			newest := c.newest("timestamp")
			c.signed["timestamp"] = [][]byte{old["timestamp"]}
			c.want(1, c.refresh())
			c.signed["timestamp"] = [][]byte{newest}
			c.want(0, c.refresh())
			c.wantTrusted(versions{"root": 1, "timestamp": 3, "snapshot": 3, "targets": 3})
		})
	}
	t.Run("root", func(t *testing.T) {
		c := startConformant(t)
		c.publish("root", "root")
		c.want(0, c.refresh())
		c.must(os.WriteFile(filepath.Join(c.metadataDir, "root.json"), []byte("null"), 0o644))
		roots := c.signed["root"]
		c.signed["root"] = roots[:2]
		c.want(1, c.refresh())
		c.signed["root"] = roots
		c.want(0, c.refresh())
		c.wantTrusted(versions{"root": 3, "timestamp": 1, "snapshot": 1, "targets": 1})
	})
}

func TestTUFRoleRemoval(t *testing.T) {
	c := startConformant(t)
	c.delegate("targets", role("delegated", "delegatedpath/*"))
	c.publish("delegated", "targets", "snapshot", "timestamp")
	c.want(0, c.refresh())
	delete(c.snapshot.Signed.Meta, "delegated.json")
	c.publish("snapshot", "timestamp")
	c.want(1, c.refresh())
	c.wantTrusted(versions{"root": 1, "timestamp": 3, "snapshot": 2, "targets": 2})
}

func TestTUFFastForwardRecovery(t *testing.T) {
	t.Run("targets", func(t *testing.T) {
		c := startConformant(t)
		c.delegate("targets", role("delegated", "delegatedpath/*"))
		c.targets["targets"].Signed.Version = 98
		c.signed["targets"] = make([][]byte, 98)
		c.publish("delegated", "targets", "snapshot", "timestamp")
		c.want(1, c.download("delegatedpath/x")) // sees the delegated role, too
		c.want(99, int(c.trusted()["targets"]))
		c.rotate("snapshot")
		c.forget("targets", 1)
		delete(c.snapshot.Signed.Meta, "delegated.json")
		c.publish("root", "targets", "snapshot", "timestamp")
		c.want(0, c.refresh())
		c.want(1, int(c.trusted()["targets"]))
	})
	t.Run("snapshot", func(t *testing.T) {
		c := startConformant(t)
		for range 9 {
			c.publish("snapshot")
		}
		c.publish("timestamp")
		c.want(0, c.refresh())
		c.want(10, int(c.trusted()["snapshot"]))
		c.rotate("snapshot")
		c.rotate("timestamp")
		c.forget("snapshot", 1)
		c.publish("root", "targets", "snapshot", "timestamp")
		c.want(0, c.refresh())
		c.want(1, int(c.trusted()["snapshot"]))
	})
	t.Run("timestamp", func(t *testing.T) {
		c := startConformant(t)
		for range 9 {
			c.publish("timestamp")
		}
		c.want(0, c.refresh())
		c.want(10, int(c.trusted()["timestamp"]))
		c.rotate("timestamp")
		c.forget("timestamp", 1)
		c.publish("root", "timestamp")
		c.want(0, c.refresh())
		c.want(1, int(c.trusted()["timestamp"]))
		// From here the new keys bound it.
		c.publish("timestamp")
		c.want(0, c.refresh())
		c.must(os.Remove(filepath.Join(c.metadataDir, "timestamp.json")))
		c.forget("timestamp", 1)
		c.publish("timestamp")
		c.want(1, c.refresh())
	})
}

// A cached file that does not parse is moved aside and fetched again.
func TestTUFQuarantine(t *testing.T) {
	for _, name := range []string{"root", "timestamp", "snapshot", "targets", "A"} {
		for what, content := range map[string]string{
			"empty": "", "garbage": "\x00\xffgarbage", "null": "null", "list": "[]", "wrong type": "", "half": "",
			"signed null": `{"signed":null,"signatures":[]}`,
		} {
			t.Run(name+" "+what, func(t *testing.T) {
				c := startConformant(t)
				c.delegate("targets", role("A"))
				c.addTarget("A", "file", "content")
				c.publish("root", "A", "targets", "snapshot", "timestamp")
				c.want(0, c.download("file"))
				file := filepath.Join(c.metadataDir, name+".json")
				switch what {
				case "wrong type":
					content = string(c.newest("timestamp"))
					if name == "timestamp" {
						content = string(c.newest("root"))
					}
				case "half":
					content = string(c.newest(name)[:100])
				}
				c.must(os.WriteFile(file, []byte(content), 0o644))
				want := c.trustedAfterRepair()
				c.want(0, c.download("file"))
				if diff := cmp.Diff(want, c.trusted()); diff != "" {
					t.Errorf("trusted (-want +got):\n%s", diff)
				}
				aside, err := os.ReadFile(file + ".quarantined")
				if err != nil || string(aside) != content {
					t.Errorf("the damaged file was not kept aside: %q, %v", aside, err)
				}
			})
		}
	}
	t.Run("folder and leftovers", func(t *testing.T) {
		c := startConformant(t)
		c.want(0, c.refresh())
		c.must(os.Remove(filepath.Join(c.metadataDir, "snapshot.json")))
		c.must(os.MkdirAll(filepath.Join(c.metadataDir, "snapshot.json", "x"), 0o755))
		c.must(os.WriteFile(filepath.Join(c.metadataDir, "tuf_tmp123"), []byte("half"), 0o644))
		c.must(os.WriteFile(filepath.Join(c.metadataDir, "huge.json"), make([]byte, 5<<20), 0o644))
		c.want(0, c.refresh())
		c.wantTrusted(versions{"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1})
	})
	t.Run("root with a broken signature", func(t *testing.T) {
		c := startConformant(t)
		c.want(0, c.refresh())
		var m map[string]any
		c.must(json.Unmarshal(c.newest("root"), &m))
		m["signatures"].([]any)[0].(map[string]any)["sig"] = "00"
		data, err := json.Marshal(m)
		c.must(err)
		c.must(os.WriteFile(filepath.Join(c.metadataDir, "root.json"), data, 0o644))
		c.want(0, c.refresh())
	})
}

func (c *conformant) trustedAfterRepair() versions {
	want := versions{}
	for _, role := range []string{"root", "timestamp", "snapshot", "targets", "A"} {
		want[role] = int64(len(c.signed[role]))
	}
	return want
}

// Signed by the right keys and yet of no form that go-tuf copes with: one
// refusal, and the next good version is taken.
func TestTUFOddMetadata(t *testing.T) {
	odd := map[string]func(c *conformant){
		"timestamp without snapshot": func(c *conformant) { delete(c.timestamp.Signed.Meta, "snapshot.json") },
		"timestamp with null":        func(c *conformant) { c.timestamp.Signed.Meta["snapshot.json"] = nil },
		"snapshot without targets":   func(c *conformant) { delete(c.snapshot.Signed.Meta, "targets.json") },
		"snapshot with null":         func(c *conformant) { c.snapshot.Signed.Meta["x.json"] = nil },
		"targets with null":          func(c *conformant) { c.targets["targets"].Signed.Targets["x"] = nil },
		"bins of 64 bits": func(c *conformant) {
			c.targets["targets"].Signed.Delegations = &metadata.Delegations{Keys: map[string]*metadata.Key{},
				SuccinctRoles: &metadata.SuccinctRoles{KeyIDs: []string{"x"}, Threshold: 1, BitLength: 64, NamePrefix: "b"}}
		},
		"null key":          func(c *conformant) { c.root.Signed.Keys["x"] = nil },
		"no timestamp role": func(c *conformant) { c.root.Signed.Roles["timestamp"] = nil },
		"other spec":        func(c *conformant) { c.timestamp.Signed.SpecVersion = "2.0.0" },
		"no expiry":         func(c *conformant) { c.snapshot.Signed.Expires = time.Time{} },
	}
	for name, spoil := range odd {
		t.Run(name, func(t *testing.T) {
			c := startConformant(t)
			c.addTarget("targets", "file", "content")
			c.publish("root", "targets", "snapshot", "timestamp")
			c.want(0, c.download("file"))
			good := c.copyMetadata()
			spoil(c)
			c.publish("root", "targets")
			if name != "snapshot without targets" { // publish has just put it in
				c.publish("snapshot")
			} else {
				delete(c.snapshot.Signed.Meta, "targets.json")
				c.publish("snapshot")
			}
			if name == "timestamp without snapshot" || name == "timestamp with null" {
				spoil(c)
			}
			c.publish("timestamp")
			c.want(1, c.refresh())
			if name == "null key" || name == "no timestamp role" {
				c.signed["root"] = c.signed["root"][:2]
			}
			c.restoreMetadata(good)
			c.publish("targets", "snapshot", "timestamp")
			c.want(0, c.refresh())
		})
	}
}

// Whoever serves metadata can add succinct roles to a signed list of roles: in
// go-tuf the signature covers only the latter.
func TestTUFRolesBesideBins(t *testing.T) {
	c := startConformant(t)
	c.want(0, c.refresh())
	c.delegate("targets", role("A"))
	c.publish("A", "targets", "snapshot", "timestamp")
	c.edit("targets", func(m map[string]any) {
		m["signed"].(map[string]any)["delegations"].(map[string]any)["succinct_roles"] =
			map[string]any{"keyids": []string{"x"}, "threshold": 1, "bit_length": 8, "name_prefix": "b"}
	})
	c.want(1, c.refresh())
	c.wantTrusted(versions{"root": 1, "timestamp": 2, "snapshot": 2, "targets": 1})
}

func (c *conformant) copyMetadata() [][]byte {
	var copies [][]byte
	for _, m := range []any{c.root, c.timestamp, c.snapshot, c.targets["targets"]} {
		data, err := json.Marshal(m)
		c.must(err)
		copies = append(copies, data)
	}
	return copies
}

// restoreMetadata puts the content of before in place, but goes on counting.
func (c *conformant) restoreMetadata(copies [][]byte) {
	counts := []int64{int64(len(c.signed["root"])), c.timestamp.Signed.Version, c.snapshot.Signed.Version, c.targets["targets"].Signed.Version}
	c.root, c.timestamp, c.snapshot = metadata.Root(), metadata.Timestamp(), metadata.Snapshot()
	c.targets["targets"] = metadata.Targets()
	for i, m := range []any{c.root, c.timestamp, c.snapshot, c.targets["targets"]} {
		c.must(json.Unmarshal(copies[i], m))
	}
	c.root.Signed.Version, c.timestamp.Signed.Version = counts[0], counts[1]
	c.snapshot.Signed.Version, c.targets["targets"].Signed.Version = counts[2], counts[3]
}

func TestTUFRootChain(t *testing.T) {
	t.Run("several", func(t *testing.T) {
		c := startConformant(t)
		c.publish("root", "root", "root", "root")
		c.want(0, c.refresh())
		c.want(5, int(c.trusted()["root"]))
		c.wantRequests("root 2", "root 3", "root 4", "root 5", "root 6", "timestamp", "snapshot 1", "targets 1")
	})
	t.Run("skipped", func(t *testing.T) {
		c := startConformant(t)
		c.publish("root", "root")
		c.signed["root"][1] = c.signed["root"][2] // root 3 under the name of root 2
		c.want(1, c.refresh())
		c.wantTrusted(versions{"root": 1})
	})
	t.Run("at most 256 a refresh", func(t *testing.T) {
		c := startConformant(t)
		for range 260 {
			c.publish("root")
		}
		c.want(0, c.refresh())
		c.want(257, int(c.trusted()["root"]))
		c.want(0, c.refresh())
		c.want(261, int(c.trusted()["root"]))
	})
	t.Run("cached root", func(t *testing.T) {
		c := startConformant(t)
		c.publish("root", "root")
		c.want(0, c.refresh())
		c.requests()
		c.signed["root"][1] = nil // no way from the first root any more
		c.want(0, c.refresh())
		c.wantRequests("root 4", "timestamp")
		c.want(3, int(c.trusted()["root"]))
	})
	t.Run("begun twice", func(t *testing.T) {
		c := startConformant(t)
		c.want(0, c.init(c.signed["root"][0]))
		c.rotate("root")
		c.forget("root", 1)
		c.publish("root")
		c.want(1, c.init(c.newest("root")))
	})
}

// rootVersion is one version of root: which of ten keys it names and which
// sign it.
type rootVersion struct {
	keys      []int
	threshold int
	sigs      []int
}

func TestTUFRootRotation(t *testing.T) {
	all := []int{0, 1, 2, 3, 4}
	for name, test := range map[string]struct {
		versions []rootVersion
		code     int
	}{
		"rotation":              {[]rootVersion{{[]int{1}, 1, []int{1}}, {[]int{2}, 1, []int{2, 1}}, {[]int{2}, 1, []int{2}}}, 0},
		"unused signatures":     {[]rootVersion{{[]int{1}, 1, []int{3, 1, 4}}, {[]int{2}, 1, []int{3, 2, 1, 4}}, {[]int{2}, 1, []int{3, 2, 4}}}, 0},
		"3 of 5, key combos":    {[]rootVersion{{all, 3, []int{0, 2, 4}}, {all, 3, []int{0, 4, 1}}, {all, 3, []int{0, 1, 3}}, {all, 3, []int{0, 1, 3}}}, 0},
		"3 of 5, one rotated":   {[]rootVersion{{all, 3, []int{0, 2, 4}}, {[]int{0, 1, 3, 4, 5}, 3, []int{0, 4, 1}}}, 0},
		"with a step between":   {[]rootVersion{{all, 3, []int{0, 2, 4}}, {[]int{0, 1, 3, 4, 5}, 3, []int{0, 2, 4, 5}}, {[]int{0, 1, 3, 4, 5}, 3, []int{0, 4, 5}}}, 0},
		"all rotated":           {[]rootVersion{{all, 3, []int{0, 2, 4}}, {[]int{5, 6, 7, 8, 9}, 3, []int{0, 2, 4, 5, 6, 7}}, {[]int{5, 6, 7, 8, 9}, 3, []int{5, 6, 7}}}, 0},
		"threshold up":          {[]rootVersion{{[]int{1, 2, 3}, 1, []int{1}}, {[]int{1, 2, 3}, 2, []int{1, 2}}}, 0},
		"threshold down":        {[]rootVersion{{[]int{1, 2, 3}, 2, []int{1, 2}}, {[]int{1, 2, 3}, 1, []int{1, 2}}, {[]int{1, 2, 3}, 1, []int{1}}}, 0},
		"1 of 1 to 2 of 2":      {[]rootVersion{{[]int{1}, 1, []int{1}}, {[]int{1, 2}, 2, []int{1, 2}}}, 0},
		"not by the old key":    {[]rootVersion{{[]int{1}, 1, []int{1}}, {[]int{2}, 1, []int{2, 3, 4}}}, 1},
		"not by the new key":    {[]rootVersion{{[]int{1}, 1, []int{1}}, {[]int{2}, 1, []int{1, 3, 4}}}, 1},
		"not by 3 new keys":     {[]rootVersion{{all, 3, []int{0, 2, 4}}, {[]int{0, 1, 3, 4, 5}, 3, []int{0, 2, 4}}}, 1},
		"not by 3 old keys":     {[]rootVersion{{all, 3, []int{0, 2, 4}}, {[]int{0, 1, 3, 4, 5}, 3, []int{0, 4, 5}}}, 1},
		"new threshold not met": {[]rootVersion{{[]int{1, 2, 3}, 1, []int{1}}, {[]int{1, 2, 3}, 2, []int{2}}}, 1},
		"old threshold not met": {[]rootVersion{{[]int{1, 2, 3}, 2, []int{1, 2}}, {[]int{1, 2, 3}, 1, []int{1}}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := newConformant(t)
			keys := c.tenKeys()
			c.forget("root", 1)
			for _, v := range test.versions {
				c.setKeys("root", keys, v)
				c.publish("root")
			}
			c.publish("targets", "snapshot", "timestamp")
			c.want(0, c.init(c.signed["root"][0]))
			c.want(test.code, c.refresh())
			if got, want := int(c.trusted()["root"]), len(test.versions)-test.code; got != want {
				t.Errorf("root %d is trusted, want %d", got, want)
			}
		})
	}
}

func TestTUFOtherRotation(t *testing.T) {
	all := []int{0, 1, 2, 3, 4}
	for name, test := range map[string]struct {
		rootVersion
		code int
	}{
		"rotation":                {rootVersion{[]int{2}, 1, []int{2}}, 0},
		"unused signatures":       {rootVersion{[]int{1}, 1, []int{3, 1, 4}}, 0},
		"not by the new key":      {rootVersion{[]int{2}, 1, []int{1, 3, 4}}, 1},
		"not by 3 expected keys":  {rootVersion{[]int{0, 1, 3, 4, 5}, 3, []int{0, 2, 4}}, 1},
		"2 of 5":                  {rootVersion{[]int{0, 1, 3, 4, 5}, 3, []int{0, 4}}, 1},
		"3 of 5, combo":           {rootVersion{all, 3, []int{0, 2, 4}}, 0},
		"3 of 5, another combo":   {rootVersion{all, 3, []int{0, 4, 1}}, 0},
		"3 of 5, yet another one": {rootVersion{all, 3, []int{2, 3, 4}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := startConformant(t)
			keys := c.tenKeys()
			for _, role := range []string{"timestamp", "snapshot", "targets"} {
				c.setKeys(role, keys, test.rootVersion)
				c.publish("root", "targets", "snapshot", "timestamp")
				c.want(test.code, c.refresh())
			}
		})
	}
}

func (s *simulator) tenKeys() []simKey {
	keys := make([]simKey, 10)
	for i := range keys {
		keys[i] = s.newKey("ed25519")
	}
	return keys
}

func (s *simulator) setKeys(role string, keys []simKey, v rootVersion) {
	s.root.Signed.Roles[role].KeyIDs, s.root.Signed.Roles[role].Threshold = nil, v.threshold
	for _, i := range v.keys {
		s.addKey(role, keys[i])
	}
	s.signers[role] = nil
	for _, i := range v.sigs {
		s.signers[role] = append(s.signers[role], keys[i])
	}
}
