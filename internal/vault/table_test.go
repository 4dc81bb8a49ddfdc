package vault

import (
	"strings"
	"testing"
)

// cell is one cell of a table drawn as text: a header of columns, then a row a
// line.
type cell struct{ row, column, value string }

func cellsOf(t *testing.T, table string) []cell {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(table), "\n")
	columns := strings.Fields(lines[0])
	var cells []cell
	for _, line := range lines[1:] {
		fields := strings.Fields(line)
		if len(fields) != len(columns)+1 {
			t.Fatalf("row %q does not have %d cells", line, len(columns))
		}
		for i, column := range columns {
			cells = append(cells, cell{fields[0], column, fields[i+1]})
		}
	}
	return cells
}
