package release

import (
	"context"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
)

// Plan implements service.Plans.
func (s *Service) Plan(ctx context.Context, app sealift.AppID, channel sealift.Channel) (service.ChannelPlan, error) {
	return view(ctx, s.store, func(tx store.Tx) (service.ChannelPlan, error) {
		if _, err := s.findChannel(ctx, tx, app, channel); err != nil {
			return service.ChannelPlan{}, err
		}
		return s.channelPlan(ctx, tx, app, channel)
	})
}

// SetPlan implements service.Plans.
func (s *Service) SetPlan(ctx context.Context, by access.Caller, app sealift.AppID, channel sealift.Channel, plan *rollout.Plan) (service.ChannelPlan, error) {
	now := s.now().UTC()
	row := store.ChannelPlan{App: app, Channel: channel, Creator: by.ID, Changed: now}
	subject, action, details := string(app)+"/"+string(channel), "rollout.plan-clear", map[string]string{}
	if plan != nil {
		var err error
		if row.Plan, err = plan.Encode(); err != nil {
			return service.ChannelPlan{}, err
		}
		action, details["plan"], details["plan-sha256"] = "rollout.plan-set", plan.String(), sealift.DigestOf(row.Plan).String()
	}
	err := s.vault.Update(ctx, func(tx *vault.Tx) (err error) {
		if _, err := s.findChannel(ctx, tx, app, channel); err != nil {
			return err
		}
		if _, err := s.channelPlan(ctx, tx, app, channel); err != nil { // nobody's forgery is written over unseen
			return err
		}
		if row.MAC, err = tx.Authenticate(row); err != nil {
			return err
		}
		if err := tx.PutChannelPlan(ctx, row); err != nil {
			return err
		}
		details[vault.RowDetail] = vault.RowTag(row.MAC)
		return record(ctx, tx, now, by, action, subject, details)
	})
	if err != nil {
		return service.ChannelPlan{}, s.refuse(ctx, by, action, subject, details, err)
	}
	return service.ChannelPlan{App: app, Channel: channel, Plan: plan, Creator: row.Creator, Changed: row.Changed}, nil
}

// channelPlan returns the plan of a channel, which the vault wrote, or none, which
// is not for want of a row that somebody deleted.
func (s *Service) channelPlan(ctx context.Context, tx store.Tx, app sealift.AppID, channel sealift.Channel) (service.ChannelPlan, error) {
	out := service.ChannelPlan{App: app, Channel: channel}
	row, err := tx.ChannelPlan(ctx, app, channel)
	row, found, err := vault.CheckFound(ctx, s.vault, tx, store.ChannelPlan{App: app, Channel: channel}, row, err)
	if err != nil || !found {
		return out, err
	}
	out.Creator, out.Changed = row.Creator, row.Changed
	out.Plan, err = planIn(row.Plan)
	return out, err
}

// planIn reads the plan that a row holds; nil for none.
func planIn(text []byte) (*rollout.Plan, error) {
	if len(text) == 0 {
		return nil, nil
	}
	plan, err := rollout.ParsePlan(text)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, "reading the plan in the database", "%w", err)
	}
	return &plan, nil
}

// planOf returns with which plan the roll-out of a submitted draft begins: its own,
// or else the channel's. What is urgent, and what takes devices back from what is
// bad, is for everybody at once, whatever the channel's plan.
func (s *Service) planOf(ctx context.Context, tx store.Tx, d store.Draft, c candidate) ([]byte, error) {
	plan := rollout.AtOnce()
	switch {
	case len(d.Plan) > 0 && c.release.Urgent == nil:
		return d.Plan, nil
	case c.release.Urgent != nil || d.Act == sealift.ActRollback:
		return plan.Encode()
	}
	of, err := s.channelPlan(ctx, tx, d.App, d.Channel)
	if err != nil {
		return nil, err
	}
	if of.Plan != nil {
		plan = *of.Plan
	}
	return plan.Encode()
}

// checkUrgent refuses what is urgent and would wait all the same, or does not say why
// it must not. Nobody submits what the vault makes of a release that was published
// before a reason was asked for.
func checkUrgent(d store.Draft, urgent *trust.Urgent) error {
	switch {
	case urgent == nil:
		return nil
	case strings.TrimSpace(urgent.Reason) == "":
		return sealift.Errorf(sealift.KindInvalid, submitOp, "an urgent release says why it is urgent, and this one does not").WithReason("reason").
			WithHint("approvers read it: sealift publish DIR --app %s --channel %s --version %s --urgent --reason TEXT", d.App, d.Channel, d.Version)
	case len(d.Plan) > 0:
		return sealift.Errorf(sealift.KindInvalid, submitOp, "an urgent release is for everybody at once, and has no plan").WithReason("plan").
			WithHint("leave the plan out, or publish it as one that is not urgent")
	case d.Hold:
		return sealift.Errorf(sealift.KindInvalid, submitOp, "an urgent release is for everybody at once, and its roll-out does not begin held").WithReason("hold").
			WithHint("publish it with --hold alone, or with --urgent alone")
	}
	return nil
}
