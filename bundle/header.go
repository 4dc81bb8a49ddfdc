package bundle

import (
	"strconv"
	"strings"
)

// The tar format: POSIX.1-2017, pax, "ustar Interchange Format" and "pax
// Header Block".
const (
	tarBlock     = 512
	tarName      = 100 // bytes of the name field
	tarPrefix    = 155 // bytes of the prefix field
	tarTrailer   = 2 * tarBlock
	typeRegular  = '0'
	typeExtended = 'x'

	// maxHeader is the longest header of a file: an extended header, its one
	// record (a path of sealift.MaxPath bytes and a few more), and the header.
	maxHeader = 5 * tarBlock
)

// File is one file of a bundle.
type File struct {
	Path       string // relative, clean, separated by slashes
	Size       int64  // bytes
	Executable bool
}

// appendHeader appends the one and only encoding of f's header: what
// archive/tar writes for {Name, Size, Mode 0644 or 0755}. It is written out
// here because its bytes are part of a bundle's identity and must not change
// with the version of Go.
func appendHeader(dst []byte, f File) []byte {
	mode := int64(0o644)
	if f.Executable {
		mode = 0o755
	}
	if isASCII(f.Path) && len(f.Path) <= tarName {
		return appendBlock(dst, f.Path, "", mode, f.Size, typeRegular)
	}
	if prefix, name, ok := splitPath(f.Path); ok {
		return appendBlock(dst, name, prefix, mode, f.Size, typeRegular)
	}
	record := paxRecord("path", f.Path)
	dst = appendBlock(dst, extendedName(f.Path), "", 0, int64(len(record)), typeExtended)
	dst = append(dst, record...)
	dst = append(dst, make([]byte, padding(int64(len(record))))...)
	// Readers that know no extended headers get as much of the path as fits.
	return appendBlock(dst, cutName(onlyASCII(f.Path)), "", mode, f.Size, typeRegular)
}

// splitPath parts a long ASCII path at the last slash that lets both parts fit
// their fields.
func splitPath(path string) (prefix, name string, ok bool) {
	if !isASCII(path) {
		return "", "", false
	}
	i := strings.LastIndexByte(path[:min(len(path), tarPrefix+1)], '/')
	if i <= 0 || len(path)-i-1 > tarName {
		return "", "", false
	}
	return path[:i], path[i+1:], true
}

// extendedName is the name of an extended header, which nobody reads.
func extendedName(path string) string {
	i := strings.LastIndexByte(path, '/') + 1
	name := onlyASCII(path[:i] + "PaxHeaders.0/" + path[i:])
	return strings.TrimRight(name[:min(len(name), tarName)], "/")
}

// cutName cuts name to its field. A name that would end in a slash would be
// taken for a folder.
func cutName(name string) string {
	if len(name) <= tarName {
		return name
	}
	if name = name[:tarName]; name[tarName-1] == '/' {
		name = strings.TrimRight(name, "/")
	}
	return name
}

func onlyASCII(s string) string {
	if isASCII(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r < 0x80 {
			return r
		}
		return -1
	}, s)
}

// paxRecord is "length key=value\n", where length counts itself.
func paxRecord(key, value string) string {
	rest := " " + key + "=" + value + "\n"
	length := len(rest)
	for {
		record := strconv.Itoa(length) + rest
		if len(record) == length {
			return record
		}
		length = len(record)
	}
}

func appendBlock(dst []byte, name, prefix string, mode, size int64, kind byte) []byte {
	var b [tarBlock]byte
	copy(b[0:tarName], name)
	putOctal(b[100:108], mode)
	putOctal(b[108:116], 0) // owner
	putOctal(b[116:124], 0) // group
	putOctal(b[124:136], size)
	putOctal(b[136:148], 0) // time
	b[156] = kind
	copy(b[257:265], "ustar\x0000")
	if kind == typeRegular {
		putOctal(b[329:337], 0) // device, major
		putOctal(b[337:345], 0) // device, minor
	}
	copy(b[345:345+tarPrefix], prefix)

	copy(b[148:156], "        ")
	sum := int64(0)
	for _, c := range b {
		sum += int64(c)
	}
	putOctal(b[148:155], sum)
	return append(dst, b[:]...)
}

// putOctal writes n with leading zeros and a closing NUL.
func putOctal(field []byte, n int64) {
	field[len(field)-1] = 0
	for i := len(field) - 2; i >= 0; i-- {
		field[i] = '0' + byte(n&7)
		n >>= 3
	}
}

// padding is how many zeros follow size bytes to fill a block.
func padding(size int64) int64 { return -size & (tarBlock - 1) }
