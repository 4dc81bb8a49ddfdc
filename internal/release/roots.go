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

// Documents implements service.Roots.
func (s *Service) Documents(ctx context.Context) (service.Documents, error) {
	return view(ctx, s.store, func(tx store.Tx) (out service.Documents, err error) {
		root, err := tx.Metadata(ctx, metadata.ROOT)
		if err != nil {
			return out, err
		}
		targets, err := tx.Metadata(ctx, metadata.TARGETS)
		if err != nil {
			return out, err
		}
		out.Root, out.Targets = root.Content, targets.Content
		if out.Trust, err = tx.Document(ctx, trust.TrustPath); err != nil {
			return out, err
		}
		out.Deny, err = tx.Document(ctx, trust.DenyPath)
		return out, err
	})
}

// AcceptRoot publishes the outcome of an offline ceremony: the next root.json,
// the next targets.json with its trust.json, or all three. What does not verify,
// does not follow on from what devices have, or would leave what the vault signs
// without trust is refused whole. What is published already is accepted again.
func (s *Service) AcceptRoot(ctx context.Context, by access.Caller, outcome service.Ceremony) (service.Root, error) {
	if outcome.Root == nil && outcome.Targets == nil {
		return service.Root{}, sealift.Errorf(sealift.KindInvalid, rootOp, "the ceremony signed neither a root.json nor a targets.json")
	}
	action := "root.accept"
	if outcome.Root == nil {
		action = "trust.accept"
	}
	accepted, err := vault.Do(ctx, s.vault, func(tx *vault.Tx) (service.Root, error) {
		current, err := tx.Metadata(ctx, metadata.ROOT)
		if err != nil {
			return service.Root{}, err
		}
		targets, err := tx.Metadata(ctx, metadata.TARGETS)
		if err != nil {
			return service.Root{}, err
		}
		rootDone := outcome.Root == nil || bytes.Equal(current.Content, outcome.Root)
		targetsDone := outcome.Targets == nil || bytes.Equal(targets.Content, outcome.Targets)
		if rootDone && targetsDone {
			return rootOf(current, targets), nil
		}
		if err := s.takeCeremony(ctx, tx, by.Actor(), current.Content, outcome); err != nil {
			return service.Root{}, err
		}
		if current, err = tx.Metadata(ctx, metadata.ROOT); err != nil {
			return service.Root{}, err
		}
		if targets, err = tx.Metadata(ctx, metadata.TARGETS); err != nil {
			return service.Root{}, err
		}
		details := map[string]string{}
		if outcome.Root != nil {
			details["version"], details["root"] = fmt.Sprint(current.Version), "sha256:"+sealift.DigestOf(current.Content).String()
		}
		if outcome.Targets != nil {
			details["targets"], details["trust"] = fmt.Sprint(targets.Version), "sha256:"+sealift.DigestOf(outcome.Trust).String()
		}
		out := rootOf(current, targets)
		if out.Refused, err = refusedNow(ctx, tx); err != nil {
			return out, err
		}
		return out, record(ctx, tx, s.now(), by, action, "ceremony", details)
	})
	if err != nil {
		return service.Root{}, s.refuse(ctx, by, action, "ceremony", map[string]string{}, err)
	}
	if err := s.Flush(ctx); err != nil {
		return accepted, err
	}
	if outcome.Targets != nil {
		// Who must co-sign may have changed. What cannot be published for another
		// reason is no fault of the ceremony: its draft says why.
		_ = s.Settle(ctx)
	}
	return accepted, nil
}

// refusedNow runs the device's own verifier over every release that is offered,
// and says which a device refuses by its first two steps and why: as those without
// the co-signatures that people demand from now on. That is for people to know,
// and no reason to refuse their ceremony: they may have meant it.
func refusedNow(ctx context.Context, tx *vault.Tx) (lines []string, err error) {
	releases, err := offered(ctx, tx)
	if err != nil {
		return nil, err
	}
	for _, r := range releases {
		rules, err := rulesOf(ctx, tx, r.App)
		if err != nil {
			return nil, err
		}
		file, err := trust.ParseReleaseFile(r.File)
		if err == nil {
			_, err = rules.Authenticate(trust.Evidence{Release: file, Proof: r.Proof})
		}
		if err != nil {
			lines = append(lines, fmt.Sprintf("%s: %v", subjectOf(r.Coordinates), err))
		}
	}
	return lines, nil
}

func rootOf(root, targets store.Metadata) service.Root {
	return service.Root{
		Version: root.Version, Digest: sealift.DigestOf(root.Content), Expires: root.Expires,
		Targets: targets.Version, TargetsExpire: targets.Expires,
	}
}

// takeCeremony stores a ceremony's outcome and signs everything online anew
// under it. current is nil for the first root.
func (s *Service) takeCeremony(ctx context.Context, tx *vault.Tx, actor audit.Actor, current []byte, outcome service.Ceremony) error {
	root := current
	if outcome.Root != nil && !bytes.Equal(current, outcome.Root) {
		m, err := s.readRoot(current, outcome.Root)
		if err != nil {
			return err
		}
		if err := tx.SetMetadata(ctx, m); err != nil {
			return err
		}
		if err := tx.AppendOutbox(ctx, tufrepo.MetadataPath(metadata.ROOT, m.Version), m.Content); err != nil {
			return err
		}
		root = m.Content
	}
	if outcome.Targets != nil {
		if err := s.takeTargets(ctx, tx, root, outcome); err != nil {
			return err
		}
	}
	changes, err := s.beginLog(ctx, tx, actor)
	if err != nil {
		return err
	}
	deny, err := s.confirmDenials(ctx, tx, actor)
	if err != nil {
		return err
	}
	if err := s.directBefore(ctx, tx, actor, append(changes, deny), s.now().AddDate(100, 0, 0)); err != nil {
		return err
	}
	if err := s.checkWhole(ctx, tx, root); err != nil {
		return err
	}
	return s.checkVouched(ctx, tx)
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
func (s *Service) takeTargets(ctx context.Context, tx *vault.Tx, root []byte, outcome service.Ceremony) error {
	version, err := tufrepo.CheckTargets(root, outcome.Targets, outcome.Trust)
	if err != nil {
		return sealift.Errorf(sealift.KindMetadata, rootOp, "targets.json: %w", err).WithReason("targets").
			WithHint("let as many people sign it as the root demands, each with a targets key of their own: sealift trust sign")
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

// checkVouched refuses a trust.json without a key by which the vault signs: it
// would publish what no device takes.
func (s *Service) checkVouched(ctx context.Context, tx *vault.Tx) error {
	known, err := vouchedFor(ctx, tx)
	if err != nil {
		return err
	}
	for _, purpose := range []vault.Purpose{vault.PurposeReleaseCA, vault.PurposeDeviceCA, vault.PurposeLog} {
		info, err := s.vault.Lookup(ctx, tx, keyOf(purpose))
		if sealift.KindOf(err) == sealift.KindNotFound {
			continue // none is in use
		}
		if err != nil {
			return err
		}
		if known.of(info) == "" {
			return sealift.Errorf(sealift.KindMetadata, rootOp, "trust.json does not list %s, by which the vault signs", info.Ref).
				WithReason("online").WithHint("keep it, or rotate it first: sealift key rotate %s", info.ID)
		}
	}
	return nil
}
