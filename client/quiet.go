package client

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// QuietHours is a span of the day, by the clock on the wall, in minutes after
// midnight: from From, before To. With To not after From it goes over midnight,
// and with both the same it is empty.
type QuietHours struct{ From, To int }

const (
	day     = 24 * 60 // minutes
	quietOp = "reading the quiet hours"
)

// ParseQuietHours reads a span such as 08:00-20:00, or 22:00-06:00 over midnight.
// Hours go from 00:00 to 24:00; what has no minute is KindInvalid.
func ParseQuietHours(s string) (QuietHours, error) {
	from, to, ok := strings.Cut(s, "-")
	a, fromErr := minuteOf(from)
	b, toErr := minuteOf(to)
	if !ok || fromErr != nil || toErr != nil || a == day || a == b {
		return QuietHours{}, sealift.Errorf(sealift.KindInvalid, quietOp, "%.40q is no span of the day", s).WithReason("quiet-hours").
			WithHint("write it as 08:00-20:00, or 22:00-06:00 over midnight")
	}
	return QuietHours{a, b}, nil
}

// minuteOf reads a time of the day with two digits for each part.
func minuteOf(s string) (int, error) {
	h, m, _ := strings.Cut(s, ":")
	hour, hourErr := strconv.ParseUint(h, 10, 8)
	minute, minuteErr := strconv.ParseUint(m, 10, 8)
	at := int(hour)*60 + int(minute)
	if hourErr != nil || minuteErr != nil || len(h) != 2 || len(m) != 2 || minute > 59 || at > day {
		return 0, errors.New("no time of the day")
	}
	return at, nil
}

// String returns the span as ParseQuietHours reads it.
func (q QuietHours) String() string {
	return fmt.Sprintf("%02d:%02d-%02d:%02d", q.From/60, q.From%60, q.To/60, q.To%60)
}

// covers reports whether a minute of the day is quiet.
func (q QuietHours) covers(minute int) bool {
	if q.From > q.To {
		return minute >= q.From || minute < q.To
	}
	return minute >= q.From && minute < q.To
}

// checkQuiet refuses what is no span, and spans that leave no minute to install
// anything in.
func checkQuiet(all []QuietHours) error {
	for _, q := range all {
		if q.From < 0 || q.From >= day || q.To < 0 || q.To > day {
			return sealift.Errorf(sealift.KindInvalid, quietOp, "%s is no span of the day", q).WithReason("quiet-hours")
		}
	}
	for minute := range day {
		if !quietAt(all, minute) {
			return nil
		}
	}
	return sealift.Errorf(sealift.KindInvalid, quietOp, "they cover the whole day: nothing would ever be installed").WithReason("quiet-hours").
		WithHint("leave a while in which this device may change")
}

func quietAt(all []QuietHours, minute int) bool {
	for _, q := range all {
		if q.covers(minute) {
			return true
		}
	}
	return false
}

// quietUntil returns when it is quiet no longer, or zero if it is not quiet now.
// It reads the clock on the wall for each minute until then, so that an hour that
// a day does not have, or has twice, needs no rule.
func quietUntil(all []QuietHours, now time.Time) time.Time {
	at := now.Truncate(time.Minute)
	for quietAt(all, at.Hour()*60+at.Minute()) {
		at = at.Add(time.Minute)
	}
	if !at.After(now) {
		return time.Time{}
	}
	return at
}

// errQuiet ends an install that came into quiet hours.
var errQuiet = errors.New("quiet hours have begun")

// quietFor returns until when p waits for the end of quiet hours; zero if it does
// not: it is urgent, or it replaces nothing that anybody uses.
func (d *Device) quietFor(s *state, p *plan) time.Time {
	if p.verified.Release.Urgent != nil || s.Installed == nil || !d.whole(s) {
		return time.Time{}
	}
	return quietUntil(d.cfg.Quiet, d.cfg.Host.Now())
}

// urgentBeside returns an urgent candidate that this device may take beside the
// one that waits, such as a hotfix beside a canary; or the one that waits. s is a
// copy. What is wrong with another candidate is no matter as long as one waits.
func (d *Device) urgentBeside(ctx context.Context, s state, rules *trust.Rules, offer *trust.Offer, waits *plan) *plan {
	for p := waits; ; {
		s.passOver(p.verified.Digest)
		var about trust.ReportStep
		other, err := d.next(ctx, &s, rules, offer, &about)
		if err != nil || other == nil {
			return waits
		}
		if p = other; p.verified.Release.Urgent != nil {
			return p
		}
	}
}
