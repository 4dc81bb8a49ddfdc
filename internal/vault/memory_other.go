//go:build !linux

package vault

// newPage returns ordinary memory: on this platform nothing keeps the root key
// out of swap and core dumps, and Status says so.
func newPage() (*page, error) { return newPageOf(make([]byte, pageSize), func([]byte) {}), nil }

// HardenProcess does nothing on this platform: only Linux is hardened against
// core dumps and tracing.
func HardenProcess() error { return nil }
