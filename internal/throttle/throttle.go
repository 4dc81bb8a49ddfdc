// Package throttle bounds how often strangers may ask for what costs something:
// so many requests a minute from each network.
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
	limit int

	mu    sync.Mutex
	began time.Time
	sent  map[netip.Prefix]int
	rest  int // what networks beyond sealift.MaxThrottled sent, together
}

// New returns a throttle that admits perMinute requests of each network.
func New(perMinute int) *Throttle { return &Throttle{limit: perMinute} }

// Admit reports whether one more request from an IP address is within the
// limit, and how long to wait if not. What is no address shares one count.
func (t *Throttle) Admit(address string, now time.Time) (wait time.Duration, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if passed := now.Sub(t.began); t.sent == nil || passed < 0 || passed >= time.Minute {
		t.began, t.sent, t.rest = now, map[netip.Prefix]int{}, 0
	}
	network := networkOf(address)
	count, known := t.sent[network]
	switch {
	case known || len(t.sent) < sealift.MaxThrottled:
		t.sent[network] = count + 1
	default:
		t.rest++
		count = t.rest
	}
	return t.began.Add(time.Minute).Sub(now), count < t.limit
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
