package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// The tests below are the cases of the TUF conformance suite's test_basic,
// test_expiration, test_file_download, test_keys, test_quoting_issues,
// test_rollback, test_updater_delegation_graphs and test_updater_key_rotations.

type versions = map[string]int64

func (c *conformant) wantTrusted(want versions) {
	c.t.Helper()
	if diff := cmp.Diff(want, c.trusted()); diff != "" {
		c.t.Fatalf("trusted versions (-want +got):\n%s", diff)
	}
}

func (c *conformant) wantRequests(want ...string) {
	c.t.Helper()
	if diff := cmp.Diff(want, c.requests()); diff != "" {
		c.t.Fatalf("metadata requests (-want +got):\n%s", diff)
	}
}

func TestTUFRefresh(t *testing.T) {
	c := startConformant(t)
	c.wantRequests()
	c.want(0, c.refresh())
	c.wantRequests("root 2", "timestamp", "snapshot 1", "targets 1")
	for _, role := range metadata.TOP_LEVEL_ROLE_NAMES {
		got, err := os.ReadFile(filepath.Join(c.metadataDir, role+".json"))
		if err != nil || !bytes.Equal(got, c.newest(role)) {
			t.Errorf("%s is not stored as it was served: %v", role, err)
		}
	}
	c.want(0, c.refresh())
	c.wantRequests("root 2", "timestamp")
}

func TestTUFImplicitRefresh(t *testing.T) {
	c := startConformant(t)
	c.want(1, c.download("nonexistent artifact"))
	c.wantRequests("root 2", "timestamp", "snapshot 1", "targets 1")
	c.wantTrusted(versions{"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1})
}

func TestTUFInvalidInitialRoot(t *testing.T) {
	for name, damage := range map[string]func(root map[string]any){
		"no version":    func(root map[string]any) { delete(root["signed"].(map[string]any), "version") },
		"bad signature": func(root map[string]any) { root["signatures"].([]any)[0].(map[string]any)["sig"] = "3045" },
		"no signature":  func(root map[string]any) { root["signatures"] = []any{} },
	} {
		t.Run(name, func(t *testing.T) {
			c := newConformant(t)
			c.edit("root", damage)
			c.init(c.newest("root"))
			c.want(1, c.refresh())
			c.wantRequests()
			// The same without init: the folder may come from elsewhere.
			c.must(os.WriteFile(filepath.Join(c.metadataDir, "root.json"), c.newest("root"), 0o644))
			c.want(1, c.refresh())
			c.wantRequests()
		})
	}
}

func TestTUFUnsigned(t *testing.T) {
	for role, want := range map[string]versions{
		"root":      {"root": 1},
		"timestamp": {"root": 2},
		"snapshot":  {"root": 2, "timestamp": 2},
		"targets":   {"root": 2, "timestamp": 2, "snapshot": 2},
	} {
		t.Run(role, func(t *testing.T) {
			c := startConformant(t)
			c.signers[role] = nil
			c.publish("root", "targets", "snapshot", "timestamp")
			c.want(1, c.refresh())
			c.wantTrusted(want)
		})
	}
}

func TestTUFVersionMismatch(t *testing.T) {
	for role, want := range map[string]versions{
		"root":     {"root": 1},
		"snapshot": {"root": 2, "timestamp": 2},
		"targets":  {"root": 2, "timestamp": 2, "snapshot": 2},
	} {
		t.Run(role, func(t *testing.T) {
			c := startConformant(t)
			switch role { // the address will say 2 and the document 3
			case "root":
				c.root.Signed.Version++
			case "snapshot":
				c.snapshot.Signed.Version++
			case "targets":
				c.targets["targets"].Signed.Version++
			}
			c.publish("root", "targets", "snapshot", "timestamp")
			c.want(1, c.refresh())
			c.wantTrusted(want)
		})
	}
}

func TestTUFTimestampContentChanges(t *testing.T) {
	c := startConformant(t)
	c.want(0, c.refresh())
	c.requests()
	c.timestamp.Signed.Meta["snapshot.json"].Version = 123456789
	c.forget("timestamp", 1)
	c.publish("timestamp")
	c.want(0, c.refresh())
	c.wantRequests("root 2", "timestamp")
	data, err := os.ReadFile(filepath.Join(c.metadataDir, "timestamp.json"))
	if err != nil || bytes.Contains(data, []byte("123456789")) {
		t.Errorf("the changed timestamp was stored: %v\n%s", err, data)
	}
}

func TestTUFMetadataHashes(t *testing.T) {
	start := func(t *testing.T) *conformant {
		c := newConformant(t)
		c.withHash = true
		c.publish("targets", "snapshot", "timestamp")
		c.want(0, c.init(c.newest("root")))
		c.want(0, c.refresh())
		return c
	}
	t.Run("targets", func(t *testing.T) {
		c := start(t)
		c.publish("targets")
		c.snapshot.Signed.Meta["targets.json"].Hashes["sha256"] = make([]byte, 32)
		c.publish("snapshot", "timestamp")
		c.want(1, c.refresh())
		c.wantTrusted(versions{"root": 1, "timestamp": 3, "snapshot": 3, "targets": 2})
	})
	t.Run("snapshot", func(t *testing.T) {
		c := start(t)
		c.publish("snapshot")
		c.timestamp.Signed.Meta["snapshot.json"].Hashes["sha256"] = make([]byte, 32)
		c.publish("timestamp")
		c.want(1, c.refresh())
		c.wantTrusted(versions{"root": 1, "timestamp": 3, "snapshot": 2, "targets": 2})
	})
	t.Run("length", func(t *testing.T) {
		c := start(t)
		c.publish("targets")
		c.snapshot.Signed.Meta["targets.json"].Length--
		c.publish("snapshot", "timestamp")
		c.want(1, c.refresh())
		c.wantTrusted(versions{"root": 1, "timestamp": 3, "snapshot": 3, "targets": 2})
	})
}

func TestTUFMetadataBytesMatch(t *testing.T) {
	c := startConformant(t)
	odd := append(c.newest("timestamp"), ' ')
	c.signed["timestamp"] = [][]byte{odd}
	c.want(0, c.refresh())
	got, err := os.ReadFile(filepath.Join(c.metadataDir, "timestamp.json"))
	if err != nil || !bytes.Equal(got, odd) {
		t.Errorf("stored with other bytes than served: %v", err)
	}
}

func TestTUFCustomFields(t *testing.T) {
	c := startConformant(t)
	c.want(0, c.refresh())
	key := c.newKey("ecdsa")
	key.key.UnrecognizedFields = map[string]any{"extra-field": map[string]any{"a": 1, "b": 2}, "keyid_hash_algorithms": "md5"}
	key = c.named(key)
	c.root.Signed.UnrecognizedFields = map[string]any{"custom-field": "value"}
	c.addKey("root", key)
	c.root.Signed.Roles["root"].UnrecognizedFields = map[string]any{"another-field": "value"}
	c.publish("root")
	c.want(0, c.refresh())
	c.wantTrusted(versions{"root": 2, "timestamp": 1, "snapshot": 1, "targets": 1})
}

func TestTUFMissing(t *testing.T) {
	c := startConformant(t)
	c.want(0, c.refresh())
	c.requests()
	c.timestamp.Signed.Meta["snapshot.json"].Version++
	c.publish("timestamp")
	c.want(1, c.refresh())
	c.wantRequests("root 2", "timestamp", "snapshot 2")
	c.wantTrusted(versions{"root": 1, "timestamp": 2, "snapshot": 1, "targets": 1})

	c.snapshot.Signed.Meta["targets.json"].Version++
	c.publish("snapshot", "timestamp")
	c.want(1, c.refresh())
	c.wantRequests("root 2", "timestamp", "snapshot 2", "targets 2")
	c.wantTrusted(versions{"root": 1, "timestamp": 3, "snapshot": 2, "targets": 1})

	c.signed["timestamp"] = nil
	c.want(1, c.refresh())
	c.wantRequests("root 2", "timestamp")
}

func TestTUFIncorrectType(t *testing.T) {
	c := startConformant(t)
	// A snapshot that the timestamp's key signs and that would do as one.
	c.signers["snapshot"] = append(c.signers["snapshot"], c.signers["timestamp"][0])
	c.snapshot.Signed.Meta = map[string]*metadata.MetaFiles{"snapshot.json": metadata.MetaFile(1)}
	c.publish("root", "snapshot")
	c.signed["timestamp"] = append(c.signed["timestamp"], c.newest("snapshot"))
	c.want(1, c.refresh())
	c.wantTrusted(versions{"root": 2})
}

func TestTUFClock(t *testing.T) {
	c := startConformant(t)
	c.root.Signed.Expires = c.now.Add(7 * 24 * time.Hour)
	c.publish("root")
	bin := t.TempDir()
	date := func(at time.Time) {
		script := fmt.Sprintf("#!/bin/sh\n[ \"$1\" = +%%s ] && echo %d\n", at.Unix())
		c.must(os.WriteFile(filepath.Join(bin, "date"), []byte(script), 0o755))
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	c.env[envTUFClock] = "date"
	begin := c.now
	c.now = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC) // must not be looked at
	date(begin)
	c.want(0, c.refresh())
	date(begin.Add(8 * 24 * time.Hour))
	c.want(1, c.refresh())
}

func TestTUFExpired(t *testing.T) {
	past := func(c *conformant) time.Time { return c.now.Add(-24 * time.Hour) }
	t.Run("root", func(t *testing.T) {
		c := startConformant(t)
		c.want(0, c.refresh())
		c.publish("root")
		c.want(0, c.refresh())
		c.root.Signed.Expires = past(c)
		c.publish("root", "targets", "snapshot", "timestamp")
		c.want(1, c.refresh())
		c.wantTrusted(versions{"root": 3, "timestamp": 1, "snapshot": 1, "targets": 1})
	})
	t.Run("timestamp", func(t *testing.T) {
		c := startConformant(t)
		c.want(0, c.refresh())
		c.timestamp.Signed.Expires = past(c)
		c.publish("timestamp")
		c.want(1, c.refresh())
		c.wantTrusted(versions{"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1})
	})
	t.Run("snapshot", func(t *testing.T) {
		c := startConformant(t)
		c.want(0, c.refresh())
		c.snapshot.Signed.Expires = past(c)
		c.publish("snapshot", "timestamp")
		c.want(1, c.refresh())
		c.wantTrusted(versions{"root": 1, "timestamp": 2, "snapshot": 1, "targets": 1})
	})
	t.Run("targets", func(t *testing.T) {
		c := startConformant(t)
		c.want(0, c.refresh())
		c.targets["targets"].Signed.Expires = past(c)
		c.publish("targets", "snapshot", "timestamp")
		c.want(1, c.refresh())
		c.wantTrusted(versions{"root": 1, "timestamp": 2, "snapshot": 2, "targets": 1})
	})
}

func TestTUFExpiredLocally(t *testing.T) {
	days := func(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }
	t.Run("root", func(t *testing.T) {
		c := startConformant(t)
		c.root.Signed.Expires = c.now.Add(days(7))
		c.publish("root")
		c.want(0, c.refresh())
		c.root.Signed.Expires = c.now.Add(days(21))
		c.publish("root")
		c.now = c.now.Add(days(18))
		c.want(0, c.refresh())
		c.wantTrusted(versions{"root": 3, "timestamp": 1, "snapshot": 1, "targets": 1})
	})
	t.Run("timestamp", func(t *testing.T) {
		c := startConformant(t)
		c.timestamp.Signed.Expires = c.now.Add(days(7))
		c.publish("timestamp")
		c.want(0, c.refresh())
		c.timestamp.Signed.Expires = c.now.Add(days(21))
		c.publish("targets", "snapshot", "timestamp")
		c.now = c.now.Add(days(18))
		c.want(0, c.refresh())
		c.wantTrusted(versions{"root": 1, "timestamp": 3, "snapshot": 2, "targets": 2})
	})
}

// Snapshots that are not consistent have no versions and hashes in addresses.
func TestTUFInconsistentSnapshot(t *testing.T) {
	c := newConformant(t)
	c.root.Signed.ConsistentSnapshot = false
	c.forget("root", 1)
	c.publish("root")
	c.want(0, c.init(c.newest("root")))
	c.delegate("targets", role("A", "a/*"))
	c.addTarget("A", "a/file", "content")
	c.publish("A", "targets", "snapshot", "timestamp")
	c.want(0, c.download("a/file"))
	c.wantRequests("root 2", "timestamp", "snapshot", "targets", "A")
	if diff := cmp.Diff(map[string]string{"a%2Ffile": "content"}, c.downloaded()); diff != "" {
		t.Errorf("downloaded (-want +got):\n%s", diff)
	}
	c.want(0, c.refresh())
	c.wantRequests("root 2", "timestamp")
}

func TestTUFThreshold(t *testing.T) {
	t.Run("not met", func(t *testing.T) {
		c := newConformant(t)
		c.root.Signed.Roles["snapshot"].Threshold = 3
		c.addKey("snapshot", c.newKey("ed25519"))
		c.addKey("snapshot", c.newKey("ecdsa"))
		c.publish("root", "targets", "snapshot", "timestamp")
		c.want(0, c.init(c.signed["root"][0]))
		c.want(0, c.refresh())
		c.signers["snapshot"] = c.signers["snapshot"][:2]
		c.publish("targets", "snapshot", "timestamp")
		c.want(1, c.refresh())
		c.wantTrusted(versions{"root": 2, "timestamp": 3, "snapshot": 2, "targets": 2})
	})
	t.Run("too few keys", func(t *testing.T) {
		c := startConformant(t)
		for range 4 {
			c.addKey("snapshot", c.newKey("ed25519"))
		}
		c.root.Signed.Roles["snapshot"].Threshold = 6
		c.publish("root", "snapshot", "timestamp")
		c.want(1, c.refresh())
		c.wantTrusted(versions{"root": 2, "timestamp": 2})
	})
	t.Run("one key many times", func(t *testing.T) {
		c := startConformant(t)
		key := c.newKey("ecdsa")
		for range 9 {
			c.addKey("snapshot", key)
		}
		c.root.Signed.Roles["snapshot"].Threshold = 6
		c.publish("root", "snapshot", "timestamp")
		c.want(1, c.refresh())
		if got := c.trusted()["snapshot"]; got != 0 {
			t.Errorf("snapshot %d is trusted", got)
		}
	})
	t.Run("one key under many ids", func(t *testing.T) {
		c := startConformant(t)
		key := c.newKey("ed25519")
		for i := range 3 {
			twin := *key.key
			twin.UnrecognizedFields = map[string]any{"n": i}
			c.addKey("snapshot", c.named(simKey{key: &twin, signer: key.signer}))
		}
		c.signers["snapshot"] = c.signers["snapshot"][1:]
		c.root.Signed.Roles["snapshot"].Threshold = 2
		c.publish("root", "snapshot", "timestamp")
		c.want(1, c.refresh())
		c.wantTrusted(versions{"root": 2, "timestamp": 2})
	})
	t.Run("one signature twice", func(t *testing.T) {
		c := startConformant(t)
		c.edit("snapshot", func(m map[string]any) {
			signatures := m["signatures"].([]any)
			m["signatures"] = append(signatures, signatures[0])
		})
		c.want(1, c.refresh())
		c.wantTrusted(versions{"root": 1, "timestamp": 1})
	})
}

func TestTUFKeyTypes(t *testing.T) {
	for _, kind := range []string{"rsa", "ecdsa", "ed25519"} {
		t.Run(kind, func(t *testing.T) {
			c := startConformant(t)
			c.addKey("root", c.newKey(kind))
			c.root.Signed.Roles["root"].Threshold = 2
			c.publish("root")
			c.want(0, c.refresh())
			good := c.newest("root")
			c.publish("root")
			// The signature of the version before: well formed and wrong.
			c.edit("root", func(m map[string]any) {
				var before map[string]any
				c.must(json.Unmarshal(good, &before))
				m["signatures"].([]any)[1] = before["signatures"].([]any)[1]
			})
			c.want(1, c.refresh())
			if got := c.trusted()["root"]; got != 2 {
				t.Errorf("root %d is trusted, want 2", got)
			}
		})
	}
}

func TestTUFInvalidSignatureBesideValid(t *testing.T) {
	c := startConformant(t)
	c.addKey("timestamp", c.newKey("ecdsa"))
	c.publish("root", "timestamp")
	for _, sig := range []string{"3045022100ee448a", ""} {
		c.edit("timestamp", func(m map[string]any) { m["signatures"].([]any)[0].(map[string]any)["sig"] = sig })
		c.want(0, c.refresh())
		c.publish("timestamp")
	}
}

func TestTUFUnusualRoleNames(t *testing.T) {
	for _, name := range []string{"?", "#", "/delegatedrole", "../delegatedrole", "a b", "100%", "ünïcode", ".."} {
		t.Run(url.PathEscape(name), func(t *testing.T) {
			c := startConformant(t)
			c.delegate("targets", role(name))
			c.publish(name, "targets", "snapshot", "timestamp")
			c.want(1, c.download("nonexistent target"))
			if !slices.Contains(c.requests(), name+" 1") {
				t.Error("the role was not asked for by its name")
			}
			if got := c.trusted(); len(got) != 5 {
				t.Errorf("trusted %v, want 5 roles", got)
			}
		})
	}
	for _, name := range []string{"root", "timestamp", "snapshot", "targets"} {
		t.Run("reserved "+name, func(t *testing.T) {
			c := startConformant(t)
			c.want(0, c.refresh())
			c.targets["targets"].Signed.Delegations = &metadata.Delegations{
				Keys: map[string]*metadata.Key{}, Roles: []metadata.DelegatedRole{role(name)},
			}
			c.publish("targets", "snapshot", "timestamp")
			c.want(1, c.download("nonexistent target"))
			c.wantTrusted(versions{"root": 1, "timestamp": 2, "snapshot": 2, "targets": 1})
		})
	}
}

func TestTUFUnusualTargetNames(t *testing.T) {
	c := startConformant(t)
	names := []string{"..", "../up", "/abs", "a b?#%.txt", strings.Repeat("long", 100)}
	for i, name := range names {
		c.addTarget("targets", name, fmt.Sprint("content ", i))
	}
	c.publish("targets", "snapshot", "timestamp")
	for _, name := range names[1:] {
		c.want(0, c.download(name))
	}
	c.download("..") // whether a server has a file of this name is its affair
	above, err := os.ReadDir(filepath.Dir(c.targetDir))
	if err != nil || len(above) != 2 {
		t.Errorf("something was written outside of the folder: %v, %v", above, err)
	}
}
