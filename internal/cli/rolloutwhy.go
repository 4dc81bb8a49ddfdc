package cli

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/term"
)

// whyText says why a roll-out stands where it does: what was done last and by whom,
// what speaks against the release, what holds it up, and which roll-back waits.
func whyText(r api.Rollout) string {
	var b strings.Builder
	if r.Last != nil {
		b.WriteString(lastText(r))
	}
	if r.Halt != nil {
		fmt.Fprintf(&b, "  halted by: %s\n", evidenceText(*r.Halt))
		fmt.Fprintf(&b, "    the e-value was %s, and %s halts\n", powerText(r.Halt.Weight), powerText(r.Halt.Needed))
	}
	if r.WayBack != "" {
		fmt.Fprintf(&b, "  on that halt: %s\n", term.Clean(r.WayBack))
	}
	if len(r.Evidence) > 0 && r.Known != nil {
		b.WriteString(soFarText(r))
	}
	for _, back := range r.Backs {
		b.WriteString(backText(r, back))
	}
	return b.String()
}

// lastText says who brought it where it is.
func lastText(r api.Rollout) string {
	who := cmp.Or(r.Last.Name, r.Last.Actor.ID, "nobody")
	if r.Last.Actor.Kind == api.LogActorKindSystem {
		who = "the vault"
	}
	text := fmt.Sprintf("  %s by %s, %s (log entry %d)", r.Last.Action, term.Clean(who), toMinute(r.Last.Time), r.Last.Entry)
	if r.Last.Reason != "" {
		text += ":\n    " + term.Clean(r.Last.Reason)
	}
	if r.Phase == api.RolloutPhaseWaiting {
		text += "\n    it waits since its plan says so"
		if r.Last.Warning {
			text = strings.TrimSuffix(text, "since its plan says so") + "since too many devices fail for it to go on by itself"
		}
	}
	return text + "\n"
}

// soFarText is what devices say by now: sums, and each kind of failure that is worth a
// look.
func soFarText(r api.Rollout) string {
	var failed []string
	warned := ""
	for _, e := range r.Evidence {
		if e.Failed > 0 {
			failed = append(failed, fmt.Sprintf("%d %s", e.Failed, e.Kind))
		}
		if e.Warning && r.Halt == nil {
			warned += fmt.Sprintf("  warning: %s\n", evidenceText(e))
			if e.Since != nil {
				warned += fmt.Sprintf("    so since the devices that took it from %s on; people should look\n", toMinute(*e.Since))
			}
		}
	}
	text := fmt.Sprintf("  so far: %d devices count, %d confirmed it, failed: %s\n", r.Evidence[0].Taken, r.Known.Confirmed, cmp.Or(strings.Join(failed, ", "), "none"))
	if r.Capped && r.Known.Cap > 0 {
		text += fmt.Sprintf("  held up by the app's blast radius: of %d devices, at most %d at a time may\n    have been offered it and not have confirmed it\n", r.Known.Fleet, r.Known.Cap)
	}
	return text + warned
}

// evidenceText is what speaks against a release in one kind of failure.
func evidenceText(e api.RolloutEvidence) string {
	text := fmt.Sprintf("%d of %d devices %s: %.1f %%, the limit is %s\n    (99 %% interval: %.1f to %.1f %%)",
		e.Failed, e.Taken, e.Kind, 100*e.Rate, percentText(math.Round(e.Limit*10_000)/100), 100*e.Low, 100*e.High)
	if e.OldTaken > 0 {
		text += fmt.Sprintf("; of the release before it %d of %d in the same hours", e.OldFailed, e.OldTaken)
	}
	return text
}

func powerText(log10 float64) string { return fmt.Sprintf("10^%.2f", log10) }

// backText names a roll-back that waits, and what to do about it.
func backText(r api.Rollout, back api.WaitingRollback) string {
	text := fmt.Sprintf("  roll-back to %s: draft %s waits until %s\n", back.Version, back.Draft, back.Expires.UTC().Format(time.DateOnly))
	for _, m := range back.Missing {
		do := "sealift approval list"
		if m.What == "co-signatures" {
			do = fmt.Sprintf("sealift cosign show %s --app %s", back.Draft, r.App)
		}
		text += fmt.Sprintf("    for %d of %d %s: %s\n", m.Need-m.Have, m.Need, m.What, do)
	}
	return text
}
