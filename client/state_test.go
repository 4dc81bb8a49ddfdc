package client

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
)

func TestStateSwap(t *testing.T) {
	store := stateStore{testFiles(t)}
	first, err := store.load()
	if err != nil {
		t.Fatal(err)
	}
	next := first
	next.Confirmed = 7
	if err := store.swap(first, next); err != nil {
		t.Fatal(err)
	}
	if err := store.swap(first, next); sealift.KindOf(err) != sealift.KindConflict {
		t.Errorf("swapping what is no longer there: %v", err)
	}
	refusal := errors.New("no")
	if _, err := store.change(func(*state) error { return refusal }); !errors.Is(err, refusal) {
		t.Errorf("a change that refuses: %v", err)
	}
	const writers, changes = 4, 10
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range changes {
				if _, err := store.change(func(s *state) error { s.Confirmed++; return nil }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if s, err := store.load(); err != nil || s.Confirmed != 7+writers*changes {
		t.Errorf("%d, %v: a change was lost", s.Confirmed, err)
	}
}

// overtaken is a disk on which somebody else begins a write in the midst of the first.
type overtaken struct {
	Files
	first sync.Once
	begin func()
}

func (o *overtaken) WriteFile(name string, data []byte, perm fs.FileMode) error {
	o.first.Do(func() {
		go o.begin()
		synctest.Wait()
	})
	return o.Files.WriteFile(name, data, perm)
}

// Of two processes that remember something at once, one is told that it came too late.
func TestMemoryOfTwo(t *testing.T) {
	files := testFiles(t)
	synctest.Test(t, func(t *testing.T) {
		late := make(chan error, 1)
		second := fileMemory{files, memoryFile}
		first := fileMemory{&overtaken{Files: files, begin: func() { late <- second.Swap(Memory{}, Memory{Root: 2}) }}, memoryFile}
		if err := first.Swap(Memory{}, Memory{Root: 3}); err != nil {
			t.Fatal(err)
		}
		if err := <-late; sealift.KindOf(err) != sealift.KindConflict {
			t.Errorf("the second: %v", err)
		}
		if m, err := second.Load(); err != nil || m.Root != 3 {
			t.Errorf("%+v, %v", m, err)
		}
	})
}

func TestRefusedIsBounded(t *testing.T) {
	var s state
	for i := range sealift.MaxRefusedReleases + 10 {
		s.Pending = &Pending{Installed: Installed{Release: sealift.DigestOf(fmt.Append(nil, i))}}
		s.revert()
	}
	if n := len(s.Refused); n != sealift.MaxRefusedReleases {
		t.Errorf("%d releases are remembered", n)
	}
	if newest := sealift.DigestOf(fmt.Append(nil, sealift.MaxRefusedReleases+9)); !slices.Contains(s.Refused, newest) {
		t.Error("the newest is forgotten")
	}
}

func TestChooseShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := &Device{cfg: Config{Runtime: "1.0.0"}, keys: &deviceKeys{id: sealift.DeviceID(rapid.StringMatching(`[0-9a-f]{32}`).Draw(t, "id"))}}
		salt := rapid.StringN(0, 64, 64).Draw(t, "salt")
		share := sealift.Share(rapid.IntRange(1, 10_000).Draw(t, "share"))
		offer := &trust.Offer{Candidates: []trust.Candidate{
			{Share: share, Salt: salt, Version: "1.1.0", Counter: 2, Runtime: "*", Release: trust.Pointer{Digest: sealift.DigestOf([]byte("new"))}},
			{Share: sealift.Everybody, Salt: "x", Version: "1.0.0", Counter: 1, Runtime: "*"},
		}}
		bucket := rollout.Bucket(salt, d.keys.id)
		in := bucket < int(share)
		if got := d.choose(&state{}, nil, offer); (got == &offer.Candidates[0]) != in || got == nil {
			t.Fatalf("at %s percent, bucket %d: %+v", share, bucket, got)
		}
		s := &state{Refused: []sealift.Digest{offer.Candidates[0].Release.Digest}}
		if got := d.choose(s, nil, offer); got != &offer.Candidates[1] {
			t.Fatalf("a refused release is chosen: %+v", got)
		}
	})
}

// badSync is a disk of which one file cannot be made durable.
type badSync struct {
	Files
	files atomic.Int32
	bad   int32
}

func (b *badSync) Create(name string, perm fs.FileMode) (File, error) {
	f, err := b.Files.Create(name, perm)
	if b.files.Add(1) == b.bad {
		return unsyncable{f}, err
	}
	return f, err
}

type unsyncable struct{ File }

func (unsyncable) Sync() error { return syscall.ENOSPC }

func TestSinkSync(t *testing.T) {
	for bad := range int32(4) {
		files := &badSync{Files: testFiles(t), bad: bad}
		s, err := newFolderSink(files, "bundles/a")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a", "b/c", "b/d/e"} {
			w, err := s.Create(name, 1, false)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
		err = s.finish()
		if (err != nil) != (bad > 0) {
			t.Errorf("with file %d bad: %v", bad, err)
		}
		if bad > 0 {
			refused(t, err, sealift.KindExhausted, "disk-full")
		}
	}
}

// A sink makes new files only, and none outside of its folder.
func TestSinkEscape(t *testing.T) {
	files := testFiles(t)
	s, err := newFolderSink(files, "bundles/a")
	if err != nil {
		t.Fatal(err)
	}
	defer s.abandon()
	put(t, files, "bundles/a/there", nil)
	for _, name := range []string{"there", "../x", "x/../../y", "/x", "", ".", "x/"} {
		if w, err := s.Create(name, 0, false); err == nil {
			_ = w.Close()
			t.Errorf("%q was made", name)
		}
	}
	for _, name := range []string{"../x", "/x"} {
		if _, err := files.Create(name, 0o644); err == nil {
			t.Errorf("%q, outside of the folder, was made", name)
		}
	}
}
