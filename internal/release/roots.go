package release

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

const rootOp = "accepting a root"

// Root returns the bytes of the newest root.json.
func (s *Service) Root(ctx context.Context) ([]byte, error) {
	m, err := view(ctx, s.store, func(tx store.Tx) (store.Metadata, error) { return tx.Metadata(ctx, metadata.ROOT) })
	return m.Content, err
}

// AcceptRoot publishes the outcome of an offline ceremony. What does not
// verify, does not follow on from what devices have, or would leave the
// vault's online keys without trust is refused whole. The root that is
// published already is accepted again.
func (s *Service) AcceptRoot(ctx context.Context, by access.Caller, outcome service.Ceremony) (service.Root, error) {
	accepted, err := vault.Do(ctx, s.vault, func(tx *vault.Tx) (service.Root, error) {
		current, err := tx.Metadata(ctx, metadata.ROOT)
		if err != nil {
			return service.Root{}, err
		}
		if bytes.Equal(current.Content, outcome.Root) && outcome.Targets == nil {
			return rootOf(current), nil
		}
		m, err := s.takeRoot(ctx, tx, by.Actor(), current.Content, outcome)
		if err != nil {
			return service.Root{}, err
		}
		return rootOf(m), record(ctx, tx, s.now(), by, "root.accept", "root.json", map[string]string{
			"version": fmt.Sprint(m.Version), "root": "sha256:" + sealift.DigestOf(m.Content).String(), "targets": fmt.Sprint(outcome.Targets != nil),
		})
	})
	if err != nil {
		return service.Root{}, err
	}
	return accepted, s.Flush(ctx)
}

func rootOf(m store.Metadata) service.Root {
	return service.Root{Version: m.Version, Digest: sealift.DigestOf(m.Content), Expires: m.Expires}
}

// takeRoot stores a ceremony's outcome and signs everything online anew under
// it. current is nil for the first root.
func (s *Service) takeRoot(ctx context.Context, tx *vault.Tx, actor audit.Actor, current []byte, outcome service.Ceremony) (store.Metadata, error) {
	m, err := s.readRoot(current, outcome.Root)
	if err != nil {
		return m, err
	}
	if err := tx.SetMetadata(ctx, m); err != nil {
		return m, err
	}
	if err := tx.AppendOutbox(ctx, tufrepo.MetadataPath(metadata.ROOT, m.Version), m.Content); err != nil {
		return m, err
	}
	if outcome.Targets != nil {
		if err := s.takeTargets(ctx, tx, outcome); err != nil {
			return m, err
		}
	}
	var first []tufrepo.Target
	if current == nil {
		deny, err := (&trust.Deny{Revoked: []trust.Revocation{}, SuspendedCAs: []sealift.Digest{}, Floors: map[sealift.AppID]trust.Floor{}}).Encode()
		if err != nil {
			return m, err
		}
		first = append(first, tufrepo.Target{Path: trust.DenyPath, Content: deny})
	}
	if err := s.directBefore(ctx, tx, actor, first, s.now().AddDate(100, 0, 0)); err != nil {
		return m, err
	}
	return m, s.checkWhole(ctx, tx, m.Content)
}

func (s *Service) readRoot(current, next []byte) (store.Metadata, error) {
	version, err := tufrepo.CheckRoot(current, next)
	if err != nil {
		return store.Metadata{}, sealift.Errorf(sealift.KindMetadata, rootOp, "root.json: %w", err).WithReason("root").
			WithHint("sign it with the quorum of the present root, one version after it")
	}
	m, err := metadata.Root().FromBytes(next)
	if err != nil {
		return store.Metadata{}, sealift.Errorf(sealift.KindMetadata, rootOp, "root.json: %w", err)
	}
	if err := s.checkAlive("root.json", m.Signed.Expires); err != nil {
		return store.Metadata{}, err
	}
	return store.Metadata{Role: metadata.ROOT, Version: version, Expires: m.Signed.Expires, Content: next}, nil
}

// checkAlive refuses what devices would refuse from its first day, as a clock
// that is off in the room of the ceremony makes it.
func (s *Service) checkAlive(name string, expires time.Time) error {
	if expires.After(s.now()) {
		return nil
	}
	return sealift.Errorf(sealift.KindMetadata, rootOp, "%s expired at %s", name, expires.UTC().Format(time.RFC3339)).
		WithReason("expired").WithHint("set the clock of the machine that signed it, and sign it again")
}

// takeTargets stores targets.json and trust.json. Floors never fall and a vault
// never changes its name.
func (s *Service) takeTargets(ctx context.Context, tx *vault.Tx, outcome service.Ceremony) error {
	version, err := tufrepo.CheckTargets(outcome.Root, outcome.Targets, outcome.Trust)
	if err != nil {
		return sealift.Errorf(sealift.KindMetadata, rootOp, "targets.json: %w", err).WithReason("targets")
	}
	next, err := trust.ParseTrust(outcome.Trust)
	if err != nil {
		return err
	}
	switch old, err := trustOf(ctx, tx); {
	case sealift.KindOf(err) == sealift.KindNotFound: // the first one
	case err != nil:
		return err
	default:
		if err := next.Follows(old); err != nil {
			return sealift.Errorf(sealift.KindMetadata, rootOp, "trust.json: %w", err).WithReason("trust")
		}
	}
	m, err := metadata.Targets().FromBytes(outcome.Targets)
	if err != nil {
		return sealift.Errorf(sealift.KindMetadata, rootOp, "targets.json: %w", err)
	}
	if err := s.checkAlive("targets.json", m.Signed.Expires); err != nil {
		return err
	}
	err = tx.SetMetadata(ctx, store.Metadata{Role: metadata.TARGETS, Version: version, Expires: m.Signed.Expires, Content: outcome.Targets})
	if sealift.KindOf(err) == sealift.KindConflict {
		return sealift.Errorf(sealift.KindMetadata, rootOp, "targets.json: %w", err).WithReason("targets").WithHint("sign it with a version above the one that is published")
	}
	if err != nil {
		return err
	}
	if err := tx.SetDocument(ctx, trust.TrustPath, outcome.Trust); err != nil {
		return err
	}
	if err := tx.AppendOutbox(ctx, tufrepo.TargetPath(trust.TrustPath, outcome.Trust), outcome.Trust); err != nil {
		return err
	}
	return tx.AppendOutbox(ctx, tufrepo.MetadataPath(metadata.TARGETS, version), outcome.Targets)
}

// checkWhole verifies everything that stands under a root as a device would,
// so that no ceremony can leave the fleet without an update path.
func (s *Service) checkWhole(ctx context.Context, tx store.DocumentTx, root []byte) error {
	read := func(role string) ([]byte, error) {
		m, err := tx.Metadata(ctx, role)
		return m.Content, err
	}
	trustJSON, err := tx.Document(ctx, trust.TrustPath)
	if err != nil {
		return err
	}
	targets, err := read(metadata.TARGETS)
	if err != nil {
		return err
	}
	if _, err := tufrepo.CheckTargets(root, targets, trustJSON); err != nil {
		return sealift.Errorf(sealift.KindMetadata, rootOp, "targets.json does not verify under this root: %w", err).
			WithReason("targets").WithHint("bring a targets.json that this root's targets keys signed")
	}
	if err := tufrepo.CheckOnline(root, targets, read); err != nil {
		return sealift.Errorf(sealift.KindMetadata, rootOp, "the vault's online keys are not those that this root trusts: %w", err).
			WithReason("online").WithHint("keep the snapshot, timestamp and director keys of the present root")
	}
	return nil
}
