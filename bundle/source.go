package bundle

import (
	"errors"
	"io/fs"
	"iter"
	"slices"
	"strings"

	"github.com/sealift/sealift"
)

// Source is a folder that is to be published. It remembers the list of files
// as OpenSource found it; Digest and Seal refuse to go on when a file is no
// longer as listed. It is not for concurrent use.
type Source struct {
	fsys   fs.FS
	files  []File
	length int64
	first  *firstPass // what Digest saw, for Seal to compare with
}

const opReadFolder = "reading bundle folder"

// OpenSource lists the files under fsys and checks their names (see the
// package's comment). Publishers should pass the FS of an os.Root, which
// follows no link out of the folder even if one is put there meanwhile.
//
// Folders are not part of a bundle: a folder without files is left out without
// a word. Errors are KindInvalid with Reason "path", "link" (a symbolic link),
// "special" (a device, socket or pipe), "collision", "too_many_files",
// "too_large" or "empty"; KindNotFound if there is no such folder; and
// KindInvalid with Reason "unreadable" where the file system refuses.
func OpenSource(fsys fs.FS) (*Source, error) {
	s := &Source{fsys: fsys}
	if err := fs.WalkDir(fsys, ".", s.visit); err != nil {
		return nil, err
	}
	slices.SortFunc(s.files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	if err := s.checkNames(); err != nil {
		return nil, err
	}
	if len(s.files) == 0 {
		return nil, sealift.Errorf(sealift.KindInvalid, opReadFolder, "there are no files in it").
			WithReason("empty").WithHint("build the bundle first, and publish the folder that the build wrote")
	}
	return s, nil
}

// Files yields the files in the order of the archive.
func (s *Source) Files() iter.Seq[File] { return slices.Values(s.files) }

// Length returns the length of the archive in bytes.
func (s *Source) Length() int64 { return s.length }

func (s *Source) visit(path string, entry fs.DirEntry, err error) error {
	if err != nil {
		return unreadable(opReadFolder, path, err)
	}
	if entry.IsDir() {
		return nil
	}
	if path == "." {
		return sealift.Errorf(sealift.KindInvalid, opReadFolder, "it is not a folder").WithHint("name the folder that holds the bundle's files")
	}
	if err := checkType(path, entry.Type()); err != nil {
		return err
	}
	if problem := checkPath(path); problem != "" {
		return refuseName(reasonPath, path, problem)
	}
	if len(s.files) == sealift.MaxFiles {
		return refuseName(reasonTooMany, path, "there are too many files")
	}
	info, err := entry.Info()
	if err != nil {
		return unreadable(opReadFolder, path, err)
	}
	s.files = append(s.files, fileOf(path, info))
	return nil
}

func fileOf(path string, info fs.FileInfo) File {
	return File{Path: path, Size: info.Size(), Executable: info.Mode()&0o111 != 0}
}

func checkType(path string, mode fs.FileMode) error {
	switch {
	case mode&fs.ModeSymlink != 0:
		return sealift.Errorf(sealift.KindInvalid, opReadFolder, "%s is a symbolic link", quote(path)).
			WithReason("link").WithHint("put the file itself in its place: a bundle holds regular files only")
	case !mode.IsRegular():
		return sealift.Errorf(sealift.KindInvalid, opReadFolder, "%s is not a regular file", quote(path)).
			WithReason("special").WithHint("leave it out: a bundle holds regular files only")
	}
	return nil
}

// checkNames goes through the sorted files as a device will, and adds up the
// archive's length.
func (s *Source) checkNames() error {
	var seen names
	s.length = tarTrailer
	for _, f := range s.files {
		if reason, problem := seen.add(f.Path); reason != "" {
			return refuseName(reason, f.Path, problem)
		}
		if f.Size < 0 || f.Size > sealift.MaxArchive {
			return tooLarge()
		}
		if s.length += entryLength(f); s.length > sealift.MaxArchive {
			return tooLarge()
		}
	}
	return nil
}

// entryLength is what a file takes in the archive.
func entryLength(f File) int64 {
	var scratch [maxHeader]byte
	return int64(len(appendHeader(scratch[:0], f))) + f.Size + padding(f.Size)
}

func tooLarge() error {
	return sealift.Errorf(sealift.KindInvalid, opReadFolder, "its archive is longer than %d bytes", int64(sealift.MaxArchive)).
		WithReason("too_large").WithHint("leave out what the app does not need at its start, and have it fetch that later")
}

func refuseName(reason, path, problem string) error {
	return sealift.Errorf(sealift.KindInvalid, opReadFolder, "the path %s: %s", quote(path), problem).
		WithReason(reason).WithHint("rename or leave out that file: a bundle must be the same on every file system")
}

// unreadable classes an error of the file system.
func unreadable(op, path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) && path == "." {
		return sealift.Errorf(sealift.KindNotFound, op, "%w", err).WithHint("name the folder that holds the bundle's files")
	}
	return sealift.Errorf(sealift.KindInvalid, op, "%s: %w", quote(path), err).
		WithReason("unreadable").WithHint("make the file readable for whoever publishes, then publish again")
}
