package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
)

// vectors is testdata/vectors.json. It was written once, by the functions that
// it tests and, for the stream, by Tink 2.9's own package. It is never written
// anew: what devices in the field can open must stay what they can open.
type vectors struct {
	Info struct {
		Vault   sealift.VaultID
		App     sealift.AppID
		Device  sealift.DeviceID
		Channel sealift.Channel
		Epoch   uint64
		Archive sealift.Digest
	}
	ContentKey []byte
	HPKE       []struct {
		KEM, KDF, AEAD                   uint16
		DeviceSeed, EpochSeed            []byte
		DevicePublicKey, EpochPublicKey  []byte
		SealedContentKey, SealedEpochKey []byte
	}
	Bundle struct {
		Files []struct {
			Path       string
			Executable bool
			Content    string
		}
		Archive []byte
		Digest  sealift.Digest
		Length  int64
		Sealed  []byte
	}
	Tink struct {
		Associated, Header, Key, SealedSHA256 string
		PlaintextLength, SealedLength         int
	}
}

func readVectors(t *testing.T) (v vectors) {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVectorsOfKeys(t *testing.T) {
	v := readVectors(t)
	if len(v.HPKE) != 2 {
		t.Fatal("a vector for each suite is wanted")
	}
	for _, h := range v.HPKE {
		suite, err := ParseSuite(h.KEM, h.KDF, h.AEAD)
		if err != nil {
			t.Fatal(err)
		}
		device, epoch := privateKey(t, suite, h.DeviceSeed), privateKey(t, suite, h.EpochSeed)
		if !bytes.Equal(device.Public().Bytes, h.DevicePublicKey) || !bytes.Equal(epoch.Public().Bytes, h.EpochPublicKey) {
			t.Errorf("%v: other public keys come of the seeds", suite)
		}
		content, err := OpenContentKey(epoch, h.SealedContentKey, ContentKeyInfo{v.Info.App, v.Info.Channel, v.Info.Epoch, v.Info.Archive})
		if err != nil || !bytes.Equal(content[:], v.ContentKey) {
			t.Errorf("%v: content key: %v", suite, err)
		}
		opened, err := OpenEpochKey(device, h.SealedEpochKey, EpochKeyInfo{v.Info.Vault, v.Info.App, v.Info.Device, v.Info.Channel, v.Info.Epoch})
		if err != nil || opened.seed != epoch.seed || opened.suite != suite {
			t.Errorf("%v: epoch key: %v", suite, err)
		}
	}
}

func privateKey(t *testing.T, suite Suite, seed []byte) *PrivateKey {
	t.Helper()
	key, err := NewPrivateKey(suite, seed)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestVectorOfBundle(t *testing.T) {
	v := readVectors(t)
	want := tree{}
	for _, f := range v.Bundle.Files {
		want[f.Path] = leaf{f.Content, f.Executable}
	}
	id := Identity{v.Bundle.Digest, v.Bundle.Length}
	got := tree{}
	if err := Open(t.Context(), bytes.NewReader(v.Bundle.Sealed), id, v.Info.App, ContentKey(v.ContentKey), got, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if archive := archiveOf(t, want); !bytes.Equal(archive, v.Bundle.Archive) || sealift.DigestOf(archive) != id.Digest {
		t.Error("the files give another archive:", cmp.Diff(v.Bundle.Archive, archive))
	}
}

func archiveOf(t reporter, from tree) []byte {
	t.Helper()
	source, err := OpenSource(from.fs())
	if err != nil {
		t.Fatal(err)
	}
	var archive []byte
	err = source.writeArchive(t.Context(), nil, func(chunk []byte) error {
		archive = append(archive, chunk...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

// Under the salt and nonce prefix that Tink drew, our stream is Tink's.
func TestVectorOfTink(t *testing.T) {
	v := readVectors(t).Tink
	plain := make([]byte, v.PlaintextLength)
	for i := range plain {
		plain[i] = byte(i*7 + i>>8)
	}
	key, header := ContentKey(unhex(t, v.Key)), unhex(t, v.Header)
	sealed := bytes.NewBuffer(nil)
	w, err := sealUnderHeader(sealed, key, []byte(v.Associated), header)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(sealed.Bytes()); hex.EncodeToString(sum[:]) != v.SealedSHA256 || sealed.Len() != v.SealedLength {
		t.Errorf("%d bytes with SHA-256 %x", sealed.Len(), sum)
	}
	r, err := newOpeningReader(sealed, key, []byte(v.Associated))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plain) {
		t.Error("it does not open:", err)
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
