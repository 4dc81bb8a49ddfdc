package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/term"
)

type statsCmd struct {
	App      string     `required:"" placeholder:"ID" help:"The app."`
	Channel  string     `placeholder:"NAME" help:"Only of this channel."`
	Platform string     `placeholder:"P" help:"Only for this platform."`
	Version  string     `placeholder:"VERSION" help:"Only of this version."`
	Since    string     `placeholder:"TIME" help:"Only what devices took from then on: 2026-03-01, 2026-03-01T12:00:00Z, or a duration before now, such as 24h. Default: 14 days."`
	Limit    int        `default:"10" placeholder:"N" help:"How many releases, newest first, up to 20."`
	API      APIOptions `embed:""`
}

// Run implements the command.
func (c *statsCmd) Run(ctx context.Context, std *IO) error { return runStats(ctx, std, *c) }

func runStats(ctx context.Context, std *IO, opts statsCmd) error {
	if opts.Limit < 1 || opts.Limit > sealift.MaxStatsReleases {
		return usage("--limit %d: 1 to %d are allowed", opts.Limit, sealift.MaxStatsReleases)
	}
	filter := api.GetStatsParams{Channel: opts.Channel, Platform: opts.Platform, Version: opts.Version, Limit: opts.Limit}
	var err error
	if filter.Since, err = parseMoment("--since", opts.Since, std.Now()); err != nil {
		return err
	}
	c, app, err := opts.API.forApp(std, opts.App)
	if err != nil {
		return err
	}
	s, err := c.Stats(ctx, app, filter)
	if err != nil {
		return err
	}
	if s.Unknown > 0 {
		std.Note("%d steps name a release that %s does not have", s.Unknown, app)
	}
	return std.Print(s, func(w io.Writer) error { return showStats(w, s, std.Now()) })
}

func showStats(w io.Writer, s api.Stats, now time.Time) error {
	var rows, why [][]string
	unvouched := 0
	for _, r := range s.Releases {
		waiting := r.Counts.Taken - r.Counts.Confirmed - failedOf(r.Counts)
		rows = append(rows, []string{
			r.Version, strconv.FormatUint(r.Counter, 10), r.Channel, r.Platform, strconv.Itoa(r.Counts.Taken), strconv.Itoa(r.Counts.Confirmed),
			strconv.Itoa(failedOf(r.Counts)), strconv.Itoa(waiting), successText(r.Success),
		})
		unvouched += r.Unvouched.Taken
		for _, f := range r.Failures {
			cause := f.Kind
			if f.Reason != "" {
				cause += ": " + f.Reason
			}
			why = append(why, []string{r.Version, strconv.FormatUint(r.Counter, 10), string(f.Outcome), cause, strconv.Itoa(f.Devices), strconv.Itoa(f.Unvouched)})
		}
	}
	if err := term.Table(w, []string{"VERSION", "COUNTER", "CHANNEL", "PLATFORM", "TAKEN", "CONFIRMED", "FAILED", "WAITING", "SUCCESS (99 %)"}, rows); err != nil {
		return err
	}
	if unvouched > 0 {
		fmt.Fprintf(w, "\n%d more devices took them that are no evidence: nobody vouches for them,\nbeyond what counts of one network and hour, or they were revoked since.\n", unvouched)
	}
	if err := showFetched(w, s.Releases); err != nil {
		return err
	}
	if len(why) > 0 {
		fmt.Fprintln(w)
		if err := term.Table(w, []string{"VERSION", "COUNTER", "FAILED", "WHY", "DEVICES", "UNVOUCHED"}, why); err != nil {
			return err
		}
	}
	if len(s.Releases) > 0 && len(s.Releases[0].Course) > 0 {
		r := s.Releases[0]
		fmt.Fprintf(w, "\n%s (%s/%s), devices that took it ('.') and confirmed ('#') since %s:\n%s", r.Version, r.Channel, r.Platform, toMinute(s.Since), courseChart(r.Course, s.Since, now))
	}
	d := s.Devices
	fmt.Fprintf(w, "\n%d active devices: %d seen in the last day, %d in the last week, %d silent for longer.\n", d.Active, d.Day, d.Week, d.Active-d.Week)
	if len(d.Versions) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	var versions [][]string
	for _, v := range d.Versions {
		share := "-"
		if d.Active > 0 {
			share = fmt.Sprintf("%.1f %%", 100*float64(v.Devices)/float64(d.Active))
		}
		versions = append(versions, []string{v.Version, strconv.FormatUint(v.Counter, 10), strconv.FormatInt(v.Devices, 10), share})
	}
	if err := term.Table(w, []string{"INSTALLED", "COUNTER", "DEVICES", "SHARE"}, versions); err != nil {
		return err
	}
	return showHistory(w, s.History)
}

func failedOf(c api.OutcomeCounts) int { return c.Refused + c.NotStored + c.RolledBack }

func successText(s *api.SuccessRate) string {
	if s == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f %% (%.1f to %.1f)", 100*s.Rate, 100*s.Low, 100*s.High)
}

// The size of a chart of adoption in characters.
const (
	courseRows    = 8
	courseColumns = 60
)

// courseChart draws how many devices had taken a release by when, and of those how
// many confirmed it.
func courseChart(course []api.CoursePoint, since, now time.Time) string {
	taken, confirmed := make([]int, courseColumns), make([]int, courseColumns)
	whole := max(now.Sub(since), time.Hour)
	for _, p := range course {
		column := int(int64(courseColumns) * max(p.From.Sub(since), 0).Milliseconds() / whole.Milliseconds())
		column = min(column, courseColumns-1)
		taken[column] += p.Counts.Taken
		confirmed[column] += p.Counts.Confirmed
	}
	for i := 1; i < courseColumns; i++ {
		taken[i] += taken[i-1]
		confirmed[i] += confirmed[i-1]
	}
	most := max(taken[courseColumns-1], 1)
	var b strings.Builder
	for row := courseRows; row > 0; row-- {
		label := ""
		if row == courseRows {
			label = strconv.Itoa(most)
		}
		var line []byte
		for i := range taken {
			at := func(n int) bool { return n*2*courseRows >= (row*2-1)*most }
			switch {
			case at(confirmed[i]):
				line = append(line, '#')
			case at(taken[i]):
				line = append(line, '.')
			default:
				line = append(line, ' ')
			}
		}
		fmt.Fprintf(&b, "%8s |%s\n", label, strings.TrimRight(string(line), " "))
	}
	fmt.Fprintf(&b, "%8s +%s\n", "", strings.Repeat("-", courseColumns))
	return b.String()
}
