package capgo

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/andybalholm/brotli"

	"github.com/sealift/sealift"
)

const (
	// Files are compressed from this size on, and only where that saves more than
	// brotliSaves bytes, as Capgo's own program has it.
	brotliFrom  = 8192
	brotliSaves = 10
	// brotliLevel gets within some percent of level 11, 20 times as fast.
	brotliLevel = 9
)

// Entry is a file of a bundle as it is installed.
type Entry struct {
	Path   string
	Size   int64          // in bytes
	SHA256 sealift.Digest // not looked at before it is packed
}

// CheckFiles refuses, with KindInvalid and reason "capgo", a bundle that devices
// would refuse; see the package's comment. files are in the order of their paths.
func CheckFiles(files []Entry) error {
	var r rules
	for _, f := range files {
		if err := r.add(f.Path, f.Size); err != nil {
			return err
		}
	}
	return r.end()
}

// rules looks at the files of a bundle one by one.
type rules struct {
	files int
	bytes int64
	index bool
	last  string
}

func refuse(hint, format string, args ...any) error {
	return sealift.Errorf(sealift.KindInvalid, "preparing a bundle for Capgo's plugin", format, args...).WithReason("capgo").WithHint("%s", hint)
}

func (r *rules) add(path string, size int64) error {
	err := CheckName(path)
	switch {
	case err != nil:
		return refuse("rename the file, or publish without --capgo", "devices refuse the name: %w", err)
	case path <= r.last:
		return refuse("sort the files by their paths", "%.80q is not in order", path)
	case size <= 0:
		return refuse("leave the file out, or put a line break into it", "%.80q has no content, and devices refuse such files", path)
	case size > sealift.MaxCapgoFile:
		return refuse("have the app fetch it later, or publish without --capgo", "%.80q has %d bytes; at most %d are allowed", path, size, sealift.MaxCapgoFile)
	}
	r.files, r.bytes, r.last, r.index = r.files+1, r.bytes+size, path, r.index || path == Index
	switch {
	case r.files > sealift.MaxCapgoFiles:
		return refuse("leave out what the app does not need, or publish without --capgo", "more than %d files", sealift.MaxCapgoFiles)
	case r.bytes > sealift.MaxCapgoZip:
		return refuse("leave out what the app does not need, or publish without --capgo", "more than %d bytes", sealift.MaxCapgoZip)
	}
	return nil
}

func (r *rules) end() error {
	if !r.index {
		return refuse("publish the folder in which index.html is, such as ./www or ./dist", "there is no %s at its root", Index)
	}
	return nil
}

// Packer makes the encrypted zip and the encrypted files of a bundle, in one pass.
type Packer struct {
	session Session
	rules   rules
	zip     *zipWriter
	plain   hash.Hash // of the zip in the clear
	sealer  io.WriteCloser
	sealed  *counted
	plan    Plan
	// CallsReady reports whether a script or page that was added mentions
	// notifyAppReady; without a call of it a device takes the bundle back after ten
	// seconds.
	CallsReady bool
}

// NewPacker writes the encrypted zip into out.
func NewPacker(s Session, out io.Writer) *Packer {
	p := &Packer{session: s, plain: sha256.New(), sealed: &counted{w: out, hash: sha256.New()}}
	p.sealer = s.Sealer(p.sealed)
	p.zip = newZipWriter(io.MultiWriter(p.plain, p.sealer))
	return p
}

// Add adds a file; they come in the order of their paths. It returns the file as
// devices fetch it on its own, encrypted, to be put into the published tree under
// its SHA-256, and that. KindInvalid as CheckFiles.
func (p *Packer) Add(path string, content []byte) (sealed []byte, file Content, err error) {
	if err := p.rules.add(path, int64(len(content))); err != nil {
		return nil, Content{}, err
	}
	p.CallsReady = p.CallsReady || mayCall(path) && bytes.Contains(content, []byte("notifyAppReady"))
	if err := p.zip.add(path, content); err != nil {
		return nil, Content{}, fmt.Errorf("writing the zip: %w", err)
	}
	small, compressed, err := compress(path, content)
	if err != nil {
		return nil, Content{}, err
	}
	sealed = p.session.Seal(small)
	file = Content{Name: path, Plain: sealift.DigestOf(content), Blob: Blob{sealift.DigestOf(sealed), int64(len(sealed))}}
	if compressed {
		file.Name += Brotli
	}
	p.plan.Files = append(p.plan.Files, file)
	return sealed, file, nil
}

// Close ends the zip and returns the plan of the bundle.
func (p *Packer) Close() (Plan, error) {
	if err := p.rules.end(); err != nil {
		return Plan{}, err
	}
	if err := errors.Join(p.zip.close(), p.sealer.Close()); err != nil {
		return Plan{}, fmt.Errorf("writing the zip: %w", err)
	}
	p.plan.Zip = Content{Plain: sealift.Digest(p.plain.Sum(nil)), Blob: Blob{sealift.Digest(p.sealed.hash.Sum(nil)), p.sealed.n}}
	return p.plan, p.plan.check()
}

// compress makes content shorter where that is worth it, or where its path says
// that it is.
func compress(path string, content []byte) (out []byte, compressed bool, err error) {
	named := Path(path) != path
	if len(content) < brotliFrom && !named {
		return content, false, nil
	}
	var small bytes.Buffer
	w := brotli.NewWriterLevel(&small, brotliLevel)
	if _, err = w.Write(content); err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, false, fmt.Errorf("compressing %s: %w", path, err)
	}
	if !named && len(content)-small.Len() <= brotliSaves {
		return content, false, nil
	}
	return small.Bytes(), true, nil
}

// mayCall reports whether a file may hold code.
func mayCall(path string) bool {
	for _, suffix := range []string{".js", ".mjs", ".cjs", ".html", ".htm"} {
		if len(path) > len(suffix) && path[len(path)-len(suffix):] == suffix {
			return true
		}
	}
	return false
}

// counted hashes and counts what passes.
type counted struct {
	w    io.Writer
	hash hash.Hash
	n    int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.hash.Write(p[:n])
	c.n += int64(n)
	return n, err
}
