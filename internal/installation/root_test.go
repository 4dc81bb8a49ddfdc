package installation_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/sealifttest"
)

func TestRenewal(t *testing.T) {
	b := newBench(t)
	b.makeApp("web")
	first := b.metadata().TrustedTime()
	b.clock = b.clock.Add(30 * time.Minute)
	b.check(b.i.Fresh(b.Context()))
	if got := b.metadata().TrustedTime(); !got.Equal(first) {
		t.Errorf("renewed after half an hour: %v, before %v", got, first)
	}
	b.clock = b.clock.Add(31 * time.Minute)
	b.check(b.i.Fresh(b.Context()))
	if got := b.metadata().TrustedTime(); !got.Equal(b.clock) {
		t.Errorf("trusted time %v, want %v", got, b.clock)
	}
	// Bins and snapshot live 14 days; renewed hourly they never end.
	for range 20 {
		b.clock = b.clock.Add(24 * time.Hour)
		b.check(b.i.Fresh(b.Context()))
		b.metadata()
	}
}

// TestDevicesEnrolForAsLongAsTheVaultRuns: the certificate of the vault's
// answers lives 90 days and is renewed in time.
func TestDevicesEnrolForAsLongAsTheVaultRuns(t *testing.T) {
	b := newBench(t)
	b.makeApp("web")
	first, err := apiclient.New(b.server.URL, bearer{b.server.Client(), b.token})
	b.check(err)
	for range 8 {
		b.clock = b.clock.Add(30 * 24 * time.Hour)
		_, err := first.Apps(b.Context())
		b.wantRefusal(err, sealift.KindDenied, access.ReasonUnauthenticated) // the owner's token was for a day
		b.check(b.i.Fresh(b.Context()))
		token, _, err := b.api.CreateEnrolmentToken(b.Context(), app, api.NewEnrolmentToken{ExpiresIn: 3600})
		b.check(err)
		root, err := os.ReadFile(filepath.Join(b.dir, "keys", "root.json"))
		b.check(err)
		device, err := client.Open(client.Config{
			Server: b.server.URL, App: app, Channel: "production", Platform: "web", Runtime: "1.0.0",
			Dir: b.TempDir(), Root: root, Host: hostAt{client.NewSystem(), b.now},
		})
		b.check(err)
		if err := device.Enrol(b.Context(), token); err != nil {
			t.Errorf("after %s: %v", b.clock.Sub(foundedAt), err)
		}
		b.check(device.Close())
	}
}

// proposeRoot signs a next root with all keys at hand.
func (b *bench) proposeRoot(folder *ceremony.Folder, change ceremony.RootChange) *ceremony.Proposal {
	b.Helper()
	p, err := folder.ProposeRoot(change, b.anchors(), sayPassphrase, b.now())
	b.check(err)
	_, err = folder.Review(p)
	b.check(err)
	b.check(folder.Sign(p, sayPassphrase))
	b.check(folder.Wait(p))
	return p
}

func sayPassphrase(string, bool) ([]byte, error) { return []byte(passphrase), nil }

func (b *bench) keysFolder() *ceremony.Folder {
	b.Helper()
	folder, err := ceremony.OpenFolder(filepath.Join(b.dir, "keys"))
	b.check(err)
	return folder
}

func TestRotateRoot(t *testing.T) {
	b := newBench(t)
	b.makeApp("web")
	_, err := b.publish("1.0.0")
	b.check(err)
	for version := int64(2); version < 5; version++ {
		folder := b.keysFolder()
		p := b.proposeRoot(folder, ceremony.RootChange{Replace: folder.LiveKeys(ceremony.RoleRoot)})
		accepted, err := b.api.AcceptRoot(b.Context(), api.Ceremony{Root: p.Next})
		b.check(err)
		if accepted.Version != version {
			t.Errorf("version %d, want %d", accepted.Version, version)
		}
		if version == 3 { // interrupted before the folder followed: the next one finds out
			folder = b.keysFolder()
			if p, err = folder.Waiting(); err != nil || p == nil {
				t.Fatalf("the interrupted rotation does not wait: %v", err)
			}
		}
		if followed, err := folder.Finish(p); err != nil || !followed {
			t.Errorf("followed %t, %v", followed, err)
		}
	}
	if got := b.offered(); len(got) != 1 { // a device that knows root 1 alone follows
		t.Errorf("offered %v", got)
	}
	_, err = b.publish("1.1.0")
	b.check(err)

	// A root that the present quorum did not sign.
	strange, err := sealifttest.New(b.clock)
	b.check(err)
	b.check(strange.RotateRoot(nil))
	foreign := strange.File("metadata/2.root.json")
	_, err = b.api.AcceptRoot(b.Context(), api.Ceremony{Root: foreign})
	b.wantRefusal(err, sealift.KindMetadata, "root")
}
