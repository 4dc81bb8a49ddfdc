package vault

// page is memory of its own for the root key and what is derived from it, so
// that it can be kept out of swap and core dumps and be wiped in one place.
// See memory_linux.go for what is done and memory_other.go for where nothing
// can be.
type page struct {
	// bytes are pageSize bytes, outside of the garbage-collected heap on Linux;
	// behind a function, so that fmt never comes upon them.
	bytes   func() []byte
	release func([]byte) // gives the memory back
	locked  bool         // the kernel promised to keep it in RAM
}

func newPageOf(b []byte, release func([]byte)) *page {
	return &page{bytes: func() []byte { return b }, release: release}
}

// pageSize is the smallest page of the platforms that Go runs on; RLIMIT_MEMLOCK
// is never smaller where it is allowed at all.
const pageSize = 4096

// wipe zeroes the page and gives it back. The page must not be used after.
func (p *page) wipe() {
	clear(p.bytes())
	p.release(p.bytes())
	p.bytes = nil
}
