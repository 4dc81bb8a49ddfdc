package bundle

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sealift/sealift"
)

// checkPath says what keeps path from being the path of a file in a bundle, or
// "" if nothing does. The rules are those of the package's doc comment; they
// do not depend on the platform that asks, since the publisher's and every
// device's verdict must be the same.
func checkPath(path string) (problem string) {
	switch {
	case path == "":
		return "it is empty"
	case len(path) > sealift.MaxPath:
		return fmt.Sprintf("it is longer than %d bytes", sealift.MaxPath)
	case !utf8.ValidString(path):
		return "it is not UTF-8"
	case path[0] == '/':
		return "it is absolute"
	}
	for _, r := range path {
		if unicode.IsControl(r) {
			return "it holds a control character"
		}
		if strings.ContainsRune(`\<>:"|?*`, r) {
			return fmt.Sprintf("it holds %q, which Windows does not allow in a name", r)
		}
	}
	for element := range strings.SplitSeq(path, "/") {
		if problem := checkElement(element); problem != "" {
			return problem
		}
	}
	return ""
}

func checkElement(element string) (problem string) {
	switch {
	case element == "":
		return "it has an empty element"
	case element == "." || element == "..":
		return fmt.Sprintf("it has the element %q", element)
	case len(element) > sealift.MaxPathElement:
		return fmt.Sprintf("an element is longer than %d bytes", sealift.MaxPathElement)
	case strings.HasSuffix(element, ".") || strings.HasSuffix(element, " "):
		return "an element ends in a dot or a space, which Windows drops"
	case isDeviceName(element):
		return fmt.Sprintf("%q names a device on Windows", element)
	}
	return ""
}

// isDeviceName reports whether Windows takes element for a device whatever its
// extension: "nul", "Com1.txt". Microsoft, "Naming Files, Paths, and
// Namespaces"; the superscript digits count as digits there.
func isDeviceName(element string) bool {
	stem, _, _ := strings.Cut(element, ".")
	stem = strings.ToUpper(strings.TrimRight(stem, " "))
	switch stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	if digit, ok := strings.CutPrefix(stem, "COM"); ok {
		return isDeviceDigit(digit)
	}
	digit, ok := strings.CutPrefix(stem, "LPT")
	return ok && isDeviceDigit(digit)
}

func isDeviceDigit(s string) bool {
	return utf8.RuneCountInString(s) == 1 && strings.Contains("123456789¹²³", s)
}

// names is the set of files and folders met so far in path order. It refuses a
// path that some file system would take for one of them: equal but for letter
// case, Unicode normalization or invisible characters; or a file where a
// folder is.
//
// It keeps 128 bits of SHA-256 of each name rather than the name: MaxFiles
// long paths would not fit the memory a device has.
type names struct {
	seen    map[[16]byte]struct{}
	last    string
	folders []string // the folders of last, outermost first
}

// Words for names.add's refusals; they are the Reason of the error.
const (
	reasonPath      = "path"
	reasonOrder     = "order"
	reasonCollision = "collision"
	reasonTooMany   = "too_many_files"
)

// add takes the next path, which must have passed checkPath. A refusal comes
// as its Reason and what is wrong; reason "" means that the path was taken.
func (n *names) add(path string) (reason, problem string) {
	if n.last != "" && path <= n.last {
		if path == n.last {
			return reasonCollision, "it is there twice"
		}
		return reasonOrder, "it does not sort after the path before it"
	}
	n.last = path
	// Paths that share a folder are neighbours in byte order, so a folder that
	// is not among those of the path before is met for the first time.
	depth := 0
	for i := 0; i < len(path); i++ {
		if path[i] != '/' {
			continue
		}
		folder := path[:i]
		if depth < len(n.folders) && n.folders[depth] == folder {
			depth++
			continue
		}
		// First this: a folder that is refused is none, for the next path either.
		if reason, problem := n.insert(folder); reason != "" {
			return reason, problem
		}
		n.folders = append(n.folders[:depth], folder)
		depth++
	}
	n.folders = n.folders[:depth]
	return n.insert(path)
}

func (n *names) insert(name string) (reason, problem string) {
	if n.seen == nil {
		n.seen = make(map[[16]byte]struct{})
	}
	if len(n.seen) == sealift.MaxFiles {
		return reasonTooMany, fmt.Sprintf("there are more than %d files and folders", sealift.MaxFiles)
	}
	sum := sha256.Sum256([]byte(foldName(name)))
	key := [16]byte(sum[:16])
	if _, ok := n.seen[key]; ok {
		return reasonCollision, fmt.Sprintf("%s differs from another only in ways that some file systems ignore", quote(name))
	}
	n.seen[key] = struct{}{}
	return "", ""
}

// quote makes a name from outside fit for a message: quoted, and not endless.
func quote(name string) string {
	const most = 120
	if len(name) > most {
		name = strings.ToValidUTF8(name[:most], "") + "…"
	}
	return fmt.Sprintf("%q", name)
}
