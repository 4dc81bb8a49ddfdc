package throttle

import (
	"fmt"
	"testing"
	"time"

	"github.com/sealift/sealift"
)

func TestThrottle(t *testing.T) {
	th := New(sealift.MessagesPerMinute)
	now := time.Unix(1_800_000_000, 0)
	send := func(address string) bool { _, ok := th.Admit(address, now); return ok }
	for i := range sealift.MessagesPerMinute {
		if !send("192.0.2.1") {
			t.Fatalf("message %d was refused", i)
		}
	}
	if wait, ok := th.Admit("192.0.2.1", now.Add(20*time.Second)); ok || wait != 40*time.Second {
		t.Errorf("one too many: %v, wait %v", ok, wait)
	}
	if send("::ffff:192.0.2.1") {
		t.Error("the same address in its IPv6 form counts apart")
	}
	if !send("192.0.2.2") {
		t.Error("another address is refused")
	}
	for i := range sealift.MessagesPerMinute {
		if !send(fmt.Sprintf("2001:db8::%x", i)) {
			t.Fatalf("message %d was refused", i)
		}
	}
	if send("2001:db8::ffff:1") {
		t.Error("a neighbour in the same /64 counts apart")
	}
	if !send("2001:db8:0:1::1") {
		t.Error("another /64 is refused")
	}
	now = now.Add(time.Minute)
	if !send("192.0.2.1") {
		t.Error("refused in the next minute")
	}
}

// TestThrottleIsBounded: addresses without end share one count, so that they
// cost neither memory nor a way around.
func TestThrottleIsBounded(t *testing.T) {
	th := New(sealift.MessagesPerMinute)
	now := time.Unix(1_800_000_000, 0)
	admitted := 0
	for i := range sealift.MaxThrottled + 10*sealift.MessagesPerMinute {
		if _, ok := th.Admit(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), now); ok {
			admitted++
		}
	}
	if len(th.networks.sent) != sealift.MaxThrottled {
		t.Errorf("%d networks are kept", len(th.networks.sent))
	}
	if most := sealift.MaxThrottled + sealift.MessagesPerMinute; admitted > most {
		t.Errorf("%d admitted, at most %d are allowed", admitted, most)
	}
}

func TestCounter(t *testing.T) {
	c := NewCounter[string](2, time.Hour)
	now := time.Unix(1_800_000_000, 0)
	for i, want := range []bool{true, true, false} {
		if _, ok := c.Admit("a", now); ok != want {
			t.Errorf("request %d: %v", i, ok)
		}
	}
	if wait, ok := c.Admit("a", now.Add(59*time.Minute)); ok || wait != time.Minute {
		t.Errorf("within the hour: %v, wait %v", ok, wait)
	}
	if _, ok := c.Admit("b", now); !ok {
		t.Error("another is refused")
	}
	c.Return("a") // one of the two that were admitted
	c.Return("nobody")
	for i, want := range []bool{true, false} {
		if _, ok := c.Admit("a", now); ok != want {
			t.Errorf("request %d after one was given back: %v", i, ok)
		}
	}
	if _, ok := c.Admit("a", now.Add(time.Hour)); !ok {
		t.Error("refused in the next hour")
	}
}
