package vault

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"slices"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/secretsharing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/strictjson"
)

// shamirGroup is the group whose scalars are shared. Its arithmetic in circl is
// constant-time, which that of the NIST curves there is not.
var shamirGroup = group.Ristretto255

// shamirGroupName is its name in a record (RFC 9496).
const shamirGroupName = "ristretto255"

// shamirParams are the parameters of a wrap under shares.
type shamirParams struct {
	Group     string   `json:"group"`
	Threshold int      `json:"threshold"`
	Checks    [][]byte `json:"checks"` // of each share, by index: see shareTag
}

func (p shamirParams) check() error {
	switch n := len(p.Checks); {
	case p.Group != shamirGroupName:
		return fmt.Errorf("shares over the group %.40q, which is not %s", p.Group, shamirGroupName)
	case p.Threshold < sealift.MinShareThreshold || n > sealift.MaxShares || p.Threshold > n:
		return fmt.Errorf("%d of %d shares; %d of %d to all of %d are allowed", p.Threshold, n, sealift.MinShareThreshold, sealift.MinShareThreshold, sealift.MaxShares)
	}
	for _, c := range p.Checks {
		if len(c) != sha256.Size {
			return fmt.Errorf("the check of a share has %d bytes", len(c))
		}
	}
	return nil
}

// shamir reads the parameters of a wrap under shares.
func (w wrap) shamir() (shamirParams, error) {
	var p shamirParams
	if err := strictjson.Unmarshal(w.Params, sealift.MaxSealRecord, &p); err != nil {
		return p, err
	}
	if len(w.ID) != 2*16 {
		return p, fmt.Errorf("the set %.40q has no id", w.ID)
	}
	return p, p.check()
}

// shareTag is what the record keeps of each share, to name a wrong one by: a
// hash of a value of 252 random bits. Feldman's commitments would do the same
// and would lay the secret open to whoever computes discrete logarithms.
func shareTag(vault sealift.VaultID, set string, index int, value []byte) []byte {
	sum := sha256.Sum256(join("sealift/vault/share/v1", []byte(vault), []byte(set), number(uint64(index)), value))
	return sum[:]
}

// shamirKey is the key of a wrap: HKDF of the shared scalar.
func shamirKey(vault sealift.VaultID, set string, secret group.Scalar) ([]byte, error) {
	encoded, err := secret.MarshalBinary()
	if err != nil {
		return nil, err
	}
	defer clear(encoded)
	return derive(encoded, "sealift/vault/shamir/v1", []byte(vault), []byte(set))
}

// Deal is a new set of shares, to seal a vault under: a random scalar, shared
// by Shamir's scheme. Its texts are to be with those who hold them before the
// vault is sealed: shares that nobody has must not be the only way in. Clear it.
type Deal struct {
	vault  sealift.VaultID
	set    string
	params shamirParams
	shares []Share
	key    func() []byte
}

// NewDeal makes n shares, any threshold of which open what is sealed under
// them. KindInvalid with ReasonShares outside of sealift.MinShareThreshold ≤
// threshold ≤ n ≤ sealift.MaxShares.
func NewDeal(vault sealift.VaultID, threshold, n int) (*Deal, error) {
	const doing = "making shares"
	if _, err := sealift.ParseVaultID(string(vault)); err != nil {
		return nil, err
	}
	if threshold < sealift.MinShareThreshold || threshold > n || n > sealift.MaxShares {
		return nil, sealift.Errorf(sealift.KindInvalid, doing, "%d of %d", threshold, n).WithReason(ReasonShares).
			WithHint("make at most %d shares, and let at least %d of them and at most all be needed", sealift.MaxShares, sealift.MinShareThreshold)
	}
	d := &Deal{vault: vault, set: newID(), params: shamirParams{Group: shamirGroupName, Threshold: threshold}}
	secret := shamirGroup.RandomNonZeroScalar(rand.Reader)
	key, err := shamirKey(vault, d.set, secret)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, doing, "%w", err)
	}
	d.key = func() []byte { return key }
	for i, s := range secretsharing.New(rand.Reader, uint(threshold-1), secret).Share(uint(n)) {
		value, err := s.Value.MarshalBinary()
		if err != nil {
			return nil, sealift.Errorf(sealift.KindInternal, doing, "%w", err)
		}
		d.shares = append(d.shares, Share{string(vault)[:shareIDDigits], d.set[:shareIDDigits], i + 1, func() []byte { return value }})
		d.params.Checks = append(d.params.Checks, shareTag(vault, d.set, i+1, value))
	}
	return d, nil
}

// Texts returns the text of each share, by index from 1. The caller clears them.
func (d *Deal) Texts() (texts [][]byte) {
	for _, s := range d.shares {
		texts = append(texts, s.text())
	}
	return texts
}

// Clear zeroes the shares and the key. What was sealed under them stays so.
func (d *Deal) Clear() {
	clear(d.key())
	Shares(d.shares).clear()
}

func (d *Deal) check(vault sealift.VaultID, _ Path) error {
	if vault != d.vault {
		return sealift.Errorf(sealift.KindInvalid, "sealing the vault under shares", "they were made for another one").WithReason(ReasonShares)
	}
	return nil
}

func (d *Deal) seal(_ context.Context, root []byte, on sealing) (w wrap, err error) {
	if w, err = newWrap(sealerShamir, d.set, d.params, on); err != nil {
		return wrap{}, err
	}
	w.Wrapped, err = sealWith(d.key(), root, w.associated(on.vault))
	return w, err
}

// Shares are what people brought. Those of one set, as many as its threshold
// or more, open the wrap of that set. Each is checked by itself, so that the
// error names the one that is wrong: KindSealed with one of the share reasons;
// KindConflict with ReasonShareTwice; ReasonSharesMissing if they are too few.
type Shares []Share

func (s Shares) clear() {
	for _, share := range s {
		share.Clear()
	}
}

func (s Shares) costly() bool { return false }

func (s Shares) fits(w wrap) bool {
	return w.Sealer == sealerShamir && len(s) > 0 && s[0].set == w.ID[:shareIDDigits]
}

func (s Shares) open(_ context.Context, vault sealift.VaultID, w wrap) ([]byte, error) {
	params, err := w.shamir()
	if err != nil {
		return nil, err
	}
	given := map[int]bool{}
	for _, share := range s {
		if err := share.check(vault, w, params); err != nil {
			return nil, err
		}
		if given[share.index] {
			return nil, errShareTwice(share)
		}
		given[share.index] = true
	}
	if len(s) < params.Threshold {
		return nil, sealift.Errorf(sealift.KindSealed, "unsealing vault", "%d of the %d shares that are needed were given", len(s), params.Threshold).
			WithReason(ReasonSharesMissing).WithHint("give one more share")
	}
	key, err := s.combine(vault, w, params.Threshold)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	return w.openRoot(vault, key)
}

// check refuses a share that the vault did not make for a wrap.
func (s Share) check(vault sealift.VaultID, w wrap, params shamirParams) error {
	if err := s.of(vault, w.ID); err != nil {
		return err
	}
	if s.index > len(params.Checks) ||
		subtle.ConstantTimeCompare(shareTag(vault, w.ID, s.index, s.value()), params.Checks[s.index-1]) != 1 {
		return sealift.Errorf(sealift.KindSealed, "taking a share", "number %d is not the share that this vault made", s.index).WithReason(ReasonShareWrong).
			WithHint("somebody made it up, or the seal record was changed: find out who holds share %d", s.index)
	}
	return nil
}

func errShareTwice(s Share) *sealift.Error {
	return sealift.Errorf(sealift.KindConflict, "taking a share", "number %d was given already", s.index).WithReason(ReasonShareTwice).
		WithHint("give another one")
}

// combine recovers the scalar from the first shares, all checked and different,
// and derives the wrap's key. That of wrong shares would be another, and the
// wrap's AEAD would not open.
func (s Shares) combine(vault sealift.VaultID, w wrap, threshold int) ([]byte, error) {
	var points []secretsharing.Share
	for _, share := range slices.Clone(s)[:threshold] {
		value := shamirGroup.NewScalar()
		if err := value.UnmarshalBinary(share.value()); err != nil {
			return nil, fmt.Errorf("share %d: %w", share.index, err)
		}
		points = append(points, secretsharing.Share{ID: shamirGroup.NewScalar().SetUint64(uint64(share.index)), Value: value})
	}
	secret, err := secretsharing.Recover(uint(threshold-1), points)
	if err != nil {
		return nil, err
	}
	return shamirKey(vault, w.ID, secret)
}
