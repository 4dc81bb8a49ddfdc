package publisher

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
)

// Archives is the folder in which a publisher keeps the archives of what it
// published, to make patches from. Those of one app and platform are in one folder,
// each under its SHA-256, whatever channel they went to:
//
//	com.acme.shop/web/870d7121…66a966.tar
//
// They are plain, as the bundle itself was when it was built: the folders have mode
// 0700, the files 0600.
type Archives struct {
	root *os.Root
	dir  string
}

// archivesBeyond is how many archives are kept beside those that the next release
// may be patched from: those of some releases that failed, or went elsewhere.
const archivesBeyond = 5

// archiveSuffix says to people what the files are.
const archiveSuffix = ".tar"

// OpenArchives opens a folder, which is made if it is not there.
func OpenArchives(dir string) (*Archives, error) {
	err := os.MkdirAll(dir, 0o700)
	var root *os.Root
	if err == nil {
		root, err = os.OpenRoot(dir)
	}
	if err != nil {
		return nil, archivesError(dir, err)
	}
	return &Archives{root, dir}, nil
}

// archivesError is about a folder that cannot be used.
func archivesError(dir string, err error) error {
	kind, hint := sealift.KindInvalid, "name a folder of your own with --archives"
	if noRoom(err) {
		kind, hint = sealift.KindExhausted, "make room there, or publish without --archives"
	}
	return sealift.Errorf(kind, "keeping archives in "+dir, "%w", err).WithHint("%s", hint)
}

// Close lets go of the folder.
func (a *Archives) Close() error { return a.root.Close() }

func archivesOf(app sealift.AppID, platform sealift.Platform) string {
	return path.Join(string(app), string(platform))
}

func archiveName(folder string, digest sealift.Digest) string {
	return path.Join(folder, digest.String()+archiveSuffix)
}

// keep writes the archive of source, unless it is there.
func (a *Archives) keep(ctx context.Context, folder string, source *bundle.Source, id bundle.Identity, now time.Time) error {
	name := archiveName(folder, id.Digest)
	if found, err := a.root.Stat(name); err == nil && found.Size() == id.Length {
		return a.touch(name, now)
	}
	if err := a.root.MkdirAll(folder, 0o700); err != nil {
		return archivesError(a.dir, err)
	}
	part := name + "." + unique() + ".part"
	defer a.root.Remove(part) // where it was not renamed
	err := a.write(ctx, part, source)
	if ctx.Err() != nil || sealift.KindOf(err) == sealift.KindConflict {
		return err // the folder changed, or somebody stops
	}
	if err == nil {
		err = a.root.Rename(part, name)
	}
	if err != nil {
		return archivesError(a.dir, err)
	}
	return a.touch(name, now)
}

func (a *Archives) write(ctx context.Context, name string, source *bundle.Source) error {
	file, err := a.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = source.WriteArchive(ctx, file)
	if err == nil {
		err = file.Sync()
	}
	return cmp.Or(err, file.Close())
}

// touch notes that an archive is in use.
func (a *Archives) touch(name string, now time.Time) error {
	if err := a.root.Chtimes(name, now, now); err != nil {
		return archivesError(a.dir, err)
	}
	return nil
}

func unique() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

// find returns the archive with a digest, or false.
func (a *Archives) find(folder string, id bundle.Identity) (Former, bool) {
	name := archiveName(folder, id.Digest)
	found, err := a.root.Stat(name)
	if err != nil || !found.Mode().IsRegular() || found.Size() != id.Length {
		return Former{}, false
	}
	return Former{
		Name: path.Join(a.dir, name),
		Base: bundle.Base{Identity: id, Archiver: keptArchive{func() (fs.File, error) { return a.root.Open(name) }}},
	}, true
}

// prune removes what was not in use for longest, but for the newest ones.
func (a *Archives) prune(folder string, newest int) error {
	entries, err := fs.ReadDir(a.root.FS(), folder)
	if err != nil {
		return archivesError(a.dir, err)
	}
	type kept struct {
		name string
		used time.Time
	}
	var all []kept
	for _, entry := range entries {
		digest, ok := strings.CutSuffix(entry.Name(), archiveSuffix)
		if _, err := sealift.ParseDigest(digest); err != nil || !ok {
			continue // not ours
		}
		if info, err := entry.Info(); err == nil {
			all = append(all, kept{entry.Name(), info.ModTime()})
		}
	}
	slices.SortFunc(all, func(x, y kept) int { return cmp.Or(y.used.Compare(x.used), strings.Compare(x.name, y.name)) })
	for _, old := range all[min(newest, len(all)):] {
		if err := a.root.Remove(path.Join(folder, old.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return archivesError(a.dir, err)
		}
	}
	return nil
}

// keptArchive is an archive in a file, which is opened when it is read.
type keptArchive struct{ open func() (fs.File, error) }

// WriteArchive implements bundle.Archiver.
func (k keptArchive) WriteArchive(ctx context.Context, w io.Writer) error {
	file, err := k.open()
	if err != nil {
		return fmt.Errorf("opening archive: %w", err)
	}
	defer file.Close()
	return bundle.Archive(file).WriteArchive(ctx, w)
}
