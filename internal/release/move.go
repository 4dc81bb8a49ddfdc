package release

import (
	"context"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// Move says where the next standby of an online key is to be.
type Move struct {
	ID     string // "release-ca"
	URI    string // of the token, and with object the key's label; "" for software
	Lost   bool   // the standby that there is cannot be destroyed, since its token is lost
	Reason string
}

// MoveStandby makes the standby of an online key anew in a token, or in software,
// and has the one before destroyed, or declared compromised if it is lost with
// its token. It is the way of a key into a token, between tokens, and out of one
// that is lost: the next ceremony vouches for the new standby, and then Replace
// puts it into use.
func (s *Service) MoveStandby(ctx context.Context, by audit.Actor, m Move) (vault.KeyInfo, error) {
	var versions []vault.KeyInfo
	err := s.store.View(ctx, func(tx store.Tx) (err error) {
		versions, err = s.vault.List(ctx, tx, vault.Filter{ID: m.ID})
		return err
	})
	if err != nil {
		return vault.KeyInfo{}, err
	}
	if len(versions) == 0 || m.ID == "" || !versions[0].Purpose.HasStandby() {
		return vault.KeyInfo{}, sealift.Errorf(sealift.KindNotFound, "moving a key", "%.80q is no key that has a standby", m.ID).WithReason(vault.ReasonUnknownKey).
			WithHint("director, snapshot, timestamp, log, release-ca and device-ca have one")
	}
	material, err := s.materialAt(ctx, m.URI, versions[len(versions)-1])
	if err != nil {
		return vault.KeyInfo{}, err
	}
	gone := vault.Destroyed
	if m.Lost {
		gone = vault.Compromised
	}
	return vault.Do(ctx, s.vault, func(tx *vault.Tx) (vault.KeyInfo, error) {
		for _, v := range versions {
			if v.State != vault.PreActive {
				continue
			}
			if _, err := s.vault.Transition(ctx, tx, v.Ref, vault.PreActive, gone, by, m.Reason, s.now()); err != nil {
				return v, err
			}
		}
		return s.makeStandby(ctx, tx, by, m.ID, material, m.Reason)
	})
}

// materialAt makes a key like newest, in a token or in software.
func (s *Service) materialAt(ctx context.Context, uri string, newest vault.KeyInfo) (*vault.Material, error) {
	if uri == "" {
		return vault.Generate(ctx, newest.Algorithm)
	}
	return s.vault.GenerateInToken(ctx, uri, newest.Purpose, newest.Algorithm)
}
