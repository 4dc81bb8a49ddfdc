package vault

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"

	"github.com/sealift/sealift"
)

// keyring holds what an unsealed vault knows: the root key, the key-encryption
// keys and the key of the row MACs, in one page. After wipe it does nothing.
// It is safe for concurrent use; no lock is held longer than one AES or HMAC
// over a small input takes.
type keyring struct {
	vault sealift.VaultID
	heads *heads // what the log says of rows; nil in one that opens nothing but the seal record

	mu   sync.RWMutex
	page *page                   // nil once wiped
	keks [sealift.MaxKEKs]string // the ids of the key-encryption keys, by their place; "" for none
	kek  string                  // the one of them that seals

	signers signers
}

// The places in the page.
const (
	rootAt   = 0
	rowMACAt = keySize
	keksAt   = 2 * keySize // and those after it
)

// newKeyring returns a keyring without a key-encryption key.
func newKeyring(vault sealift.VaultID, root []byte) (*keyring, error) {
	rowMAC, err := derive(root, "sealift/vault/key-row-mac/v1", []byte(vault))
	if err != nil {
		return nil, err
	}
	defer clear(rowMAC)
	p, err := newPage()
	if err != nil {
		return nil, err
	}
	copy(p.bytes()[rootAt:], root)
	copy(p.bytes()[rowMACAt:], rowMAC)
	return &keyring{vault: vault, page: p}, nil
}

// addKEK adds a key-encryption key, which seals from now on if it is to.
func (k *keyring) addKEK(id string, kek []byte, seals bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.page == nil {
		return errSealed()
	}
	place := slices.Index(k.keks[:], id)
	if place < 0 {
		place = slices.Index(k.keks[:], "")
	}
	if place < 0 {
		return fmt.Errorf("it would hold more than %d key-encryption keys", sealift.MaxKEKs)
	}
	copy(k.page.bytes()[keksAt+place*keySize:], kek)
	if k.keks[place] = id; seals {
		k.kek = id
	}
	return nil
}

// dropKEKs forgets all key-encryption keys but the one that seals.
func (k *keyring) dropKEKs() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for place, id := range k.keks {
		if k.page != nil && id != "" && id != k.kek {
			clear(k.page.bytes()[keksAt+place*keySize : keksAt+(place+1)*keySize])
			k.keks[place] = ""
		}
	}
}

// sealing returns the id of the key-encryption key that seals.
func (k *keyring) sealing() (string, error) {
	if err := k.present(); err != nil {
		return "", err
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.kek, nil
}

// with calls fn with the key at a place, which fn must not keep.
func (k *keyring) with(at int, fn func(key []byte) error) error {
	if k == nil {
		return errSealed()
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.page == nil {
		return errSealed()
	}
	return fn(k.page.bytes()[at : at+keySize])
}

// wipe zeroes the keys; it waits for what runs at the moment.
func (k *keyring) wipe() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.page != nil {
		k.page.wipe()
		k.page = nil
	}
	k.signers.forgetAll()
}

// locked reports whether the page is kept out of swap.
func (k *keyring) locked() bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.page != nil && k.page.locked
}

// present fails if the vault is sealed.
func (k *keyring) present() error { return k.with(rootAt, func([]byte) error { return nil }) }

// rowMAC is HMAC-SHA256 (FIPS 198-1) under the key of the row MACs.
func (k *keyring) rowMAC(message []byte) (mac []byte, err error) {
	err = k.with(rowMACAt, func(key []byte) error {
		mac = authenticate(key, message)
		return nil
	})
	return mac, err
}

func authenticate(key, message []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(message)
	return h.Sum(nil)
}

// sealed is a plaintext under a data key of its own, and that data key under a
// key-encryption key. A re-wrap changes the first two fields and never touches
// the third, so it can go on while the vault works.
type sealed struct {
	kek     string // id of the key-encryption key
	dataKey []byte // wrapped
	body    []byte // nonce, ciphertext, tag
}

// sealedFormat names the form of a sealed secret in one piece; a key has a
// column for each part.
const sealedFormat = "sealift/vault/sealed/v1"

func (s sealed) marshal() []byte { return join(sealedFormat, []byte(s.kek), s.dataKey, s.body) }

func parseSealed(data []byte) (sealed, error) {
	fields, err := split(data, sealedFormat, 3)
	if err != nil {
		return sealed{}, err
	}
	return sealed{string(fields[0]), fields[1], fields[2]}, nil
}

// seal seals plaintext under a data key of its own, and that under the
// key-encryption key, or under that of the standbys. binding names what the
// plaintext is and where it belongs, and is authenticated in both layers.
func (k *keyring) seal(plaintext, binding []byte, standby bool) (s sealed, err error) {
	dataKey := random(keySize)
	defer clear(dataKey)
	if s.kek, s.dataKey, err = k.sealDataKey(dataKey, binding, standby); err != nil {
		return sealed{}, err
	}
	s.body, err = sealWith(dataKey, plaintext, binding)
	return s, err
}

// activate seals the data key of a standby under the key-encryption key that is
// in use. What is sealed under it already stays as it is.
func (k *keyring) activate(s sealed, binding []byte) (sealed, error) {
	if s.kek != standbyKEK {
		return s, nil
	}
	return k.rewrap(s, binding)
}

// rewrap seals a data key under the key-encryption key that seals now.
func (k *keyring) rewrap(s sealed, binding []byte) (sealed, error) {
	dataKey, err := k.openDataKey(s, binding)
	if err != nil {
		return sealed{}, err
	}
	defer clear(dataKey)
	s.kek, s.dataKey, err = k.sealDataKey(dataKey, binding, false)
	return s, err
}

func (k *keyring) sealDataKey(dataKey, binding []byte, standby bool) (id string, wrapped []byte, err error) {
	if id = standbyKEK; !standby {
		if id, err = k.sealing(); err != nil {
			return "", nil, err
		}
	}
	err = k.withKEK(id, func(kek []byte) (err error) {
		wrapped, err = sealWith(kek, dataKey, k.dataKeyBinding(id, binding))
		return err
	})
	return id, wrapped, err
}

func (k *keyring) openDataKey(s sealed, binding []byte) (dataKey []byte, err error) {
	err = k.withKEK(s.kek, func(kek []byte) (err error) {
		dataKey, err = openWith(kek, s.dataKey, k.dataKeyBinding(s.kek, binding))
		return err
	})
	return dataKey, err
}

// standbyKEK is the id of the key-encryption key of the standbys. It is derived
// from the root key whenever a standby is made or put to use, and is in memory
// at no other time: whoever has the key-encryption key alone, as from a copy of
// what is sealed under it, has no standby.
const standbyKEK = "standby"

// withKEK calls fn with a key-encryption key by its id.
func (k *keyring) withKEK(id string, fn func(kek []byte) error) error {
	if id == standbyKEK {
		return k.with(rootAt, func(root []byte) error {
			kek, err := derive(root, "sealift/vault/standby-kek/v1", []byte(k.vault))
			if err != nil {
				return err
			}
			defer clear(kek)
			return fn(kek)
		})
	}
	if k == nil {
		return errSealed()
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.page == nil {
		return errSealed()
	}
	place := slices.Index(k.keks[:], id)
	if place < 0 || id == "" {
		return fmt.Errorf("sealed under key-encryption key %.40q, which this vault does not hold", id)
	}
	return fn(k.page.bytes()[keksAt+place*keySize : keksAt+(place+1)*keySize])
}

func (k *keyring) dataKeyBinding(kek string, binding []byte) []byte {
	return join("sealift/vault/data-key/v1", []byte(k.vault), []byte(kek), binding)
}

// open is the inverse of seal under the same binding.
func (k *keyring) open(s sealed, binding []byte) ([]byte, error) {
	dataKey, err := k.openDataKey(s, binding)
	if err != nil {
		return nil, err
	}
	defer clear(dataKey)
	return openWith(dataKey, s.body, binding)
}

// keyBinding is the associated data of a private key.
func keyBinding(id string, version uint64, purpose Purpose) []byte {
	return join("sealift/vault/key/v1", []byte(id), number(version), []byte(purpose))
}

// secretBinding is the associated data of a secret that is not a key.
func secretBinding(name string) []byte {
	return join("sealift/vault/secret/v1", []byte(name))
}
