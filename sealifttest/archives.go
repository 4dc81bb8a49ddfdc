package sealifttest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
)

// entry is one entry of a tar archive made by hand.
type entry struct {
	tar.Header
	content string
}

// page is an entry as a publisher writes it.
func page(name, content string) entry {
	return entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content))}, content}
}

// special is an entry without content.
func special(kind byte, name, link string) entry {
	return entry{tar.Header{Typeflag: kind, Name: name, Linkname: link, Mode: 0o644}, ""}
}

// archiveOf writes entries as they are and in their order.
func archiveOf(entries ...entry) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		if err := w.WriteHeader(&e.Header); err != nil {
			panic(fmt.Sprintf("writing tar header of %q: %v", e.Name, err)) // the entries below are all writable
		}
		_, _ = io.WriteString(w, e.content) // to memory
	}
	_ = w.Close() // to memory
	return out.Bytes()
}

// archiveAttacks are those of a thief of what signs releases: all signatures
// are in order, and what is signed must not be unpacked.
func archiveAttacks() (all []Attack) {
	index := page("index.html", "<h1>x</h1>")
	owned := index
	owned.Uid = 1000
	last := len(archiveOf(index)) - 1
	attack := func(name, title, reason string, spec Spec) {
		all = append(all, Attack{
			Name: "archive-" + name, Title: title, Stolen: "what signs releases",
			Kind: sealift.KindIntegrity, Reasons: []string{reason}, stage: publishing(spec),
		})
	}
	archive := func(name, title, reason string, entries ...entry) {
		attack(name, title, reason, Spec{Archive: archiveOf(entries...)})
	}
	archive("dotdot", "a bundle with a file in the folder above it", "path", page("../evil", "x"), index)
	archive("absolute", "a bundle with a file at an absolute path", "path", page("/etc/cron.d/evil", "x"), index)
	archive("backslash", "a bundle with a file that Windows would put elsewhere", "path", page(`..\evil`, "x"), index)
	archive("long-path", "a bundle with a path longer than allowed", "path", page(strings.Repeat("a/", 540)+"a", "x"), index)
	archive("long-name", "a bundle with a name longer than allowed", "path", page(strings.Repeat("a", 256), "x"), index)
	archive("control", "a bundle with a control character in a name", "path", page("a\x1bb", "x"), index)
	archive("link", "a bundle with a symbolic link out of it", "link", special(tar.TypeSymlink, "a", "/etc/passwd"), index)
	archive("hard-link", "a bundle with a hard link out of it", "link", special(tar.TypeLink, "a", "/etc/passwd"), index)
	archive("device", "a bundle with a device", "special", special(tar.TypeChar, "a", ""), index)
	archive("pipe", "a bundle with a pipe", "special", special(tar.TypeFifo, "a", ""), index)
	archive("folder", "a bundle with an entry for a folder", "folder", special(tar.TypeDir, "a/", ""), index)
	archive("case", "a bundle with two names that differ in case alone", "collision", page("Index.html", "x"), index)
	archive("twice", "a bundle with one name twice", "collision", index, index)
	archive("unsorted", "a bundle whose names are not sorted", "order", index, page("a.js", "x"))
	archive("owner", "a bundle with a file that has an owner", "header", owned)
	archive("empty", "a bundle without files", "empty")

	attack("padding", "a bundle with something hidden after a file", "padding", Spec{Archive: bend(archiveOf(index), 1023)})
	attack("trailer", "a bundle with something hidden in its end", "padding", Spec{Archive: bend(archiveOf(index), last)})
	attack("longer-inside", "a bundle with something after its end", "trailing", Spec{Archive: append(archiveOf(index), make([]byte, 512)...)})
	attack("cut", "a bundle without its end", "shorter", Spec{Archive: archiveOf(index)[:1536]})

	honest := archiveOf(index)
	id := bundle.Identity{Digest: sealift.DigestOf(honest), Length: int64(len(honest))}
	shorter := bundle.Identity{Digest: id.Digest, Length: id.Length + 512}
	attack("bomb", "a bundle that unpacks to more than was signed", "longer", Spec{
		Archive: append(bytes.Clone(honest), make([]byte, 64<<20)...), Identity: &id,
	})
	attack("shorter", "a bundle that unpacks to less than was signed", "shorter", Spec{Archive: honest, Identity: &shorter})
	attack("replaced", "another bundle of the signed length", "digest", Spec{Archive: archiveOf(page("index.html", "<h1>y</h1>")), Identity: &id})
	attack("window", "a bundle that takes more memory to unpack than a device gives", "window", Spec{
		Archive: honest, BendPacked: func([]byte) []byte { return hugeWindow },
	})
	attack("uncompressed", "a bundle that is not compressed", "compression", Spec{
		Archive: honest, BendPacked: func([]byte) []byte { return honest },
	})
	attack("trailing", "a bundle with something after its compressed end", "trailing", Spec{
		Archive: honest, BendPacked: func(packed []byte) []byte { return append(packed, "more"...) },
	})
	return all
}

// hugeWindow begins a zstd frame with a window of 2 GiB (RFC 8878, section
// 3.1.1.1.2): exponent 21, mantissa 0.
var hugeWindow = append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3}, make([]byte, 64)...)

func bend(content []byte, at int) []byte {
	content[at] ^= 1
	return content
}
