package bench

import (
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store/sqlite"
	"github.com/sealift/sealift/internal/vault"
)

// measureVault measures what the server's own work costs.
func measureVault(b *testing.B, r *report) {
	say("signing in the vault, and appending to the log")
	s := r.section("The vault")
	v := newVault(b)
	v.sign(1, 1) // the first one warms what the others find warm
	s.add("signatures, each in a transaction of its own, with its entries in the log, synced", v.sign(300, 1), "a second", "")
	s.add("signatures, 256 in one transaction, as when all bins are renewed", v.sign(4, 256), "a second", "")
	s.add("log entries, each in a transaction of its own, synced", 1e9/goBench(b, "./internal/store/sqlite", "BenchmarkAppend", "300x")["ns/op"], "a second", "")
	s.add("log entries verified, hashes and checkpoint", 1e9/goBench(b, "./internal/audit", "BenchmarkVerify", "5x")["ns/entry"], "a second", "")
	s.add("passphrase to unsealed vault: one Argon2id", v.unseal(), "ms", "")
	s.remark("Ed25519, software provider, SQLite with WAL and synchronous=FULL: where each transaction is synced, the disk decides.")
}

var operator = audit.Actor{Kind: audit.System, ID: "bench"}

// vaultUnderTest is an unsealed vault with one key.
type vaultUnderTest struct {
	*testing.B
	*vault.Vault
	passphrase []byte
}

func newVault(b *testing.B) *vaultUnderTest {
	db, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "vault.db"))
	check(b, err)
	v := &vaultUnderTest{b, vault.New(db), []byte(rand.Text())}
	b.Cleanup(func() {
		v.Close()
		check(b, db.Close())
	})
	check(b, v.Init(b.Context(), "00112233445566778899aabbccddeeff", vault.Secrets{Unseal: vault.Passphrase(v.passphrase)}, operator, time.Now(), func(tx *vault.Tx) error {
		_, err := v.Create(b.Context(), tx, vault.CreateRequest{ID: "director", Purpose: "director", Owner: "bench"}, operator, time.Now())
		return err
	}))
	return v
}

// sign makes so many transactions of so many signatures and returns the
// signatures a second.
func (v *vaultUnderTest) sign(transactions, signatures int) float64 {
	ctx := v.Context()
	begin := time.Now()
	for i := range transactions {
		check(v, v.Update(ctx, func(tx *vault.Tx) error { return v.signIn(ctx, tx, i, signatures) }))
	}
	return float64(transactions*signatures) / time.Since(begin).Seconds()
}

func (v *vaultUnderTest) signIn(ctx context.Context, tx *vault.Tx, number, signatures int) error {
	signer, err := v.Signer(ctx, tx, vault.Use{
		Purpose: "director", Key: vault.Ref{ID: "director"}, Actor: operator, Why: vault.Why{Action: "bench"}, Now: time.Now(),
	})
	for i := 0; err == nil && i < signatures; i++ {
		_, err = signer.Sign(rand.Reader, fmt.Appendf(nil, "document %d of %d", i, number), crypto.Hash(0))
	}
	return err
}

// unseal returns the milliseconds from a passphrase to an open vault.
func (v *vaultUnderTest) unseal() float64 {
	var all []float64
	for range 5 {
		v.Close()
		begin := time.Now()
		check(v, errors.Join(v.Unseal(v.Context(), vault.Passphrase(v.passphrase), operator, time.Now())))
		all = append(all, time.Since(begin).Seconds()*1000)
	}
	return median(all)
}
