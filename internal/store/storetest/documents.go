package storetest

import (
	"bytes"
	"testing"
	"time"

	"github.com/sealift/sealift/internal/store"
)

func testMetadata(t *testing.T, s store.Store) {
	ctx := t.Context()
	update(t, s, func(tx store.Tx) {
		isAbsent(t)(tx.Metadata(ctx, "root"))
		isAbsent(t)(tx.Root(ctx, 1))
		for _, role := range []string{"root", "timestamp"} {
			do(t, tx.SetMetadata(ctx, metadataOf(role, 1)))
			isConflict(t)(tx.SetMetadata(ctx, metadataOf(role, 1)))
			do(t, tx.SetMetadata(ctx, metadataOf(role, 9)))
			isConflict(t)(tx.SetMetadata(ctx, metadataOf(role, 8)))
			do(t, tx.SetMetadata(ctx, store.Metadata{Role: role, Version: 10, Expires: someTime.Add(time.Hour), Content: []byte("ten")}))
		}
		do(t, tx.SetMetadata(ctx, store.Metadata{Role: "bins-a4", Version: 3}))
	})
	view(t, s, func(tx store.Tx) {
		gives(t, store.Metadata{Role: "bins-a4", Version: 3})(tx.Metadata(ctx, "bins-a4"))
		for _, role := range []string{"root", "timestamp"} {
			gives(t, store.Metadata{Role: role, Version: 10, Expires: someTime.Add(time.Hour), Content: []byte("ten")})(tx.Metadata(ctx, role))
		}
		gives(t, metadataOf("root", 1))(tx.Root(ctx, 1))
		gives(t, metadataOf("root", 9))(tx.Root(ctx, 9))
		isAbsent(t)(tx.Root(ctx, 8))
		isAbsent(t)(tx.Root(ctx, 11))
		isAbsent(t)(tx.Metadata(ctx, "Root"))
	})
}

func testDocuments(t *testing.T, s store.Store) {
	ctx := t.Context()
	large := bytes.Repeat([]byte("0123456789abcdef"), 3<<16)
	update(t, s, func(tx store.Tx) {
		isAbsent(t)(tx.Document(ctx, "trust.json"))
		do(t, tx.SetDocument(ctx, "trust.json", nil)) // removes nothing
		do(t, tx.SetDocument(ctx, "trust.json", []byte("first")))
		do(t, tx.SetDocument(ctx, "deny.json", large))
		do(t, tx.SetDocument(ctx, "trust.json", []byte("second")))
		gives(t, []byte("second"))(tx.Document(ctx, "trust.json"))
	})
	update(t, s, func(tx store.Tx) {
		do(t, tx.SetDocument(ctx, "trust.json", nil))
		isAbsent(t)(tx.Document(ctx, "trust.json"))
		do(t, tx.SetDocument(ctx, "trust.json", []byte("third")))
		do(t, tx.SetDocument(ctx, "trust.json", []byte{}))
	})
	view(t, s, func(tx store.Tx) {
		isAbsent(t)(tx.Document(ctx, "trust.json"))
		gives(t, large)(tx.Document(ctx, "deny.json"))
	})
}

func testOutbox(t *testing.T, s store.Store) {
	ctx := t.Context()
	read := func(tx store.Tx, limit int, wantKeys ...string) []store.Outgoing {
		t.Helper()
		out, err := tx.Outbox(ctx, limit)
		do(t, err)
		keys := make([]string, len(out))
		for i, o := range out {
			keys[i] = o.Key
			if i > 0 && o.Seq <= out[i-1].Seq {
				t.Errorf("Seq does not grow: %+v", out)
			}
		}
		gives(t, append([]string{}, wantKeys...))(keys, nil)
		return out
	}
	var last int64
	update(t, s, func(tx store.Tx) {
		read(tx, 10)
		do(t, tx.TrimOutbox(ctx, 1<<40))
		do(t, tx.AppendOutbox(ctx, "b", []byte("content")))
		do(t, tx.AppendOutbox(ctx, "a", nil))
		do(t, tx.AppendOutbox(ctx, "b", []byte("again")))
		gives(t, int64(3))(tx.CountOutbox(ctx))
		out := read(tx, 10, "b", "a", "b")
		if string(out[0].Content) != "content" || out[1].Content != nil || string(out[2].Content) != "again" {
			t.Errorf("outbox is %+v", out)
		}
		read(tx, 2, "b", "a")
		read(tx, 0)
		do(t, tx.TrimOutbox(ctx, out[0].Seq))
		read(tx, 10, "a", "b")
		do(t, tx.TrimOutbox(ctx, out[0].Seq))
		last = out[2].Seq
	})
	update(t, s, func(tx store.Tx) {
		read(tx, 10, "a", "b")
		do(t, tx.TrimOutbox(ctx, last))
		read(tx, 10)
		do(t, tx.AppendOutbox(ctx, "c", nil))
		if out := read(tx, 10, "c"); out[0].Seq <= last {
			t.Errorf("Seq %d came after %d, which was trimmed", out[0].Seq, last)
		}
	})
}
