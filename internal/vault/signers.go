package vault

import (
	"crypto"
	"sync"
	"time"

	"github.com/sealift/sealift"
)

// signers are keys in software that signed a moment ago. To open a key and to
// compare its halves takes as long as a signature, and of an RSA key much longer;
// so whoever signs a thousand times a second has it done once in
// sealift.MaxSignerAge.
//
// A key is found by the MAC of its row, and by nothing else. Each use reads the row
// and checks that MAC, which is over every column: a version that is suspended,
// rotated or re-wrapped has another, and what is kept under the one before is
// dropped by the change itself. Sealing the vault drops all. What is dropped is
// left to the garbage collector, like every copy that crypto packages make of a
// key: in memory that is neither locked nor wiped.
type signers struct {
	mu  sync.Mutex
	set map[string]*keptSigner
}

// keptSigner hides the key from fmt, which does not follow a function.
type keptSigner struct {
	signer func() crypto.Signer
	end    *time.Timer
}

// keptSigner returns the parsed key of a row with a MAC that was checked; nil if
// none is kept, and KindSealed for a vault that was sealed meanwhile.
func (k *keyring) keptSigner(mac []byte) (signer func() crypto.Signer, err error) {
	err = k.with(rootAt, func([]byte) error {
		k.signers.mu.Lock()
		defer k.signers.mu.Unlock()
		if kept := k.signers.set[string(mac)]; kept != nil {
			signer = kept.signer
		}
		return nil
	})
	return signer, err
}

// keepSigner keeps a key that was just opened, if it is one that signs in
// software, and none that is kept already.
func (k *keyring) keepSigner(mac []byte, key Key) {
	opened, ok := key.(*signingKey)
	if !ok || opened.handle.signer != nil || opened.inToken() {
		return
	}
	id := string(mac)
	_ = k.with(rootAt, func([]byte) error { // not in a vault that was sealed meanwhile
		s := &k.signers
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.set[id] != nil || len(s.set) >= sealift.MaxSigners {
			return nil
		}
		if s.set == nil {
			s.set = map[string]*keptSigner{}
		}
		s.set[id] = &keptSigner{opened.signer, time.AfterFunc(sealift.MaxSignerAge, func() { s.forget(id) })}
		return nil
	})
}

// forgetSigner drops the key that is kept under a MAC.
func (k *keyring) forgetSigner(mac []byte) {
	if k != nil {
		k.signers.forget(string(mac))
	}
}

func (s *signers) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kept := s.set[id]; kept != nil {
		kept.end.Stop()
		delete(s.set, id)
	}
}

func (s *signers) forgetAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, kept := range s.set {
		kept.end.Stop()
	}
	s.set = nil
}
