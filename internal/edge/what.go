package edge

import "strings"

// What devices ask for, as it is counted. A check for updates asks for
// WhatTimestamp once, unless a cache before the edge answers it.
const (
	WhatTimestamp = "timestamp"
	WhatMetadata  = "metadata" // any other
	WhatTarget    = "target"
	WhatRelease   = "release"
	WhatProof     = "proof"
	WhatBlob      = "blob"
	WhatLog       = "log"
	WhatMessage   = "message" // POST /v1/devices
	WhatHealth    = "health"
	WhatOther     = "other"
)

// Whats are all that What returns.
func Whats() []string {
	return []string{WhatTimestamp, WhatMetadata, WhatTarget, WhatRelease, WhatProof, WhatBlob, WhatLog, WhatMessage, WhatHealth, WhatOther}
}

// What says what a request is for by the path of its URL, whether or not it is there.
func What(path string) string {
	switch path {
	case "/healthz":
		return WhatHealth
	case "/v1/devices":
		return WhatMessage
	case "/v1/metadata/timestamp.json":
		return WhatTimestamp
	}
	key, _ := strings.CutPrefix(path, "/v1/")
	folder, _, within := strings.Cut(key, "/")
	if !within {
		return WhatOther
	}
	switch folder {
	case "metadata":
		return WhatMetadata
	case "targets":
		return WhatTarget
	case "releases":
		return WhatRelease
	case "proofs":
		return WhatProof
	case "blobs":
		return WhatBlob
	case "log":
		return WhatLog
	}
	return WhatOther
}
