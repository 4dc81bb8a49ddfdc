package publisher

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
)

// Former is an older build, from which there may be a patch.
type Former struct {
	Name string // where it is, for people
	bundle.Base
}

// OpenFormer finds an older build: a folder, or a file with its archive, as
// Archives keeps them. Close lets go of it.
func OpenFormer(ctx context.Context, name string) (f Former, closing func() error, err error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f, nil, sealift.Errorf(sealift.KindNotFound, formerOp, "there is no %s", name).WithHint("name with --base the output folder of an older build, or its archive")
	case err != nil:
		return f, nil, formerError(name, err)
	case info.IsDir():
		return openFormerFolder(ctx, name)
	case !info.Mode().IsRegular():
		return f, nil, formerError(name, errors.New("it is neither a folder nor a file"))
	}
	file, err := os.Open(name)
	if err != nil {
		return f, nil, formerError(name, err)
	}
	defer file.Close()
	digest, length, err := sealift.DigestReader(file)
	if err != nil {
		return f, nil, formerError(name, err)
	}
	id := bundle.Identity{Digest: digest, Length: length}
	again := keptArchive{func() (fs.File, error) { return os.Open(name) }}
	return Former{name, bundle.Base{Identity: id, Archiver: again}}, func() error { return nil }, nil
}

const formerOp = "reading the older build"

func formerError(name string, err error) error {
	return sealift.Errorf(sealift.KindInvalid, formerOp+" "+name, "%w", err).WithHint("name with --base the output folder of an older build, or its archive")
}

func openFormerFolder(ctx context.Context, name string) (f Former, closing func() error, err error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return f, nil, formerError(name, err)
	}
	source, err := bundle.OpenSource(root.FS())
	var id bundle.Identity
	if err == nil {
		id, err = source.Digest(ctx, nil)
	}
	if err != nil {
		_ = root.Close() // it was read alone
		return f, nil, formerError(name, err)
	}
	return Former{name, bundle.Base{Identity: id, Archiver: source}}, root.Close, nil
}

// older is an older build as it is read. Whatever is wrong with it costs a patch and
// not the release, so it is KindIntegrity, like an archive that is another one by now.
type older struct{ bundle.Archiver }

// WriteArchive implements bundle.Archiver.
func (o older) WriteArchive(ctx context.Context, w io.Writer) error {
	err := o.Archiver.WriteArchive(ctx, w)
	if err == nil || ctx.Err() != nil || sealift.KindOf(err) == sealift.KindIntegrity {
		return err
	}
	return sealift.Errorf(sealift.KindIntegrity, formerOp, "%w", err)
}
