package release

import (
	"context"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

// Found makes the vault with its online keys and certificates, and returns
// what people are to vouch for in the first ceremony. The vault is unsealed
// afterwards. Keys of the wanted purposes are made in PKCS#11 tokens; if there
// comes to be no vault, they are the caller's to destroy.
func (s *Service) Found(ctx context.Context, id sealift.VaultID, secrets vault.Secrets, wanted map[vault.Purpose]InToken) (ceremony.Anchors, error) {
	anchors := ceremony.Anchors{Vault: id}
	actor := System("init")
	made, err := s.makeInTokens(ctx, wanted)
	if err != nil {
		return anchors, err
	}
	err = s.vault.Init(ctx, id, secrets, actor, s.now(), func(tx *vault.Tx) error {
		return s.makeOnline(ctx, tx, actor, made, &anchors)
	})
	return anchors, err
}

// makeOnline makes the keys that the vault works with, and a standby of each
// that devices must know beforehand: it is vouched for in the first ceremony and
// can take its key's place from the first day on.
func (s *Service) makeOnline(ctx context.Context, tx *vault.Tx, actor audit.Actor, made inTokens, anchors *ceremony.Anchors) error {
	for _, purpose := range vault.Purposes() {
		if !purpose.HasStandby() {
			continue
		}
		if _, err := s.create(ctx, tx, actor, purpose, made.take(purpose)); err != nil {
			return err
		}
		if _, err := s.makeStandby(ctx, tx, actor, keyOf(purpose).ID, made.take(purpose), "the first standby"); err != nil {
			return err
		}
	}
	if _, err := s.create(ctx, tx, actor, vault.PurposeAnswer, nil); err != nil {
		return err
	}
	of, err := s.anchorsOf(ctx, tx, trust.Trust{
		Vault: anchors.Vault, Revoked: []trust.Revocation{}, Apps: map[sealift.AppID]trust.AppTrust{},
	})
	if err != nil {
		return err
	}
	*anchors = of.Anchors
	return s.certifyAnswers(ctx, tx, actor, anchors.Vault)
}

// Open takes the outcome of the first ceremony and the owner's token, and
// publishes an empty repository.
func (s *Service) Open(ctx context.Context, outcome ceremony.Outcome, owner access.Token) error {
	actor := System("init")
	err := s.vault.Update(ctx, func(tx *vault.Tx) error {
		if err := s.takeCeremony(ctx, tx, actor, nil, service.Ceremony{Root: outcome.Root, Targets: outcome.Targets, Trust: outcome.Trust}); err != nil {
			return err
		}
		_, checkpoint, tiles, err := s.checkpoint(ctx, tx, actor)
		if err != nil {
			return err
		}
		if err := outLog(ctx, tx, checkpoint, tiles); err != nil {
			return err
		}
		return s.addOwner(ctx, tx, actor, owner)
	})
	if err != nil {
		return err
	}
	return s.Flush(ctx)
}

func (s *Service) addOwner(ctx context.Context, tx *vault.Tx, actor audit.Actor, owner access.Token) (err error) {
	now := s.now().UTC()
	row := owner.Row(access.RoleOwner, now, now.Add(sealift.OwnerTokenLife))
	row.Creator, row.Label = access.FoundingCreator, "the first owner"
	if row.MAC, err = tx.Authenticate(row); err != nil {
		return err
	}
	if err := tx.InsertToken(ctx, row); err != nil {
		return err
	}
	_, err = audit.Append(ctx, tx, audit.Entry{
		Time: row.Created, Actor: actor, Action: "token.create", Subject: owner.ID(), Result: audit.OK,
		Details: map[string]string{"role": string(access.RoleOwner), vault.RowDetail: vault.RowTag(row.MAC)},
	})
	return err
}
