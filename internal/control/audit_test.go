package control_test

import (
	"context"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/trust"
)

var (
	entry1 = audit.Entry{
		Time: time.Unix(6, 0).UTC(), Actor: audit.Actor{Kind: audit.Person, ID: "alice", Address: "192.0.2.1"}, Action: "key.use",
		Key: "director", Version: 2, Subject: "thing", Details: map[string]string{"for": "x"}, Result: audit.Refused,
	}
	leaf1  = audit.Stored{Index: 4, Leaf: []byte("leaf\n"), Hash: [32]byte{4}}
	check1 = service.Checkpoint{Size: 5, Note: []byte("note\n")}
)

func (s *services) Entries(_ context.Context, by access.Caller, want service.Entries) ([]audit.Record, int64, error) {
	release := trust.LogEntry(sealift.Digest{7})
	return []audit.Record{{Index: 4, Entry: &entry1}, {Index: 3, Leaf: release}, {Index: 2, Leaf: []byte("?")}}, 2, s.note(by, want)
}

func (s *services) BeginExport(_ context.Context, by access.Caller) (service.LogExport, error) {
	return service.LogExport{Origin: "sealift/x", Keys: []string{"key"}, Checkpoint: check1}, s.note(by)
}

func (s *services) Leaves(_ context.Context, by access.Caller, first int64, limit int) ([]audit.Stored, error) {
	return []audit.Stored{leaf1}, s.note(by, first, limit)
}

func (s *services) Checkpoints(_ context.Context, by access.Caller, least int64) ([]service.Checkpoint, error) {
	return []service.Checkpoint{check1}, s.note(by, least)
}

var witness1 = service.Witness{Name: "w", Key: "w+1+k", URL: "https://w", Size: 5, Cosigned: time.Unix(5, 0).UTC(), Reason: "away", Problem: "gone", Since: time.Unix(6, 0).UTC()}

func (s *services) Witnesses(_ context.Context, by access.Caller) ([]service.Witness, error) {
	return []service.Witness{witness1, {Name: "x"}}, s.note(by)
}

var (
	backup1  = service.Backup{Created: time.Unix(5, 0).UTC(), File: "/backup/a", Length: 9, Digest: sealift.DigestOf(nil), Problem: "no room"}
	restore1 = service.Restore{Restored: time.Unix(6, 0).UTC(), Created: time.Unix(5, 0).UTC(), Lost: 7, Directed: true, NewLog: true}
)

func (s *services) Backups(_ context.Context, by access.Caller) (service.BackupStatus, error) {
	return service.BackupStatus{Every: time.Hour, Backups: []service.Backup{backup1}, Restore: &restore1}, s.note(by)
}

func TestBackups(t *testing.T) {
	got, err := newFixture(t, roles{}).client(access.RoleOperator).Backups(t.Context())
	check(t, "backups", err, got, api.BackupStatus{
		Every: 3600, Backups: []api.Backup{{Created: backup1.Created, File: "/backup/a", Length: 9, SHA256: sealift.DigestOf(nil).String(), Problem: "no room"}},
		Restore: &api.Restore{Restored: restore1.Restored, Created: restore1.Created, Lost: 7, Directed: true, NewLog: true},
	})
}

func (s *services) Prove(_ context.Context, by access.Caller, index int64) (audit.Stored, []byte, error) {
	return leaf1, []byte("proof\n"), s.note(by, index)
}

func TestEntries(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleAuditor)
	since, until := time.Unix(1, 0).UTC(), time.Unix(9, 0).UTC()
	list, err := c.Entries(t.Context(), api.ListEntriesParams{
		Limit: 3, Before: 9, Action: "key", Key: "director", Actor: "alice", Result: "refused", Since: since, Until: until,
	})
	check(t, "entries", err, list, api.EntryList{Next: 2, Entries: []api.LogEntry{
		{
			Index: 4, Time: &entry1.Time, Actor: &api.LogActor{Kind: "person", ID: "alice", Address: "192.0.2.1"}, Action: "key.use",
			Key: "director", Version: 2, Subject: "thing", Details: map[string]string{"for": "x"}, Result: "refused",
		},
		{Index: 3, Action: "release", Subject: "sha256:" + sealift.Digest{7}.String()},
		{Index: 2, Action: "unreadable"},
	}})
	check(t, "asked", nil, f.services.last()[1], any(service.Entries{
		Limit: 3, Before: 9, Action: "key", Key: "director", Actor: "alice", Result: audit.Refused, Since: since, Until: until,
	}))
	if _, err := c.Entries(t.Context(), api.ListEntriesParams{}); err != nil {
		t.Error(err)
	}
	check(t, "asked", nil, f.services.last()[1], any(service.Entries{Limit: 50}))
	for _, query := range []string{"limit=101", "limit=-1", "limit=x", "before=-1", "result=maybe", "since=yesterday", "key=%ff"} {
		f.wantProblem(f.do("GET", control.Prefix+"/audit/entries?"+query, "auditor", ""), 400, sealift.KindInvalid, "")
	}
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
}

func TestLogParts(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleAuditor)
	export, err := c.BeginExport(t.Context())
	check(t, "export", err, export, api.LogExport{Origin: "sealift/x", Keys: []string{"key"}, Checkpoint: api.Checkpoint{Size: 5, Note: "note\n"}})
	leaf := api.Leaf{Index: 4, Leaf: leaf1.Leaf, Hash: leaf1.Hash[:]}
	f.services.last()
	leaves, err := c.Leaves(t.Context(), 4)
	check(t, "leaves", err, leaves, []api.Leaf{leaf})
	check(t, "asked", nil, f.services.last()[1:], []any{int64(4), sealift.MaxLeaves})
	checkpoints, err := c.Checkpoints(t.Context(), 3)
	check(t, "checkpoints", err, checkpoints, []api.Checkpoint{{Size: 5, Note: "note\n"}})
	check(t, "asked", nil, f.services.last()[1:], []any{int64(3)})
	witnesses, err := c.Witnesses(t.Context())
	check(t, "witnesses", err, witnesses, []api.Witness{
		{Name: "w", Key: "w+1+k", URL: "https://w", Size: 5, Cosigned: &witness1.Cosigned, Reason: "away", Problem: "gone", Since: &witness1.Since}, {Name: "x"},
	})
	check(t, "asked", nil, f.services.last(), []any{caller(access.RoleAuditor)})
	proven, err := c.ProveEntry(t.Context(), 4)
	check(t, "proof", err, proven, api.ProvenEntry{Leaf: leaf, Proof: "proof\n"})
	check(t, "asked", nil, f.services.last()[1:], []any{int64(4)})
	for _, path := range []string{"leaves", "leaves?first=-1", "leaves?first=0&limit=1001", "leaves?first=0&limit=-1", "checkpoints", "checkpoints?least=-1", "proofs/-1", "proofs/x"} {
		f.wantProblem(f.do("GET", control.Prefix+"/audit/"+path, "auditor", ""), 400, sealift.KindInvalid, "")
	}
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
}
