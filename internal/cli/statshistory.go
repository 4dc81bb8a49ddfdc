package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/term"
)

// showFetched says of releases that devices took as patches what that saved.
func showFetched(w io.Writer, releases []api.ReleaseStats) error {
	var rows [][]string
	for _, r := range releases {
		if f := r.Fetched; f.Patched > 0 {
			share := fmt.Sprintf("%.1f %%", 100*float64(f.Patched)/float64(f.Patched+f.Whole))
			rows = append(rows, []string{r.Version, strconv.FormatUint(r.Counter, 10), strconv.FormatInt(f.Patched, 10), strconv.FormatInt(f.Whole, 10), share, term.Bytes(f.Saved)})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	return term.Table(w, []string{"VERSION", "COUNTER", "BY PATCH", "WHOLE", "PATCHED", "SAVED"}, rows)
}

// What showHistory shows at most.
const (
	historyRows     = 12
	historyVersions = 5
)

// showHistory draws which versions devices ran when: the newest that any ran, each a
// column, at most historyRows moments apart evenly.
func showHistory(w io.Writer, history []api.HistoryPoint) error {
	if len(history) < 2 || len(history) == 2 && slices.Equal(history[0].Versions, history[1].Versions) {
		return nil // from then until now nothing changed
	}
	var columns []api.VersionCount
	seen := map[uint64]bool{}
	for i := len(history) - 1; i >= 0; i-- {
		for _, v := range history[i].Versions {
			if !seen[v.Counter] && len(columns) < historyVersions {
				seen[v.Counter] = true
				columns = append(columns, v)
			}
		}
	}
	header := []string{"RAN"}
	for _, v := range columns {
		header = append(header, fmt.Sprintf("%s (%d)", v.Version, v.Counter))
	}
	var rows [][]string
	for i := range min(historyRows, len(history)) {
		p := history[i*(len(history)-1)/(min(historyRows, len(history))-1)]
		row := []string{toMinute(p.At)}
		for _, v := range columns {
			row = append(row, strconv.FormatInt(devicesOf(p, v.Counter), 10))
		}
		rows = append(rows, row)
	}
	fmt.Fprintln(w)
	return term.Table(w, header, rows)
}

func devicesOf(p api.HistoryPoint, counter uint64) int64 {
	for _, v := range p.Versions {
		if v.Counter == counter {
			return v.Devices
		}
	}
	return 0
}
