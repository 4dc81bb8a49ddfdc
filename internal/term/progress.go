package term

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Unit is what a Progress counts.
type Unit int

// The units of a Progress.
const (
	InBytes Unit = iota // shown as "12 MiB", with a rate
	InItems             // shown as a plain number
)

const (
	redrawEvery = 100 * time.Millisecond // often enough to look alive, rare enough to cost nothing
	showAfter   = 300 * time.Millisecond // work shorter than this shows no bar at all
	barWidth    = 24                     // cells between the brackets
	narrow      = 60                     // columns under which the brackets are left out
)

// Progress is a bar for long work, drawn on one line of a terminal and wiped
// when the work ends. It has no goroutine: it draws when Add is called, so it
// shows what really moves, and dropping it leaks nothing. On a stream that is
// no terminal it does nothing. All methods may be called at any time, from any
// goroutine, and on a nil *Progress.
type Progress struct {
	mu    sync.Mutex
	w     io.Writer
	now   func() time.Time
	label string
	unit  Unit
	total int64 // 0 where it is not known
	done  int64
	base  int64 // done at start: what an earlier try had, which says nothing of the rate
	start time.Time
	drawn time.Time // zero until the first drawing
	over  bool
}

// NewProgress returns a Progress over total bytes or items (0: not known) that
// draws on w. It draws nothing where w is no terminal.
func NewProgress(w io.Writer, now func() time.Time, label string, total int64, unit Unit) *Progress {
	if !IsTerminal(w) {
		return nil
	}
	return &Progress{w: w, now: now, label: Clean(label), total: total, unit: unit, start: now()}
}

// Add says that n more bytes or items are done.
func (p *Progress) Add(n int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	p.redraw()
}

// Restart says that done bytes or items are there already: for work that
// resumes, or begins again. The rate is measured from here.
func (p *Progress) Restart(done int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.base, p.start = done, done, p.now()
}

// SetTotal says how many bytes or items there are, once it is known.
func (p *Progress) SetTotal(total int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total = total
}

// Finish wipes the bar. It is right after success and after failure, early and
// twice; nothing is drawn after it.
func (p *Progress) Finish() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over && !p.drawn.IsZero() {
		_, _ = io.WriteString(p.w, "\r\x1b[K")
	}
	p.over = true
}

func (p *Progress) redraw() {
	now := p.now()
	if p.over || now.Sub(p.start) < showAfter || now.Sub(p.drawn) < redrawEvery {
		return
	}
	p.drawn = now
	// The last column stays free: writing it would wrap on some terminals.
	line := fit(p.line(now.Sub(p.start), width(p.w)), width(p.w)-1)
	// A bar that cannot be drawn is no reason to stop the work.
	_, _ = io.WriteString(p.w, "\r"+line+"\x1b[K")
}

// line returns the text of the bar after elapsed:
//
//	sealing [##########--------------]  42%  12 MiB of 29 MiB  8.1 MiB/s  2s left
func (p *Progress) line(elapsed time.Duration, columns int) string {
	var parts []string
	parts = append(parts, p.label)
	if p.total > 0 {
		share := min(max(float64(p.done)/float64(p.total), 0), 1)
		percent := fmt.Sprintf("%3.0f%%", share*100)
		if columns >= narrow {
			full := int(share * barWidth)
			percent = "[" + strings.Repeat("#", full) + strings.Repeat("-", barWidth-full) + "] " + percent
		}
		parts = append(parts, percent, p.amount(p.done)+" of "+p.amount(p.total))
	} else {
		parts = append(parts, p.amount(p.done))
	}
	rate := float64(p.done-p.base) / elapsed.Seconds()
	if p.unit == InBytes {
		parts = append(parts, Bytes(int64(rate))+"/s")
	}
	if left := p.total - p.done; left > 0 && rate > 0 {
		seconds := float64(left) / rate
		if seconds < 24*3600 { // a guess of days says nothing
			parts = append(parts, (time.Duration(seconds+0.5)*time.Second).String()+" left")
		}
	}
	return strings.Join(parts, "  ")
}

func (p *Progress) amount(n int64) string {
	if p.unit == InBytes {
		return Bytes(n)
	}
	return fmt.Sprint(n)
}

// fit cuts line to columns characters.
func fit(line string, columns int) string {
	if utf8.RuneCountInString(line) <= columns {
		return line
	}
	return string([]rune(line)[:max(columns, 0)])
}
