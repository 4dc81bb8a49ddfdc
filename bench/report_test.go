package bench

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
)

// report is what docs/benchmarks.md says between its marks.
type report struct {
	machine  string
	sections []*section
}

// section is one table.
type section struct {
	title string
	notes []string
	rows  []row
}

// row is one figure. One without a limit is reported and judged by nobody.
type row struct {
	what  string
	unit  string // "×", "MiB", "ms"; empty for a number
	value float64
	limit float64 // the most that meets the target; 0 is none
	floor bool    // limit is the least that does
	note  string
}

func (r *report) section(title string) *section {
	s := &section{title: title}
	r.sections = append(r.sections, s)
	return s
}

// add enters a figure that only is reported.
func (s *section) add(what string, value float64, unit, note string) {
	s.rows = append(s.rows, row{what: what, unit: unit, value: value, note: note})
}

// target enters a figure that must not exceed limit.
func (s *section) target(what string, value, limit float64, unit, note string) {
	s.rows = append(s.rows, row{what: what, unit: unit, value: value, limit: limit, note: note})
}

// atLeast enters a figure that must not fall under limit.
func (s *section) atLeast(what string, value, limit float64, unit, note string) {
	s.rows = append(s.rows, row{what: what, unit: unit, value: value, limit: limit, floor: true, note: note})
}

func (s *section) remark(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

var heads = []string{"Figure", "Target", "Measured", "", "Notes"}

func (w row) cells() []string {
	target, verdict := "reported", ""
	if w.limit > 0 {
		sign, missed := "≤ ", w.value > w.limit
		if w.floor {
			sign, missed = "≥ ", w.value < w.limit
		}
		target, verdict = sign+amount(w.limit, w.unit), "met"
		if missed {
			verdict = "MISSED"
		}
	}
	return []string{w.what, target, amount(w.value, w.unit), verdict, w.note}
}

// amount writes three digits that matter.
func amount(v float64, unit string) string {
	format := "%.0f"
	switch {
	case v == float64(int64(v)):
	case v < 10:
		format = "%.2f"
	case v < 100:
		format = "%.1f"
	}
	return strings.TrimSpace(fmt.Sprintf(format+" %s", v, unit))
}

// text is the report for a terminal.
func (r *report) text() string {
	var b strings.Builder
	fmt.Fprintln(&b, r.machine)
	for _, s := range r.sections {
		fmt.Fprintf(&b, "\n%s\n", s.title)
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, row := range s.rows {
			fmt.Fprintln(w, "  "+strings.Join(row.cells(), "\t"))
		}
		_ = w.Flush() // a strings.Builder takes everything
		for _, note := range s.notes {
			fmt.Fprintln(&b, "  "+note)
		}
	}
	return b.String()
}

func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Machine: %s.\n", r.machine)
	for _, s := range r.sections {
		fmt.Fprintf(&b, "\n### %s\n\n| %s |\n|---|---|---|---|---|\n", s.title, strings.Join(heads, " | "))
		for _, row := range s.rows {
			fmt.Fprintf(&b, "| %s |\n", strings.Join(row.cells(), " | "))
		}
		for _, note := range s.notes {
			fmt.Fprintf(&b, "\n%s\n", note)
		}
	}
	return b.String()
}

const (
	markBegin = "<!-- figures: begin (make bench writes from here) -->"
	markEnd   = "<!-- figures: end -->"
)

// enter returns the document with the report in the place of the one before.
func (r *report) enter(document []byte) ([]byte, error) {
	before, rest, ok := bytes.Cut(document, []byte(markBegin))
	_, after, closed := bytes.Cut(rest, []byte(markEnd))
	if !ok || !closed {
		return nil, errors.New("the document has no place for figures: " + markBegin + " … " + markEnd)
	}
	return slices.Concat(before, []byte(markBegin+"\n\n"+r.markdown()+"\n"+markEnd), after), nil
}

func TestReport(t *testing.T) {
	r := &report{machine: "2 cores"}
	s := r.section("Bundle")
	s.target("publish", 2.5, 3, "×", "")
	s.target("memory", 70.25, 64, "MiB", "of all")
	s.add("rate", 1234.5, "", "")
	s.remark("Said below.")
	got, err := r.enter([]byte("before\n" + markBegin + "\nold\n" + markEnd + "\nafter\n"))
	check(t, err)
	const want = "before\n" + markBegin + `

Machine: 2 cores.

### Bundle

| Figure | Target | Measured |  | Notes |
|---|---|---|---|---|
| publish | ≤ 3 × | 2.50 × | met |  |
| memory | ≤ 64 MiB | 70.2 MiB | MISSED | of all |
| rate | reported | 1234 |  |  |

Said below.

` + markEnd + "\nafter\n"
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if _, err := r.enter([]byte("nothing")); err == nil {
		t.Error("a document without marks is taken")
	}
	if text := r.text(); !strings.Contains(text, "MISSED") {
		t.Errorf("nothing is missed in\n%s", text)
	}
}
