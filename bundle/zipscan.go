package bundle

import (
	"bytes"
	"encoding/binary"
	"path"
	"strings"

	"github.com/sealift/sealift"
)

// Zip signatures: PKWARE, APPNOTE.TXT, sections 4.3.7, 4.3.12 and 8.5.3.
const (
	zipLocal   = "PK\x03\x04"
	zipCentral = "PK\x01\x02"
	zipSplit   = "PK\x07\x08PK\x03\x04"

	localSize   = 30 // bytes of a local header before the name
	centralSize = 46

	// zipSample is how much of an entry's compressed data is looked at, and
	// zipInflated how much becomes of it at most.
	zipSample   = 1 << 10
	zipInflated = 4 << 10

	// zipName is how much of either end of a name is looked at: more than any
	// name that we look for takes. A name may have 64 KiB, and headers may share
	// the bytes.
	zipName = 512
)

// zipScanner reads a zip as it streams by. It looks at the name of every
// header that it finds, local or central, and at the beginning of every
// entry's data, without regard to the structure: so a zip stored within a zip
// is seen too, and a crafted directory hides nothing.
type zipScanner struct {
	budget  *zipBudget // shared with the zips within and around
	pending []byte     // not yet judged
	depth   int        // how many compressed zips this one is in
}

// take returns what the zip is found to be. end says that b is the last. The
// errors are those of the budget.
func (z *zipScanner) take(b []byte, end bool) (found string, err error) {
	z.pending = append(z.pending, b...)
	rest := z.pending
	for {
		at := indexHeader(rest)
		if at < 0 {
			// The beginning of a signature may be at the very end.
			rest = rest[max(0, len(rest)-len(zipLocal)+1):]
			break
		}
		rest = rest[at:]
		found, whole, err := z.judge(rest, end)
		if found != "" || err != nil {
			return found, err
		}
		if !whole {
			break
		}
		if err := z.budget.header(); err != nil {
			return "", err
		}
		rest = rest[len(zipLocal):]
	}
	if len(rest) < len(z.pending) {
		z.pending = append(z.pending[:0], rest...)
	}
	return "", nil
}

func indexHeader(b []byte) int {
	for at := 0; ; {
		next := bytes.Index(b[at:], []byte("PK"))
		if next < 0 {
			return -1
		}
		at += next
		if rest := b[at:]; bytes.HasPrefix(rest, []byte(zipLocal)) || bytes.HasPrefix(rest, []byte(zipCentral)) {
			return at
		}
		at += len("PK")
	}
}

// judge looks at the header that b begins with. whole is false if it takes
// more bytes to judge.
func (z *zipScanner) judge(b []byte, end bool) (found string, whole bool, err error) {
	size, lengths := localSize, 26
	if b[2] == zipCentral[2] {
		size, lengths = centralSize, 28
	}
	if len(b) < size {
		return "", end, nil
	}
	nameEnd := size + int(binary.LittleEndian.Uint16(b[lengths:]))
	if len(b) < nameEnd {
		return "", end, nil
	}
	if found := zipOf(b[size:nameEnd]); found != "" {
		return found, true, nil
	}
	if size == centralSize {
		return "", true, nil
	}
	data := nameEnd + int(binary.LittleEndian.Uint16(b[lengths+2:]))
	if len(b) < data+zipSample && !end {
		return "", false, nil
	}
	if data > len(b) {
		return "", true, nil
	}
	found, err = z.entry(binary.LittleEndian.Uint16(b[8:]), b[data:min(data+zipSample, len(b))])
	return found, true, err
}

// zipOf names the kind of zip that holds an entry of that name.
func zipOf(entry []byte) string {
	begin := string(entry[:min(zipName, len(entry))])
	base := path.Base(string(entry[max(0, len(entry)-zipName):]))
	switch {
	case begin == "META-INF/MANIFEST.MF":
		return "a Java archive (JAR)"
	case base == "AndroidManifest.xml",
		strings.HasPrefix(base, "classes") && strings.HasSuffix(base, ".dex"):
		return "an Android app (APK)"
	case begin == "BundleConfig.pb":
		return "an Android app bundle (AAB)"
	case strings.HasPrefix(begin, "Payload/") && strings.Contains(begin, ".app/"):
		return "an iOS app (IPA)"
	}
	return ""
}

// entry judges an entry by the beginning of its data.
func (z *zipScanner) entry(method uint16, data []byte) (found string, err error) {
	const stored, deflated = 0, 8
	switch method {
	case deflated:
		if data, err = z.budget.inflate(data); err != nil {
			return "", err
		}
	case stored:
	default:
		return "", nil
	}
	found = nativeIn(data)
	// A stored zip within is found as the scan goes on.
	if found == "" && method == deflated && z.depth < sealift.MaxZipDepth {
		within := zipScanner{budget: z.budget, depth: z.depth + 1}
		found, err = within.take(data, true)
	}
	if found != "" {
		found = "a zip that holds " + found
	}
	return found, err
}

// nativeIn names the native format of a file that begins with data.
func nativeIn(data []byte) string {
	if found := magicOf(data); found != "" {
		return found
	}
	if len(data) < headSize || !bytes.HasPrefix(data, []byte("MZ")) {
		return ""
	}
	watch := peWatch{at: int64(binary.LittleEndian.Uint32(data[60:]))}
	found, _ := watch.take(data)
	return found
}
