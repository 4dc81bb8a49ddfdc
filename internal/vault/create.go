package vault

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
)

// CreateRequest says what key to make. Zero fields take what the purpose says.
type CreateRequest struct {
	ID           string        // 1 to 256 bytes of letters, digits and ._:/@-; random where empty
	Purpose      Purpose       // of the closed list
	Algorithm    Algorithm     // one that the purpose allows
	Owner        string        // who answers for the key; never empty
	Label        string        // for people
	Cryptoperiod time.Duration // from the activation on
	Standby      bool          // pre-active, to be activated later
	Material     *Material     // generated or read before; where nil, generated now
	App          sealift.AppID // that it is for; only for a purpose that is for services
	Exportable   bool          // it may be given out; only for a purpose that permits it, and never changed
}

// Create makes the first version of a key, active from now on unless it is a
// standby, and records it. Errors are KindSealed, KindInvalid where the request
// does not fit its purpose, and KindConflict if the id is taken.
//
// Pass Material for RSA: finding the primes takes a second, during which the
// transaction would hold up every other.
func (v *Vault) Create(ctx context.Context, tx *Tx, req CreateRequest, by audit.Actor, now time.Time) (KeyInfo, error) {
	if req.ID == "" {
		req.ID = newID()
	}
	e := event{at: now, actor: by, action: actionCreate, key: Ref{clip(req.ID), 1}}
	req, err := req.complete()
	if err != nil {
		return KeyInfo{}, tx.refuse(ctx, e, err)
	}
	now = stored(now)
	row := store.Key{
		ID: req.ID, Version: 1,
		Purpose: string(req.Purpose), Algorithm: string(req.Algorithm), Provider: ProviderSoftware,
		Owner: req.Owner, Label: req.Label, State: string(Active),
		Created: now, Changed: now, NotBefore: now, NotAfter: now.Add(req.Cryptoperiod),
		App: req.App, Exportable: req.Exportable, Imported: req.Material != nil && req.Material.imported,
	}
	if row.Imported {
		e = e.detail("imported", "yes")
	}
	if row.Exportable {
		e = e.detail("exportable", "yes")
	}
	if req.Standby {
		row.State = string(PreActive)
	}
	return v.insert(ctx, tx, row, KeyInfo{Purpose: req.Purpose, Algorithm: req.Algorithm}, req.Material, e)
}

// Rotate makes the next version of a key in state pre-active, with purpose,
// algorithm, owner, label and cryptoperiod of the newest version, and records
// it. Activating it, and deactivating the one before, are Transitions: between
// them lies whatever makes others trust the new version. material is as in
// CreateRequest: where it is nil, the new key is made where the newest one is;
// else where the material is, so that a key may go from software into a token,
// or out of one that is lost.
func (v *Vault) Rotate(ctx context.Context, tx *Tx, id string, material *Material, by audit.Actor, reason string, now time.Time) (KeyInfo, error) {
	e := event{at: now, actor: by, action: actionRotate, key: Ref{ID: clip(id)}}
	e, err := e.because(reason)
	if err != nil {
		return KeyInfo{}, tx.refuse(ctx, e, err)
	}
	versions, err := versionsOf(ctx, tx.ring, tx, id)
	if err != nil {
		return KeyInfo{}, tx.refuse(ctx, e, err)
	}
	newest := versions[len(versions)-1]
	info, err := checkRow(ctx, tx.ring, tx, newest)
	if err != nil {
		return KeyInfo{}, tx.refuse(ctx, e, err)
	}
	now = stored(now)
	row := store.Key{
		ID: id, Version: newest.Version + 1,
		Purpose: newest.Purpose, Algorithm: newest.Algorithm, Provider: newest.Provider,
		Owner: newest.Owner, Label: newest.Label, State: string(PreActive),
		Created: now, Changed: now, NotBefore: now, NotAfter: now.Add(info.NotAfter.Sub(info.NotBefore)),
		App: newest.App, Exportable: newest.Exportable,
	}
	e.key.Version = row.Version
	return v.insert(ctx, tx, row, info, material, e)
}

// insert seals the material into the row, authenticates, writes and records it.
// before is the version before it, if there is one.
func (v *Vault) insert(ctx context.Context, tx *Tx, row store.Key, before KeyInfo, m *Material, e event) (KeyInfo, error) {
	e = e.detail("purpose", row.Purpose).detail("algorithm", row.Algorithm).detail("owner", row.Owner).detail("state", row.State)
	info, err := v.insertMaterial(ctx, tx, row, before, m, &e)
	if sealift.KindOf(err) == sealift.KindConflict {
		err = sealift.Errorf(sealift.KindConflict, "making a key", "there is a key %s already", Ref{row.ID, row.Version}).
			WithHint("choose another id, or rotate that key")
	}
	if err != nil {
		return KeyInfo{}, tx.refuse(ctx, e, err)
	}
	if len(info.Public) > 0 {
		e.subject = "sha256:" + sealift.DigestOf(info.Public).String()
	}
	return info, tx.append(ctx, e.with(audit.OK))
}

func (v *Vault) insertMaterial(ctx context.Context, tx *Tx, row store.Key, before KeyInfo, m *Material, e *event) (KeyInfo, error) {
	if err := tx.ring.present(); err != nil {
		return KeyInfo{}, err
	}
	if m == nil {
		var err error
		if m, err = v.generateNow(ctx, before); err != nil {
			return KeyInfo{}, err
		}
	}
	row.Provider = m.provider
	*e = e.detail("provider", row.Provider)
	private, err := m.take(Algorithm(row.Algorithm))
	if err != nil {
		return KeyInfo{}, err
	}
	defer clear(private)
	s, err := tx.ring.seal(private, keyBinding(row.ID, row.Version, Purpose(row.Purpose)), State(row.State) == PreActive)
	if err != nil {
		return KeyInfo{}, err
	}
	row.KEK, row.DataKey, row.Private, row.Public = s.kek, s.dataKey, s.body, m.public
	if row.Provider == ProviderPKCS11 {
		*e = e.detail("token", string(private))
	}
	return insertRow(ctx, tx, row, e)
}

var keyIDPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@-]*$`)

// complete checks a request against its purpose and fills in what it leaves
// open.
func (r CreateRequest) complete() (CreateRequest, error) {
	const doing = "making a key"
	p, ok := policies[r.Purpose]
	if !ok {
		_, err := ParsePurpose(string(r.Purpose))
		return r, err
	}
	if r.Algorithm == "" {
		r.Algorithm = p.algorithms[0]
	}
	if r.Cryptoperiod == 0 {
		r.Cryptoperiod = p.period
	}
	switch {
	case len(r.ID) > sealift.MaxKeyLabel || !keyIDPattern.MatchString(r.ID):
		return r, sealift.Errorf(sealift.KindInvalid, doing, "%.80q is no key id", r.ID).
			WithHint("use letters, digits and . _ : / @ -, at most %d bytes", sealift.MaxKeyLabel)
	case !slices.Contains(p.algorithms, r.Algorithm):
		if _, err := ParseAlgorithm(string(r.Algorithm)); err != nil {
			return r, err
		}
		return r, sealift.Errorf(sealift.KindInvalid, doing, "a key for %s is not %s", r.Purpose, r.Algorithm).
			WithHint("use one of %v", p.algorithms)
	case r.Cryptoperiod < 0 || r.Cryptoperiod > p.longest:
		return r, sealift.Errorf(sealift.KindInvalid, doing, "a cryptoperiod of %v; up to %v is allowed for %s", r.Cryptoperiod, p.longest, r.Purpose)
	case r.App != "" && !p.services:
		return r, sealift.Errorf(sealift.KindInvalid, doing, "a key for %s is for no app in particular", r.Purpose)
	case r.Exportable && !p.exports:
		return r, sealift.Errorf(sealift.KindDenied, doing, "a key for %s is never given out", r.Purpose).WithReason(ReasonPurpose).
			WithHint("make it without --exportable")
	case r.Material != nil && r.Material.imported && !p.imports:
		return r, sealift.Errorf(sealift.KindDenied, doing, "a key for %s does not come from outside", r.Purpose).WithReason(ReasonPurpose).
			WithHint("let the vault make it: sealift key create --purpose %s", r.Purpose)
	case r.Material != nil && r.Purpose == PurposeCapgoApp:
		if _, err := r.Material.CapgoPublic(); err != nil {
			return r, err
		}
	}
	switch {
	case r.Owner == "":
		return r, sealift.Errorf(sealift.KindInvalid, doing, "it has no owner").WithHint("name who answers for the key")
	}
	for name, text := range map[string]string{"owner": r.Owner, "label": r.Label} {
		if err := checkText(text, sealift.MaxKeyLabel); err != nil {
			return r, sealift.Errorf(sealift.KindInvalid, doing, "its %s %w", name, err)
		}
	}
	return r, nil
}

// checkText bounds what people write: it is printed on terminals later.
func checkText(s string, most int) error {
	switch {
	case len(s) > most:
		return fmt.Errorf("has %d bytes; at most %d are allowed", len(s), most)
	case !utf8.ValidString(s):
		return fmt.Errorf("is not UTF-8")
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return fmt.Errorf("holds a control character")
		}
	}
	return nil
}
