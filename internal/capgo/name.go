package capgo

import (
	"fmt"
	"strings"

	"github.com/sealift/sealift"
)

const (
	// Index is what the app's web view opens first.
	Index = "index.html"
	// Brotli is behind the name of a file that is compressed.
	Brotli = ".br"
)

// Path returns where a device puts a file of that name: it takes one ".br" away. So
// a file whose own path ends so is always compressed.
func Path(name string) string { return strings.TrimSuffix(name, Brotli) }

// CheckName refuses a path, with or without Brotli, that devices refuse: it is not
// relative and clean, or has a space, a backslash or a control character in it.
func CheckName(name string) error {
	if name == "" || len(name) > sealift.MaxPath+len(Brotli) {
		return fmt.Errorf("a name of %d bytes; 1 to %d are allowed", len(name), sealift.MaxPath)
	}
	for _, element := range strings.Split(name, "/") {
		if element == "" || strings.Contains(element, "..") || element == "." {
			return fmt.Errorf("%.80q is not a clean path, or has \"..\" in it", name)
		}
	}
	for _, r := range name {
		switch {
		case r == ' ':
			return fmt.Errorf("%.80q has a space in it", name)
		case r == '\\' || r < ' ' || r == 0x7f:
			return fmt.Errorf("%.80q has a backslash or a control character in it", name)
		}
	}
	return nil
}
