package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/simulate"
	"github.com/sealift/sealift/internal/term"
	"github.com/sealift/sealift/rollout"
)

type simulateCmd struct {
	Devices     int           `default:"20000" placeholder:"N" help:"Devices in the fleet, at most 100000. Default: 20000."`
	FailureRate float64       `default:"0" placeholder:"P" help:"Part of the devices on which the release fails, 0 to 1. Default: 0."`
	Failure     string        `default:"rolled-back" placeholder:"KIND" help:"How it fails: refused, not-stored, rolled-back or silent. Default: rolled-back."`
	Offline     float64       `default:"0.01" placeholder:"P" help:"Part of the other devices that are switched off right after they took it. Default: 0.01."`
	Plan        string        `placeholder:"FILE" help:"The plan, as JSON. Default: 1, 10, 50 and 100 percent, a day each."`
	Cap         int           `default:"0" placeholder:"N" help:"At most so many devices may have been offered the release and not confirmed it. Default: no cap."`
	Check       time.Duration `default:"1h" placeholder:"DURATION" help:"Mean time between two checks of a device. Default: 1h."`
	Report      time.Duration `default:"10m" placeholder:"DURATION" help:"Mean time from taking the release to saying how it went. Default: 10m."`
	Look        int           `default:"10" placeholder:"N" help:"Look after every N devices that said how it went. Default: 10."`
	Runs        int           `default:"1" placeholder:"N" help:"Play it so often, each time with other chances, at most 10000. Default: 1."`
	Seed        uint64        `default:"1" placeholder:"N" help:"What chance follows from. The same seed gives the same result. Default: 1."`
}

// Run implements the command.
func (c *simulateCmd) Run(ctx context.Context, std *IO) error { return runSimulate(ctx, std, *c) }

func runSimulate(ctx context.Context, std *IO, opts simulateCmd) error {
	if opts.Runs < 1 || opts.Runs > sealift.MaxSimulations {
		return usage("%d runs, 1 to %d are allowed", opts.Runs, sealift.MaxSimulations)
	}
	plan, err := opts.plan()
	if err != nil {
		return err
	}
	if first := plan.Stages[0]; len(plan.Stages) > 1 && first.Duration <= plan.Halt.Silence {
		std.Warn("the first stage ends after %s, before anybody counts as silent, which is after %s", time.Duration(first.Duration), time.Duration(plan.Halt.Silence))
	}
	model := simulate.Model{
		Devices: opts.Devices, Plan: plan, FailureRate: opts.FailureRate, Failure: rollout.Failure(opts.Failure), Offline: opts.Offline,
		Check: opts.Check, Report: opts.Report, Look: opts.Look, Cap: opts.Cap, Seed: opts.Seed,
	}
	progress := std.Progress("simulating", int64(opts.Runs), term.InItems)
	defer progress.Finish()
	summary, err := simulate.Many(ctx, model, opts.Runs, func() { progress.Add(1) })
	if sealift.ReasonOf(err) == simulate.ReasonModel {
		return usage("%w", err) // with where the numbers are said
	}
	if err != nil {
		return err
	}
	progress.Finish()
	return std.Print(summary, func(w io.Writer) error { return showSimulation(w, model, summary) })
}

func (c *simulateCmd) plan() (rollout.Plan, error) {
	if c.Plan == "" {
		return rollout.DefaultPlan(), nil
	}
	return readPlan(c.Plan, "--plan FILE")
}

// readPlan reads the plan in a file, which an option named.
func readPlan(file, option string) (rollout.Plan, error) {
	data, err := readBounded(file, "the plan", sealift.MaxPlan, "name a file with a plan as JSON: "+option)
	if err != nil {
		return rollout.Plan{}, err
	}
	return rollout.ParsePlan(data)
}

func showSimulation(w io.Writer, m simulate.Model, s simulate.Summary) error {
	r := s.First
	var rows [][]string
	for i, stage := range m.Plan.Stages {
		if p, ok := lastOf(r.Course, i); ok {
			rows = append(rows, []string{strconv.Itoa(i + 1), stage.Share.String() + " %", strconv.Itoa(p.Taken), strconv.Itoa(p.Confirmed), strconv.Itoa(p.Failed), simulate.Hours(p.At)})
		}
	}
	if err := term.Table(w, []string{"STAGE", "SHARE", "TAKEN", "CONFIRMED", "FAILED", "UNTIL"}, rows); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%s\n%s after %s: %d of %d devices took it, it fails on %d of them.\n", simulate.Chart(r.Course, m.Devices), phaseWord(r.Phase), simulate.Hours(r.Took), r.Exposed, m.Devices, r.Broken)
	if r.Why != "" {
		fmt.Fprintf(w, "It halted since %s.\n", r.Why)
	}
	if s.Runs > 1 {
		var ends []string
		for _, phase := range []rollout.Phase{rollout.Finished, rollout.Halted, rollout.Waiting, rollout.Running} {
			if n := s.Phases[phase]; n > 0 {
				ends = append(ends, fmt.Sprintf("%d %s", n, phase))
			}
		}
		fmt.Fprintf(w, "\nOf %d runs: %s. Devices that took it: %d (median), %d (9 of 10 runs at most), %d (most).\n",
			s.Runs, strings.Join(ends, ", "), s.Exposed.Median, s.Exposed.P90, s.Exposed.Most)
		if h := s.HaltedAt; h != nil {
			fmt.Fprintf(w, "Time to halt: %s (median), %s (most).\n", simulate.Hours(time.Duration(h.Median)*time.Second), simulate.Hours(time.Duration(h.Most)*time.Second))
		}
	}
	return nil
}

// lastOf returns the last point of a stage.
func lastOf(course []simulate.Point, stage int) (last simulate.Point, ok bool) {
	for _, p := range course {
		if p.Stage == stage {
			last, ok = p, true
		}
	}
	return last, ok
}

func phaseWord(p rollout.Phase) string {
	switch p {
	case rollout.Finished:
		return "Finished"
	case rollout.Halted:
		return "Halted"
	case rollout.Waiting:
		return "Waiting for a person, who was warned,"
	}
	return "Still in stage, since too few devices confirmed,"
}
