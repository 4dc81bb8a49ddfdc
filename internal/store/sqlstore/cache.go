package sqlstore

import "github.com/sealift/sealift/internal/store"

// readCache is what one transaction has read and none of the Updates that share it
// has written since: each of them asks for the same again. Views have none, which
// is nil.
type readCache struct {
	keys      map[store.KeyFilter][]store.Key
	statement *int64
}

// mostCached bounds the filters of keys.
const mostCached = 64

// cache returns the transaction's cache.
func (t *tx) cache() *readCache {
	if t.session.part == nil {
		return nil
	}
	return &t.session.part.group.read
}

// forgetKeys is called before keys are written.
func (c *readCache) forgetKeys() {
	if c != nil {
		c.keys = nil
	}
}

func (c *readCache) keepKeys(f store.KeyFilter, keys []store.Key) {
	if c == nil || len(c.keys) >= mostCached {
		return
	}
	if c.keys == nil {
		c.keys = map[store.KeyFilter][]store.Key{}
	}
	c.keys[f] = cloneKeys(keys)
}

// forgetAll is called before a table is written whole.
func (c *readCache) forgetAll() {
	if c != nil {
		*c = readCache{}
	}
}

// keepStatement keeps where the newest statement is; nil for what is not known.
func (c *readCache) keepStatement(position *int64) {
	if c != nil {
		c.statement = position
	}
}
