package access

import (
	"net/netip"
	"sync"
	"time"

	"github.com/sealift/sealift"
)

// Limiter bounds how often people's secrets can be guessed at. It counts in
// lanes, and each lane that fails makes its next attempt wait: not at all at
// first, then a second, two, four, up to sealift.MaxSignInWait. An attempt that
// comes before its time is refused without a look at it, and makes nobody wait
// longer.
//
//	network          an IPv4 address or an IPv6 /64, whoever it tries
//	account, known   a login, from a network it has signed in from before
//	account, others  a login, from all other networks together
//
// So guessing at one account, from however many networks, gets about a hundred
// tries a day, and whoever does it does not keep the person out who sits where
// they always sit. A lane never closes for good: from elsewhere the person waits
// sealift.MaxSignInWait at the most, if nobody takes the turn before them.
//
// Its memory is bounded, and ends with the process. The zero value is ready.
type Limiter struct {
	mu    sync.Mutex
	lanes map[lane]*laneState
	known map[string][]netip.Prefix // by account, the latest last
}

// lane is one counter.
type lane struct {
	account string
	network netip.Prefix // zero for all that are not known
}

type laneState struct {
	failures int
	next     time.Time // when it may try again
}

// Attempt is one that was admitted. End it with Limiter.Succeed, or leave it: it
// is a failure from the first.
type Attempt struct {
	account string
	network netip.Prefix
	lanes   []lane
	// Failures is how many there were in its account's lane, this one included.
	Failures int
}

// freeFailures are those that cost no wait: people mistype.
const (
	freeFailures        = 5
	freeNetworkFailures = 20 // an office has one address
)

// Admit counts an attempt to be account, from an IP address, as failed: so those
// that come together do not slip through together. If it has to wait, it was not
// counted, and wait is for how long.
func (l *Limiter) Admit(account, address string, now time.Time) (a Attempt, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lanes == nil {
		l.lanes, l.known = map[lane]*laneState{}, map[string][]netip.Prefix{}
	}
	network := networkOf(address)
	own := lane{account: account}
	for _, known := range l.known[account] {
		if known == network {
			own.network = network
		}
	}
	a = Attempt{account: account, network: network, lanes: []lane{own, {network: network}}}
	for _, name := range a.lanes {
		if s := l.lanes[name]; s != nil {
			wait = max(wait, s.next.Sub(now))
		}
	}
	if wait > 0 {
		return a, wait
	}
	for _, name := range a.lanes {
		l.count(name, now)
	}
	a.Failures = l.lanes[own].failures
	return a, 0
}

func (l *Limiter) count(name lane, now time.Time) {
	s := l.lanes[name]
	if s == nil {
		l.makeRoom(now)
		s = new(laneState)
		l.lanes[name] = s
	}
	free := freeFailures
	if name.account == "" {
		free = freeNetworkFailures
	}
	if now.Sub(s.next) > sealift.SignInMemory {
		s.failures = 0
	}
	s.failures++
	s.next = now.Add(waitAfter(s.failures - free))
}

// waitAfter is how long to wait after so many failures that are not free.
func waitAfter(failures int) time.Duration {
	switch {
	case failures < 0:
		return 0
	case failures > 20: // before the shift overflows
		return sealift.MaxSignInWait
	}
	return min(time.Second<<failures, sealift.MaxSignInWait)
}

// makeRoom forgets lanes that have nothing to wait for, and if that is not
// enough all of them: whoever fills the table with networks has many, and would
// gain a few tries a network anyway.
func (l *Limiter) makeRoom(now time.Time) {
	if len(l.lanes) < sealift.MaxThrottled {
		return
	}
	for name, s := range l.lanes {
		if name.account == "" && !s.next.After(now) {
			delete(l.lanes, name)
		}
	}
	if len(l.lanes) >= sealift.MaxThrottled {
		clear(l.lanes)
	}
}

// Succeed says that an attempt was the person's: their lane begins anew, and the
// network is known from now on. The network's lane only loses this one, or
// whoever has an account could try others' for ever.
func (l *Limiter) Succeed(a Attempt, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.lanes, a.lanes[0])
	if s := l.lanes[a.lanes[1]]; s != nil {
		s.failures--
		s.next = now
	}
	const most = 8 // of networks an account: home, office, phone, and some more
	nets := l.known[a.account]
	for i, n := range nets {
		if n == a.network {
			nets = append(nets[:i], nets[i+1:]...)
			break
		}
	}
	l.known[a.account] = append(nets[max(0, len(nets)-most+1):], a.network)
}

// networkOf is an IPv4 address, or the /64 of an IPv6 one, which is what one
// customer is given. Whoever has no address shares one.
func networkOf(address string) netip.Prefix {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	network, _ := ip.Prefix(bits) // both are within the address's length
	return network
}
