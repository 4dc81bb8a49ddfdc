package tufrepo

import (
	"crypto"
	"fmt"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// OnlineKeys are the public keys that online roles may have signed with.
type OnlineKeys struct{ Director, Snapshot, Timestamp []crypto.PublicKey }

// CheckBin verifies that a bin is current at the time now: signed by a director's key,
// and of the version that the snapshot names, which the timestamp names, which has not
// expired. It is for whoever has the keys from where nobody could change them, and
// the metadata from where somebody could.
func CheckBin(current Current, bin string, keys OnlineKeys, now time.Time) error {
	stamp, snapshot, m := metadata.Timestamp(), metadata.Snapshot(), metadata.Targets()
	if _, err := readSigned(current, metadata.TIMESTAMP, stamp, keys.Timestamp, metadata.TIMESTAMP); err != nil {
		return err
	}
	if !now.Before(stamp.Signed.Expires) {
		return fmt.Errorf("the timestamp expired at %s", stamp.Signed.Expires.UTC().Format(time.RFC3339))
	}
	content, err := readSigned(current, metadata.SNAPSHOT, snapshot, keys.Snapshot, metadata.SNAPSHOT)
	if err != nil {
		return err
	}
	named := stamp.Signed.Meta["snapshot.json"]
	if named == nil || named.Version != snapshot.Signed.Version || named.VerifyLengthHashes(content) != nil {
		return fmt.Errorf("the snapshot is not the one that the timestamp names")
	}
	if _, err := readSigned(current, bin, m, keys.Director, metadata.TARGETS); err != nil {
		return err
	}
	if named := snapshot.Signed.Meta[bin+".json"]; named == nil || named.Version != m.Signed.Version {
		return fmt.Errorf("%s is not of the version that the snapshot names", bin)
	}
	return nil
}

// readSigned reads the metadata of a role into m; one of keys signed it, as the kind of
// role that is.
func readSigned[T metadata.Roles](current Current, role string, m *metadata.Metadata[T], keys []crypto.PublicKey, kind string) ([]byte, error) {
	data, err := current(role)
	if err != nil {
		return nil, err
	}
	if err := unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("%s: %w", role, err)
	}
	if err := signedBy(keys, kind, m); err != nil {
		return nil, fmt.Errorf("%s: %w", role, err)
	}
	return data, nil
}

// signedBy verifies that one of keys signed m, in the role of root that signs such.
func signedBy(keys []crypto.PublicKey, role string, m any) error {
	by := metadata.Root()
	for _, pub := range keys {
		key, err := keyOf(pub)
		if err != nil {
			return err
		}
		if err := by.Signed.AddKey(key, role); err != nil {
			return err
		}
	}
	return verify(by, role, m)
}
