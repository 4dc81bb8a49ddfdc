// Package throttle bounds how often strangers may ask for what costs something:
// so many requests a minute from each network, or in another time from each of
// whatever else can be told apart.
//
// A network is an IPv4 address or an IPv6 /64, which is what one customer is
// given: counting single IPv6 addresses would count nothing. At most
// sealift.MaxThrottled networks are counted at a time; those beyond share one
// count, so that addresses without end cost neither memory nor are a way
// around. The minute is the same for all: what it held is forgotten at its end.
package throttle

import (
	"net/netip"
	"sync"
	"time"

	"github.com/sealift/sealift"
)

// Throttle counts what each network sends in a minute. The zero value admits
// nothing; it is safe for concurrent use.
type Throttle struct {
	networks Counter[netip.Prefix]
}

// New returns a throttle that admits perMinute requests of each network.
func New(perMinute int) *Throttle {
	return &Throttle{Counter[netip.Prefix]{limit: perMinute, period: time.Minute}}
}

// Admit reports whether one more request from an IP address is within the
// limit, and how long to wait if not. What is no address shares one count.
func (t *Throttle) Admit(address string, now time.Time) (wait time.Duration, ok bool) {
	return t.networks.Admit(networkOf(address), now)
}

// Counter counts what each of whatever K names sends in a period, as a Throttle
// does networks. The zero value admits nothing; it is safe for concurrent use.
type Counter[K comparable] struct {
	limit  int
	period time.Duration

	mu    sync.Mutex
	began time.Time
	sent  map[K]int
	rest  int // what those beyond sealift.MaxThrottled sent, together
}

// NewCounter returns a counter that admits limit requests of each in a period.
func NewCounter[K comparable](limit int, period time.Duration) *Counter[K] {
	return &Counter[K]{limit: limit, period: period}
}

// Admit reports whether one more request of who is within the limit, and how
// long to wait if not.
func (c *Counter[K]) Admit(who K, now time.Time) (wait time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if passed := now.Sub(c.began); c.sent == nil || passed < 0 || passed >= c.period {
		c.began, c.sent, c.rest = now, map[K]int{}, 0
	}
	count, known := c.sent[who]
	known = known || len(c.sent) < sealift.MaxThrottled
	if !known {
		count = c.rest
	}
	ok = count < c.limit
	switch {
	case !ok:
	case known:
		c.sent[who] = count + 1
	default:
		c.rest++
	}
	return c.began.Add(c.period).Sub(now), ok
}

// Return gives back one request of who that was admitted in this period and turned
// out to be somebody else's.
func (c *Counter[K]) Return(who K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch count, known := c.sent[who]; {
	case known && count > 0:
		c.sent[who] = count - 1
	case !known && c.rest > 0:
		c.rest--
	}
}

func networkOf(address string) netip.Prefix {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{} // whoever has no address shares one
	}
	ip = ip.Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	network, _ := ip.Prefix(bits) // both are within the address's length
	return network
}
