package capgo

import (
	"strings"

	"github.com/sealift/sealift"
)

// oldestPlugin is the first version of the plugin that is answered.
const oldestPlugin sealift.Version = "5.0.0"

// since holds, for each line of the plugin, the first version that can something;
// lines after the last named can it from their beginning, and others cannot.
type since map[string]sealift.Version

// What versions of the plugin can.
var (
	// readsV3 is that checksums and file hashes are of the form V3.
	readsV3 = since{"5": "5.30.0", "6": "6.30.0", "7": "7.30.0", "8": "8.0.0"}
	// readsDelta is that a bundle may be fetched file by file.
	readsDelta = since{"6": "6.25.0", "7": "7.0.35", "8": "8.0.0"}
	// goesBack is that "builtin" sends it back to the store's bundle.
	goesBack = since{"6": "6.2.0", "7": "7.0.0", "8": "8.0.0"}
	// keepsChannel is that it keeps by itself on which channel it asked to be.
	keepsChannel = since{"5": "5.34.0", "6": "6.34.0", "7": "7.34.0", "8": "8.0.0"}
	// dropsChannel is that it can be told to do so no more.
	dropsChannel = since{"8": "8.42.6"}
	// readsKind is that an error says what kind it is.
	readsKind = since{"8": "8.46.0"}
)

// can reports whether a version of the plugin, of at least oldestPlugin, can it.
func (s since) can(plugin sealift.Version) bool {
	line, _, _ := strings.Cut(string(plugin), ".")
	if first, named := s[line]; named {
		return plugin.Compare(first) >= 0
	}
	return plugin.Compare("9.0.0-0") >= 0
}
