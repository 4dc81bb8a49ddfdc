package term

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Table writes rows under header, in columns two spaces apart. Cells are
// cleaned, since names in them come from elsewhere; an empty cell shows as "-".
// A header without rows is written alone.
func Table(w io.Writer, header []string, rows [][]string) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			if cell == "" {
				cell = "-"
			}
			cells[i] = Clean(cell)
		}
		if _, err := fmt.Fprintln(tw, strings.Join(cells, "\t")); err != nil {
			return err
		}
	}
	return tw.Flush()
}

// Bytes returns n as people read it, in binary units with three digits or so:
// "812 B", "4.0 KiB", "37 MiB".
func Bytes(n int64) string {
	if n > -1024 && n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), 0
	for value >= 1023.5 || value <= -1023.5 {
		value /= 1024
		unit++
	}
	if value < 9.95 && value > -9.95 {
		return fmt.Sprintf("%.1f %ciB", value, " KMGTPE"[unit])
	}
	return fmt.Sprintf("%.0f %ciB", value, " KMGTPE"[unit])
}
