package control_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

func TestRollouts(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleReleaseManager)
	next := time.Unix(22, 0).UTC()
	want := api.Rollout{
		App: "com.acme.shop", Channel: "production", Platform: "web", Runtime: "*", Version: "1.4.0", Counter: 17, Release: sealift.Digest{9}.String(),
		Urgent: true, Then: api.RolloutThenRollback, Phase: api.RolloutPhaseRunning, Percent: 1.5, Capped: true, Stage: 1, Since: time.Unix(21, 0).UTC(), Next: &next,
		Stages: []api.RolloutStage{
			{Percent: 1.5, Duration: "1h0m0s", Confirmed: 3, Gate: api.RolloutStageGateApproval}, {Percent: 100, Duration: "0s", Gate: api.RolloutStageGateAutomatic},
		},
		Reissue: "5c1d7a0e", Creator: "alice", Created: time.Unix(23, 0).UTC(), Changed: time.Unix(24, 0).UTC(),
	}
	list, err := c.Rollouts(t.Context(), "com.acme.shop", api.ListRolloutsParams{Channel: "production", All: true})
	check(t, "rollouts", err, list, []api.Rollout{want})
	check(t, "asked", nil, f.services.last(), []any{sealift.AppID("com.acme.shop"), sealift.Channel("production"), sealift.Platform(""), true})
	one, err := c.Rollout(t.Context(), "com.acme.shop", 17)
	told, since := want, time.Unix(27, 0).UTC()
	told.Last = &api.RolloutChange{
		Entry: 7, Time: time.Unix(26, 0).UTC(), Action: "rollout.halt", Actor: api.LogActor{Kind: api.LogActorKindPerson, ID: "p1"}, Name: "ann", Reason: "x", Warning: true,
	}
	told.Halt = &api.RolloutEvidence{
		Kind: "silent", Taken: 20, Failed: 7, Rate: 0.35, Low: 0.1, High: 0.6, OldTaken: 9, OldFailed: 1, Limit: 0.05, Weight: 3.5, Needed: 2.6, Warning: true, Since: &since, Halts: true,
	}
	told.WayBack, told.Evidence, told.Known = "it waits", []api.RolloutEvidence{{Kind: "refused", Taken: 3}}, &api.RolloutKnown{Confirmed: 2, Fleet: 5, Cap: 1}
	told.Backs = []api.WaitingRollback{{Draft: "5c1d7a0e", Version: "1.0.0", Expires: time.Unix(28, 0).UTC(), Missing: []api.Missing{{What: "approvals", Need: 2}}}}
	check(t, "one", err, one, told)
	check(t, "asked", nil, f.services.last(), []any{sealift.AppID("com.acme.shop"), sealift.Counter(17)})
	got, err := c.PauseRollout(t.Context(), "com.acme.shop", 17, "it crashes")
	check(t, "pause", err, got, want)
	check(t, "asked", nil, f.services.last(), []any{caller(access.RoleReleaseManager), sealift.AppID("com.acme.shop"), sealift.Counter(17), "it crashes"})
	got, err = c.WithdrawRelease(t.Context(), "com.acme.shop", 17, "it loses orders")
	check(t, "withdraw", err, got, want)
	check(t, "asked", nil, f.services.last(), []any{caller(access.RoleReleaseManager), sealift.AppID("com.acme.shop"), sealift.Counter(17), "it loses orders"})
	got, err = c.SteerRollout(t.Context(), "com.acme.shop", 17, api.RolloutSteer{Do: "finish", Reason: "it is good"})
	check(t, "steer", err, got, want)
	check(t, "asked", nil, f.services.last(), []any{caller(access.RoleReleaseManager), sealift.AppID("com.acme.shop"), sealift.Counter(17), service.SteerFinish, "it is good"})

	for _, reason := range []string{"", " ", strings.Repeat("x", sealift.MaxReason+1)} {
		_, pauseErr := c.PauseRollout(t.Context(), "com.acme.shop", 17, reason)
		_, steerErr := c.SteerRollout(t.Context(), "com.acme.shop", 17, api.RolloutSteer{Do: "resume", Reason: reason})
		_, withdrawErr := c.WithdrawRelease(t.Context(), "com.acme.shop", 17, reason)
		if sealift.KindOf(pauseErr) != sealift.KindInvalid || sealift.KindOf(withdrawErr) != sealift.KindInvalid || sealift.KindOf(steerErr) != sealift.KindInvalid || f.services.last() != nil {
			t.Errorf("reason %.20q: %v, %v, %v", reason, pauseErr, withdrawErr, steerErr)
		}
	}
	if _, err := c.PauseRollout(t.Context(), "com.acme.shop", 0, "x"); sealift.KindOf(err) != sealift.KindInvalid || f.services.last() != nil {
		t.Errorf("counter 0: %v", err)
	}
	if _, err := c.Rollouts(t.Context(), "com.acme.shop", api.ListRolloutsParams{Channel: "not a channel"}); sealift.KindOf(err) != sealift.KindInvalid || f.services.last() != nil {
		t.Errorf("a bad channel: %v", err)
	}
}
