package installation_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/rollout"
)

// identity is a device that is not enrolled yet.
type identity struct {
	id  sealift.DeviceID
	key []byte // as identity.pem
}

func (b *bench) identity() identity {
	b.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	b.check(err)
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	b.check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	b.check(err)
	return identity{sealift.DeviceIDOf(public), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})}
}

// TestOnePercentFirst: of two thousand devices the plan of whoever names none reaches
// one in a hundred first, and with each stage more. One of those that each stage adds is
// a real one, which takes the release then and not before.
func TestOnePercentFirst(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.makeApp("web")
	b.steer(b.rollOut("1.0.0", ""), api.RolloutSteerDoFinish)
	plan, err := json.Marshal(rollout.DefaultPlan())
	b.check(err)
	canary := b.rollOut("1.1.0", string(plan))
	stages, offered := rollout.DefaultPlan().Stages, b.offered()[0]
	if offered.Share != 100 || stages[0].Share != 100 {
		t.Fatalf("%s percent are offered it first", offered.Share)
	}
	adds := make([]int, len(stages)) // how many devices a stage adds
	real := make([]device, len(stages))
	for range 2000 {
		d := b.identity()
		stage := 0
		for rollout.Bucket(offered.Salt, d.id) >= int(stages[stage].Share) {
			stage++
		}
		if adds[stage]++; adds[stage] > 1 {
			continue
		}
		dir := t.TempDir()
		b.check(os.WriteFile(filepath.Join(dir, "identity.pem"), d.key, 0o600))
		if real[stage] = b.deviceIn(dir, nil); real[stage].agent.ID() != d.id {
			t.Fatal("it has another identity")
		}
	}
	t.Logf("the stages add %v of 2000 devices", adds)
	if adds[0] < 2 || adds[0] > 50 { // 20, and more than four times what chance may add or take
		t.Errorf("%d of 2000 devices are in the first percent", adds[0])
	}
	for stage := range stages {
		if stage > 0 {
			b.later(24 * time.Hour)
			b.look(1)
		}
		b.wantPhase(canary, api.RolloutPhaseRunning, float64(stages[stage].Share)/100)
		for i, d := range real {
			version := sealift.Version("1.0.0")
			if i <= stage {
				version = "1.1.0"
			}
			b.wantUpdate(d, version)
			d.report()
		}
	}
}
