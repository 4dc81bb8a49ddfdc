package vault

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"runtime"
	"sync"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/capgo"
)

// EncodingKey encodes what devices that run Capgo's plugin decode with its public
// half; see package capgo.
type EncodingKey interface {
	Key
	// Encode returns each block encoded as EMSA-PKCS1-v1_5 without DigestInfo, 256
	// bytes, in order. Before it does it appends an entry whose subject is the SHA-256
	// of all blocks, each with its length in front as a big-endian uint32. It refuses,
	// with KindInvalid, blocks that capgo.CheckBlocks does not take.
	Encode(blocks [][]byte) ([][]byte, error)
}

// encodingKey is a handle whose uses are recorded one by one.
type encodingKey struct {
	*handle
	signer func() crypto.Signer
	record func(subject string) error // appends the entry of what is encoded
}

// Encode records what is encoded, then does it, on all cores: 1,000 hashes take a
// second on one.
func (k *encodingKey) Encode(blocks [][]byte) ([][]byte, error) {
	if err := capgo.CheckBlocks(blocks); err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, "encoding with key "+k.Ref().String(), "%w", err)
	}
	out := make([][]byte, len(blocks))
	err := k.with(func([]byte) error {
		if err := k.record(subjectOfBlocks(blocks)); err != nil {
			return err
		}
		return inParallel(len(blocks), func(i int) (err error) {
			out[i], err = k.signer().Sign(nil, blocks[i], crypto.Hash(0))
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func subjectOfBlocks(blocks [][]byte) string {
	var all []byte
	for _, b := range blocks {
		all = append(binary.BigEndian.AppendUint32(all, uint32(len(b))), b...)
	}
	defer clear(all)
	return "sha256:" + sealift.DigestOf(all).String()
}

// inParallel calls do for 0 to n-1, on all cores, and returns the first error there is.
func inParallel(n int, do func(i int) error) (err error) {
	var work sync.WaitGroup
	var once sync.Once
	workers := min(n, runtime.GOMAXPROCS(0))
	for w := range workers {
		work.Go(func() {
			for i := w; i < n; i += workers {
				if failed := do(i); failed != nil {
					once.Do(func() { err = failed })
					return
				}
			}
		})
	}
	work.Wait()
	return err
}

// ReasonNoAppKey is the reason of a KindNotFound error about an app that has no key
// for devices that run Capgo's plugin, and ReasonAppKeys that of a KindConflict error
// about one that has several.
const (
	ReasonNoAppKey = "capgo-key"
	ReasonAppKeys  = "capgo-keys"
)

// CapgoKey returns the newest active version of the key for PurposeCapgoApp that app
// has. KindNotFound with ReasonNoAppKey where no version is active; KindConflict with
// ReasonAppKeys where versions of several keys are, since devices know one.
func (v *Vault) CapgoKey(ctx context.Context, rows Rows, app sealift.AppID) (found KeyInfo, err error) {
	const doing = "looking for the app's key for Capgo's plugin"
	active, err := v.List(ctx, rows, Filter{Purpose: PurposeCapgoApp, State: Active})
	if err != nil {
		return KeyInfo{}, err
	}
	for _, k := range active {
		switch {
		case k.App != app:
		case found.ID != "" && found.ID != k.ID:
			return KeyInfo{}, sealift.Errorf(sealift.KindConflict, doing, "%s has the keys %s and %s, and devices know one", app, found.ID, k.ID).WithReason(ReasonAppKeys).
				WithHint("end the one that is in no store build any more: sealift key deactivate ID --version N --reason TEXT")
		default:
			found = k // by version: the newest comes last
		}
	}
	if found.ID == "" {
		return KeyInfo{}, sealift.Errorf(sealift.KindNotFound, doing, "%s has none that is active", app).WithReason(ReasonNoAppKey).
			WithHint("make one with: sealift capgo key create --app %s --owner NAME; or bring the one that is in the field with: sealift capgo key import --app %s --owner NAME --file .capgo_key_v2", app, app)
	}
	return found, nil
}

// CapgoPublic returns the public half of a key that devices which run Capgo's plugin
// take. KindInvalid for another.
func (m *Material) CapgoPublic() (*rsa.PublicKey, error) {
	public, err := x509.ParsePKIXPublicKey(m.public)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, "making a key", "%w", err)
	}
	key, ok := public.(*rsa.PublicKey)
	if !ok {
		return nil, sealift.Errorf(sealift.KindInvalid, "making a key", "it is not RSA")
	}
	return key, capgo.CheckKey(key)
}
