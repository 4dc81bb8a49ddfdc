package bundle

import (
	"crypto/hpke"

	"github.com/sealift/sealift"
)

// ContentKeyInfo is what a sealed content key is bound to: it opens for
// nothing else.
type ContentKeyInfo struct {
	App     sealift.AppID
	Channel sealift.Channel
	Epoch   uint64
	Archive sealift.Digest
}

func (i ContentKeyInfo) bind() []byte {
	return bind("sealift/content-key/v1").text(string(i.App)).text(string(i.Channel)).number(i.Epoch).bytes(i.Archive[:])
}

// SealContentKey seals key to an epoch's public key: HPKE in base mode (RFC
// 9180, section 5.1.1) with info's binding, no associated data; enc and the
// ciphertext in one. It says nothing about who sealed. The error is that of
// ParsePublicKey.
func SealContentKey(epoch PublicKey, key ContentKey, info ContentKeyInfo) ([]byte, error) {
	return sealTo(epoch, info.bind(), key[:])
}

// OpenContentKey opens what SealContentKey sealed. Anything but that very
// sealing under that very info is KindIntegrity with Reason "content_key".
func OpenContentKey(epoch *PrivateKey, sealed []byte, info ContentKeyInfo) (ContentKey, error) {
	plain, err := epoch.open(info.bind(), sealed)
	if err != nil || len(plain) != len(ContentKey{}) {
		return ContentKey{}, sealift.Errorf(sealift.KindIntegrity, "opening content key", "it is not sealed to this epoch key for this app, channel, epoch and archive").
			WithReason("content_key")
	}
	return ContentKey(plain), nil
}

// EpochKeyInfo is what a sealed epoch key is bound to.
type EpochKeyInfo struct {
	Vault   sealift.VaultID
	App     sealift.AppID
	Device  sealift.DeviceID
	Channel sealift.Channel
	Epoch   uint64
}

func (i EpochKeyInfo) bind() []byte {
	return bind("sealift/epoch-key/v1").text(string(i.Vault)).text(string(i.App)).text(string(i.Device)).text(string(i.Channel)).number(i.Epoch)
}

// SealEpochKey seals an epoch's private key to a device, as SealContentKey
// does. The error is that of ParsePublicKey.
func SealEpochKey(device PublicKey, epoch *PrivateKey, info EpochKeyInfo) ([]byte, error) {
	return sealTo(device, info.bind(), epoch.appendSecret(nil))
}

// OpenEpochKey opens what SealEpochKey sealed. Anything but that very sealing
// under that very info is KindIntegrity with Reason "epoch_key".
//
// HPKE's base mode does not say who sealed: the caller must compare the key's
// Public().Digest() with the one that the release names, and throw the key
// away if they differ.
func OpenEpochKey(device *PrivateKey, sealed []byte, info EpochKeyInfo) (*PrivateKey, error) {
	refusal := func(problem string) error {
		return sealift.Errorf(sealift.KindIntegrity, "opening epoch key", "%s", problem).WithReason("epoch_key")
	}
	plain, err := device.open(info.bind(), sealed)
	if err != nil {
		return nil, refusal("it is not sealed to this device for this vault, app, channel and epoch")
	}
	key, err := parseSealedSecret(plain)
	if err != nil {
		return nil, refusal("what was sealed is not a private key of an allowed suite")
	}
	return key, nil
}

func sealTo(recipient PublicKey, info, plain []byte) ([]byte, error) {
	key, err := recipient.hpke()
	if err != nil {
		return nil, err
	}
	_, kdf, aead, err := recipient.algorithms()
	if err != nil {
		return nil, err
	}
	return hpke.Seal(key, kdf, aead, info, plain)
}

func (k *PrivateKey) open(info, sealed []byte) ([]byte, error) {
	_, kdf, aead, err := k.suite.algorithms()
	if err != nil {
		return nil, err
	}
	return hpke.Open(k.key, kdf, aead, info, sealed)
}
