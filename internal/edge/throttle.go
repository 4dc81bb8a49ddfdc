package edge

import (
	"net/netip"
	"sync"
	"time"

	"github.com/sealift/sealift"
)

// throttle counts what each network sends in a minute. A network is an IPv4
// address or an IPv6 /64, which is what one customer is given: counting single
// IPv6 addresses would count nothing.
type throttle struct {
	mu    sync.Mutex
	began time.Time
	sent  map[netip.Prefix]int
	rest  int // what networks beyond sealift.MaxThrottled sent, together
}

// admit reports whether one more message from address is within
// sealift.MessagesPerMinute, and how long to wait if not.
func (t *throttle) admit(address string, now time.Time) (wait time.Duration, ok bool) {
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
	return t.began.Add(time.Minute).Sub(now), count < sealift.MessagesPerMinute
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
