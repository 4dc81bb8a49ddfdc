package backup

import (
	"bytes"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
)

// TestRows: what a store holds comes back as it was, and nothing else is read.
func TestRows(t *testing.T) {
	row := []any{int64(-1 << 62), "", "line\nbreak \u2028 \"x\" <&>", []byte{}, []byte{0, 255}, int64(0)}
	line, err := appendRow(nil, row)
	if err != nil || bytes.Count(line, []byte("\n")) != 1 {
		t.Fatalf("%s, %v", line, err)
	}
	got, err := parseRow(bytes.TrimSuffix(line, []byte("\n")))
	if diff := cmp.Diff(row, got); err != nil || diff != "" {
		t.Errorf("%v, -want +got\n%s", err, diff)
	}
	for _, bad := range []any{nil, true, 1.5, 7, "\xff"} {
		if _, err := appendRow(nil, []any{bad}); err == nil {
			t.Errorf("%#v was written", bad)
		}
	}
	for _, bad := range []string{"", "{}", "[1.5]", "[9223372036854775808]", "[true]", "[null]", "[[]]", `[["AA","AA"]]`, `[["A"]]`, `[["AB=="]]`, `[[1]]`, "[1] [2]", "[1", `[{"a":1}]`} {
		if got, err := parseRow([]byte(bad)); err == nil {
			t.Errorf("%s was read as %v", bad, got)
		}
	}
}

// full is a disk with so much room.
type full struct{ room int }

func (f *full) Write(p []byte) (int, error) {
	if len(p) > f.room {
		return 0, syscall.ENOSPC
	}
	f.room -= len(p)
	return len(p), nil
}

// TestDiskFull: whenever the disk is full, that is what the error says.
func TestDiskFull(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	write := func(out io.Writer) error {
		w, err := NewWriter(out, []Recipient{identity.Recipient()}, time.Unix(0, 0))
		if err != nil {
			return err
		}
		if err := w.file("rows/a/000001.jsonl", bytes.Repeat([]byte("[1]\n"), 1<<17)); err != nil {
			return err
		}
		_, err = w.Close()
		return err
	}
	var whole bytes.Buffer
	if err := write(&whole); err != nil {
		t.Fatal(err)
	}
	for _, room := range []int{0, 300, 70_000, whole.Len() - 1} {
		err := write(&full{room})
		if sealift.KindOf(err) != sealift.KindExhausted || !strings.Contains(sealift.HintOf(err), "make room") {
			t.Errorf("with room for %d: %v (%s)", room, err, sealift.KindOf(err))
		}
	}
}

// TestRecipients: kinds that age does not mix are refused with a way out.
func TestRecipients(t *testing.T) {
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	file, recipient, err := NewIdentity(time.Unix(0, 0))
	if err != nil || !strings.HasPrefix(recipient, "age1pq1") {
		t.Fatalf("%s, %v", recipient, err)
	}
	own, err := Identities(file)
	if err != nil || len(own) != 1 {
		t.Fatalf("%d identities, %v", len(own), err)
	}
	hybrid := own[0].(*age.HybridIdentity).Recipient()
	for _, list := range [][]Recipient{{}, {classic.Recipient(), hybrid}} {
		if _, err := NewWriter(io.Discard, list, time.Unix(0, 0)); sealift.ReasonOf(err) != "recipients" || sealift.HintOf(err) == "" {
			t.Errorf("%d recipients: %v", len(list), err)
		}
	}
	if _, err := Identities([]byte("AGE-SECRET-KEY-1NOT")); err == nil || strings.Contains(err.Error(), "NOT") {
		t.Errorf("%v", err)
	}
}
