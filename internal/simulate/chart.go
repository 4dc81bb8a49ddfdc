package simulate

import (
	"fmt"
	"strings"
	"time"
)

// The size of a chart in characters.
const (
	chartRows    = 10
	chartColumns = 60
)

// Chart draws a course for a terminal: time to the right, up the devices of a
// fleet that took the release ('.') and confirmed it ('#'). Below stands the
// stage, from 1.
func Chart(course []Point, devices int) string {
	if len(course) == 0 {
		return ""
	}
	end := course[len(course)-1].At
	most := 1
	for _, p := range course {
		most = max(most, p.Taken)
	}
	columns := make([]Point, chartColumns)
	next := 0
	for c := range columns {
		for next+1 < len(course) && course[next+1].At <= end*time.Duration(c+1)/chartColumns {
			next++
		}
		columns[c] = course[next]
	}
	var b strings.Builder
	for row := chartRows; row > 0; row-- {
		label := ""
		if row == chartRows || row == chartRows/2 {
			label = fmt.Sprintf("%.3g %%", 100*float64(most)*float64(row)/chartRows/float64(devices))
		}
		fmt.Fprintf(&b, "%8s |", label)
		var line []byte
		for _, p := range columns {
			line = append(line, mark(p, row, most))
		}
		b.WriteString(strings.TrimRight(string(line), " "))
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%8s +%s\n%8s  ", "", strings.Repeat("-", chartColumns), "stage")
	for _, p := range columns {
		b.WriteByte("123456789abcdefghijklmnopqrstuvwxyz"[min(p.Stage, 34)])
	}
	fmt.Fprintf(&b, "\n%8s  0%*s\n", "", chartColumns-1, Hours(end))
	return b.String()
}

func mark(p Point, row, most int) byte {
	line := (row*2 - 1) * most // in halves of a row
	switch {
	case p.Confirmed*2*chartRows >= line:
		return '#'
	case p.Taken*2*chartRows >= line:
		return '.'
	}
	return ' '
}

// Hours writes a duration as people say it: "47 min", "26.5 h", "4.2 d".
func Hours(d time.Duration) string {
	switch {
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 72*time.Hour:
		return fmt.Sprintf("%.3g h", d.Hours())
	}
	return fmt.Sprintf("%.3g d", d.Hours()/24)
}
