package release

import (
	"context"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// ReasonStandby is the reason of a KindConflict error: there is no standby that
// devices know.
const ReasonStandby = "standby"

// Vouched says which public keys devices know by the newest signed documents: by
// the SHA-256 of their SubjectPublicKeyInfo, "root 3" or "targets 2", which
// covers trust.json. Before the first ceremony it is empty.
func (s *Service) Vouched(ctx context.Context, tx store.DocumentTx) (map[sealift.Digest]string, error) {
	return vouchedFor(ctx, tx)
}

// Replace puts the next version of one of the vault's own keys in the place of
// the one in use, which becomes to, Deactivated or Compromised, and signs anew
// what the change asks for. Of a key that devices must know beforehand the next
// version is a standby that people vouched for: devices accept it at once. A new
// standby is made, to be vouched for in the next ceremony.
//
// Of an epoch key it is a new epoch of its channel: publishers seal to that from
// now on, and the one before still opens what was sealed to it.
//
// KindConflict with ReasonStandby where devices know no standby; the hint names
// the ceremony to hold. material becomes the new standby, if one is made; nil as
// in vault.Rotate.
func (s *Service) Replace(ctx context.Context, tx *vault.Tx, id string, to vault.State, by audit.Actor, reason string, material *vault.Material) (vault.Replaced, error) {
	was, err := s.inUse(ctx, tx, id)
	if err != nil {
		return vault.Replaced{}, err
	}
	if was.Purpose == vault.PurposeEpoch {
		return s.replaceEpoch(ctx, tx, was, to, by, reason)
	}
	next, err := s.next(ctx, tx, was, by, reason)
	if err != nil {
		return vault.Replaced{}, err
	}
	replaced, err := s.vault.Replace(ctx, tx, was, next, to, by, reason, s.now())
	if err != nil {
		return replaced, err
	}
	if replaced.Standby, err = s.refill(ctx, tx, replaced.Is, by, reason, material); err != nil {
		return replaced, err
	}
	if err := s.settleCompromised(ctx, tx, replaced.Was, by, reason); err != nil {
		return replaced, err
	}
	return replaced, s.signAnew(ctx, tx, was.Purpose, by)
}

// next returns the version to activate.
func (s *Service) next(ctx context.Context, tx *vault.Tx, was vault.KeyInfo, by audit.Actor, reason string) (vault.KeyInfo, error) {
	if !was.Purpose.HasStandby() {
		return s.vault.Rotate(ctx, tx, was.ID, nil, by, reason, s.now())
	}
	standbys, err := s.vault.List(ctx, tx, vault.Filter{ID: was.ID, State: vault.PreActive})
	if err != nil {
		return vault.KeyInfo{}, err
	}
	known, err := vouchedFor(ctx, tx)
	if err != nil {
		return vault.KeyInfo{}, err
	}
	for _, standby := range standbys {
		if known.of(standby) != "" {
			return standby, nil
		}
	}
	return vault.KeyInfo{}, sealift.Errorf(sealift.KindConflict, "rotating key "+was.ID, "devices know no standby of it: no signed document lists one").
		WithReason(ReasonStandby).WithHint("have people vouch for it first: %s", Ceremony(was.Purpose))
}

// Ceremony is the command of the ceremony by which people vouch for the keys of
// a purpose.
func Ceremony(p vault.Purpose) string {
	if p == vault.PurposeSnapshot || p == vault.PurposeTimestamp {
		return "sealift root rotate --keys DIR --renew"
	}
	return "sealift trust propose --keys DIR --renew"
}

// refill makes a standby where a key that needs one has none.
func (s *Service) refill(ctx context.Context, tx *vault.Tx, of vault.KeyInfo, by audit.Actor, reason string, material *vault.Material) (vault.KeyInfo, error) {
	if !of.Purpose.HasStandby() {
		return vault.KeyInfo{}, nil
	}
	standbys, err := s.vault.List(ctx, tx, vault.Filter{ID: of.ID, State: vault.PreActive})
	if err != nil || len(standbys) > 0 {
		return vault.KeyInfo{}, err
	}
	return s.makeStandby(ctx, tx, by, of.ID, material, reason)
}

// Follow does what a change of state other than a replacement asks for: info is
// the version as it is now. A standby that is gone has a successor, a release CA
// that is compromised is suspended for devices, and an answer key that was
// restored is certified. material is as in Replace.
func (s *Service) Follow(ctx context.Context, tx *vault.Tx, info vault.KeyInfo, by audit.Actor, reason string, material *vault.Material) error {
	if _, err := s.refill(ctx, tx, info, by, reason, material); err != nil {
		return err
	}
	if info.Purpose == vault.PurposeAnswer {
		return s.renewAnswers(ctx, tx, by)
	}
	return s.settleCompromised(ctx, tx, info, by, reason)
}

// settleCompromised does what a version that is compromised now asks for. What
// a release CA certified is refused by devices at once. What a log key signed is
// proven anew under the key in use, before a ceremony leaves the old one out and
// devices would refuse it; its checkpoints are evidence no more.
func (s *Service) settleCompromised(ctx context.Context, tx *vault.Tx, info vault.KeyInfo, by audit.Actor, reason string) error {
	if info.State != vault.Compromised {
		return nil
	}
	switch info.Purpose {
	case vault.PurposeReleaseCA:
		return s.SuspendCA(ctx, tx, by, sealift.DigestOf(info.Public), reason)
	case vault.PurposeLog:
		changes, size, err := s.proveOffers(ctx, tx, by)
		if err != nil {
			return err
		}
		if _, err := tx.DropCheckpoints(ctx, size); err != nil {
			return err
		}
		return s.direct(ctx, tx, by, changes)
	}
	return nil
}

// signAnew signs what a key of this purpose signs, so that devices have the new
// key's word from now on. What a release CA certified stays as it is.
func (s *Service) signAnew(ctx context.Context, tx *vault.Tx, p vault.Purpose, by audit.Actor) error {
	switch p {
	case vault.PurposeDeviceCA, vault.PurposeAnswer:
		return s.renewAnswers(ctx, tx, by)
	case vault.PurposeLog:
		_, checkpoint, tiles, err := s.checkpoint(ctx, tx, by)
		if err == nil {
			err = outLog(ctx, tx, checkpoint, tiles)
		}
		return err
	case vault.PurposeDirector, vault.PurposeSnapshot, vault.PurposeTimestamp:
		return s.direct(ctx, tx, by, nil)
	}
	return nil
}

// replaceEpoch turns a channel's epoch.
func (s *Service) replaceEpoch(ctx context.Context, tx *vault.Tx, was vault.KeyInfo, to vault.State, by audit.Actor, reason string) (out vault.Replaced, err error) {
	id, channel, ok := strings.Cut(strings.TrimPrefix(was.ID, epochPrefix), "/")
	if !ok {
		return out, sealift.Errorf(sealift.KindInternal, "turning an epoch", "%s names no channel", was.ID)
	}
	app := sealift.AppID(id)
	present, err := s.epochOf(ctx, tx, app, sealift.Channel(channel), 0)
	if err != nil {
		return out, err
	}
	turned, err := s.turnEpoch(ctx, tx, by, app, sealift.Channel(channel), present.Number+1)
	if err != nil {
		return out, err
	}
	if out.Is, err = s.vault.Lookup(ctx, tx, vault.Ref{ID: turned.KeyID, Version: turned.KeyVersion}); err != nil {
		return out, err
	}
	if out.Was, err = s.vault.Transition(ctx, tx, was.Ref, was.State, to, by, reason, s.now()); err != nil {
		return out, err
	}
	return out, s.direct(ctx, tx, by, []tufrepo.Target{turned.target})
}

// Idle returns nil if a version may be destroyed, and else what depends on it
// still, as KindConflict with reason "key-in-use". A deactivated version of an
// online key is in use for as long as devices believe it, save one of the log's:
// the old ones stay in trust.json for the sake of old proofs, and it is their
// being destroyed that makes it safe. An epoch's is in use while a release that
// is offered is sealed to it.
func (s *Service) Idle(ctx context.Context, tx store.Tx, info vault.KeyInfo) error {
	doing := "destroying key " + info.Ref.String()
	if info.Purpose == vault.PurposeEpoch {
		return s.epochIdle(ctx, tx, info, doing)
	}
	if info.State != vault.Deactivated || !info.Purpose.HasStandby() || info.Purpose == vault.PurposeLog {
		return nil
	}
	known, err := vouchedFor(ctx, tx)
	if err != nil {
		return err
	}
	document := known.of(info)
	if document == "" {
		return nil
	}
	e := sealift.Errorf(sealift.KindConflict, doing, "%s lists it: devices believe it still", document).WithReason(reasonInUse).
		WithHint("hold the ceremony that leaves it out first: %s", Ceremony(info.Purpose))
	if info.Purpose == vault.PurposeReleaseCA {
		issuers, err := offeredIssuers(ctx, tx)
		if err != nil {
			return err
		}
		if issuers[sealift.DigestOf(info.Public)] {
			e = sealift.Errorf(sealift.KindConflict, doing, "a release that is offered is certified by it").WithReason(reasonInUse).
				WithHint("publish a newer release for its channel and platform, then hold the ceremony that leaves it out: %s", Ceremony(info.Purpose))
		}
	}
	return e
}

const reasonInUse = "key-in-use"

func (s *Service) epochIdle(ctx context.Context, tx store.Tx, info vault.KeyInfo, doing string) error {
	releases, err := offered(ctx, tx)
	if err != nil {
		return err
	}
	for _, r := range releases {
		if epochKeyID(r.App, r.Channel) != info.ID {
			continue
		}
		file, err := trust.ParseReleaseFile(r.File)
		if err != nil {
			return err
		}
		release, err := trust.ParseRelease(file.Payload())
		if err != nil {
			return err
		}
		if release.Epoch.PublicKey == sealift.DigestOf(info.Public) {
			return sealift.Errorf(sealift.KindConflict, doing, "release %s of %s/%s is offered and sealed to it", r.Version, r.Channel, r.Platform).
				WithReason(reasonInUse).WithHint("publish a newer release, which is sealed to the present epoch")
		}
	}
	return nil
}
