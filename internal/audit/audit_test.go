package audit_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
)

func TestLeaf(t *testing.T) {
	for name, test := range map[string]struct {
		entry audit.Entry
		want  string
	}{
		"all fields": {
			audit.Entry{
				Time: start.In(time.FixedZone("", 7200)), Actor: audit.Actor{Kind: audit.Service, ID: "ci", Address: "2001:db8::1"},
				Action: "key.use", Key: "release-ca", Version: 3, Subject: "sha256:00",
				Details: map[string]string{"z": "last", "purpose": "release"}, Result: audit.Refused,
			},
			`{"v":1,"time":"2026-03-01T12:00:00.123456Z","actor":{"kind":"service","id":"ci","address":"2001:db8::1"},` +
				`"action":"key.use","key":"release-ca","version":3,"subject":"sha256:00",` +
				`"details":{"purpose":"release","z":"last"},"result":"refused"}` + "\n",
		},
		"few fields": {
			audit.Entry{Actor: audit.Actor{Kind: audit.System}, Action: "vault.seal", Result: audit.OK},
			`{"v":1,"time":"0001-01-01T00:00:00.000000Z","actor":{"kind":"system"},"action":"vault.seal","result":"ok"}` + "\n",
		},
	} {
		got, err := test.entry.Leaf()
		if err != nil || string(got) != test.want {
			t.Errorf("%s: %s, %v, want %s", name, got, err, test.want)
		}
	}
}

// TestLeafIsReadBack also shows that no text, whatever is in it, makes a second
// line.
func TestLeafIsReadBack(t *testing.T) {
	text := rapid.String()
	rapid.Check(t, func(t *rapid.T) {
		e := audit.Entry{
			Time:   time.UnixMicro(rapid.Int64Range(0, 1<<52).Draw(t, "time")).UTC(),
			Actor:  audit.Actor{Kind: audit.Device, ID: text.Draw(t, "id"), Address: text.Draw(t, "address")},
			Action: text.Draw(t, "action"), Key: text.Draw(t, "key"), Version: rapid.Uint64().Draw(t, "version"),
			Subject: text.Draw(t, "subject"), Result: audit.Failed,
		}
		if details := rapid.MapOfN(text, text, 0, 3).Draw(t, "details"); len(details) > 0 {
			e.Details = details
		}
		leaf, err := e.Leaf()
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(leaf), "\n"); n != 1 || leaf[len(leaf)-1] != '\n' {
			t.Fatalf("%d line ends in %q", n, leaf)
		}
		got, ok := audit.ParseEntry(leaf)
		if diff := cmp.Diff(e, got); !ok || diff != "" {
			t.Fatal(ok, diff)
		}
	})
}

func TestParseEntryRefuses(t *testing.T) {
	good, err := entry(1).Leaf()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := audit.ParseEntry(good); !ok {
		t.Fatalf("refused %s", good)
	}
	for name, leaf := range map[string]string{
		"release":        string(trust.LogEntry(sealift.Digest{1})),
		"empty":          "",
		"no line end":    strings.TrimSuffix(string(good), "\n"),
		"two lines":      string(good) + string(good),
		"version":        strings.Replace(string(good), `"v":1`, `"v":2`, 1),
		"time":           strings.Replace(string(good), ".123456Z", "Z", 1),
		"order":          strings.Replace(strings.Replace(string(good), `"v":1,`, "", 1), "}\n", `,"v":1}`+"\n", 1),
		"duplicate":      strings.Replace(string(good), `"v":1,`, `"v":1,"v":1,`, 1),
		"unknown field":  strings.Replace(string(good), `"v":1,`, `"v":1,"w":1,`, 1),
		"space":          strings.Replace(string(good), `"v":1`, `"v": 1`, 1),
		"capital letter": strings.Replace(string(good), `"action"`, `"Action"`, 1),
	} {
		if _, ok := audit.ParseEntry([]byte(leaf)); ok {
			t.Errorf("%s: took %q", name, leaf)
		}
	}
}

func TestAppend(t *testing.T) {
	w := newWorld(t)
	w.grow(8)
	w.view(func(ctx context.Context, tx store.Tx) error {
		all, err := audit.Records(ctx, tx, 0, 100)
		if err != nil {
			return err
		}
		if len(all) != 8 {
			t.Fatalf("%d records", len(all))
		}
		for i, r := range all {
			n := int64(i)
			switch {
			case r.Index != n:
				t.Errorf("record %d has index %d", n, r.Index)
			case n%3 == 2:
				if r.Entry != nil || string(r.Leaf) != string(releaseLeaf(n)) {
					t.Errorf("record %d is %q", n, r.Leaf)
				}
			case r.Entry == nil:
				t.Errorf("record %d is %q", n, r.Leaf)
			default:
				if diff := cmp.Diff(entry(n), *r.Entry); diff != "" {
					t.Error(diff)
				}
			}
		}
		page, err := audit.Records(ctx, tx, 6, 1)
		if err != nil || len(page) != 1 || page[0].Index != 6 {
			t.Errorf("a page of one from 6 on: %v, %v", page, err)
		}
		if past, err := audit.Records(ctx, tx, 8, 10); err != nil || len(past) != 0 {
			t.Errorf("past the end: %v, %v", past, err)
		}
		return nil
	})
	if err := w.verify(); err != nil {
		t.Error(err)
	}
}

func TestAppendTooLong(t *testing.T) {
	w := newWorld(t)
	e := entry(0)
	e.Subject = strings.Repeat("x", 16<<10)
	ctx := t.Context()
	err := w.store.Update(ctx, func(tx store.Tx) error {
		_, err := audit.Append(ctx, tx, e)
		return err
	})
	wantError(t, err, sealift.KindInternal, "")
	w.wantSize(0)
}

// TestRolledBack: an entry goes with the transaction that it is about.
func TestRolledBack(t *testing.T) {
	w := newWorld(t)
	w.grow(5)
	ctx, stop := t.Context(), errors.New("stop")
	err := w.store.Update(ctx, func(tx store.Tx) error {
		if _, err := audit.Append(ctx, tx, entry(5)); err != nil {
			return err
		}
		return stop
	})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	w.wantSize(5)
	w.grow(11)
	if err := w.verify(); err != nil {
		t.Error(err)
	}
}

// TestConcurrent: appends from all sides make one log without gaps.
func TestConcurrent(t *testing.T) {
	const each, sides = 10, 8
	w := newWorld(t)
	ctx := t.Context()
	var all sync.WaitGroup
	for range sides {
		all.Go(func() {
			for n := range int64(each) {
				err := w.store.Update(ctx, func(tx store.Tx) error {
					_, err := audit.Append(ctx, tx, entry(n))
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	w.wantSize(each * sides)
	if err := w.verify(); err != nil {
		t.Error(err)
	}
}

func (w *world) wantSize(want int64) {
	w.t.Helper()
	w.view(func(ctx context.Context, tx store.Tx) error {
		tree, err := audit.Tree(ctx, tx)
		if err == nil && tree.N != want {
			w.t.Errorf("the log has %d entries, want %d", tree.N, want)
		}
		return err
	})
}
