package vault

import (
	"context"
	"crypto"
	"io"

	"github.com/sealift/sealift"
)

// Signer returns a crypto.Signer, for x509.CreateCertificate and writers of
// TUF metadata, each of whose signatures is a Use of its own with the digest
// as its subject. u.Why.Subject is ignored. The version is fixed now, so that
// public key and signatures belong together; it must be usable now, or the
// refusal is recorded and returned. The signer is good for as long as tx is,
// for one goroutine.
func (v *Vault) Signer(ctx context.Context, tx *Tx, u Use) (crypto.Signer, error) {
	e, err := u.event()
	if err != nil {
		return nil, tx.refuse(ctx, e, err)
	}
	_, info, err := u.find(ctx, tx)
	if err == nil {
		err = info.signs()
	}
	if err != nil {
		return nil, tx.refuse(ctx, e, err)
	}
	public, err := info.PublicKey()
	if err != nil {
		return nil, tx.refuse(ctx, e, err)
	}
	u.Key = info.Ref
	return &useSigner{v, ctx, tx, u, public}, nil
}

// useSigner holds a context, as it must: crypto.Signer has no room for one.
type useSigner struct {
	vault  *Vault
	ctx    context.Context
	tx     *Tx
	use    Use
	public crypto.PublicKey
}

func (s *useSigner) Public() crypto.PublicKey { return s.public }

func (s *useSigner) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	var err error
	u := s.use
	if u.Why.Subject, err = subjectOf(s.public, digest, opts); err != nil {
		return nil, err
	}
	var signature []byte
	err = s.vault.Use(s.ctx, s.tx, u, func(key Key) error {
		signature, err = key.(SigningKey).Sign(nil, digest, opts)
		return err
	})
	if err != nil {
		return nil, err
	}
	return signature, nil
}

// Sign makes one signature: a Use whose subject is what is signed, and whose
// entry is the signature's own. u.Why.Subject is ignored. It also returns the
// version that signed and the index of the entry; digest and opts are those of
// SigningKey. The signature must not leave before the transaction is committed.
func (v *Vault) Sign(ctx context.Context, tx *Tx, u Use, digest []byte, opts crypto.SignerOpts) (signature []byte, info KeyInfo, entry int64, err error) {
	e, err := u.event()
	if err != nil {
		return nil, info, 0, tx.refuse(ctx, e, err)
	}
	row, info, err := u.find(ctx, tx)
	if err == nil {
		err = info.signs()
	}
	if err != nil {
		return nil, info, 0, tx.refuse(ctx, e, err)
	}
	public, err := info.PublicKey()
	if err != nil {
		return nil, info, 0, tx.refuse(ctx, e, err)
	}
	if e.subject, err = subjectOf(public, digest, opts); err != nil {
		return nil, info, 0, err
	}
	err = v.use(ctx, tx, u.Now, e, row, info, func(key Key) error {
		entry = tx.entry
		signature, err = key.(SigningKey).Sign(nil, digest, opts)
		return err
	})
	if err != nil {
		return nil, info, 0, err
	}
	return signature, info, entry, nil
}

// signs refuses a key that does something else.
func (k KeyInfo) signs() error {
	if k.Purpose.Operation() == OpSign {
		return nil
	}
	return sealift.Errorf(sealift.KindInvalid, "signing with key "+k.Ref.String(), "a key for %s does not sign", k.Purpose)
}
