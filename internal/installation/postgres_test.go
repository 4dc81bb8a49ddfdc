package installation_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/internal/config"
	"github.com/sealift/sealift/internal/control/problem"
	"github.com/sealift/sealift/internal/installation"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/postgres"
	"github.com/sealift/sealift/internal/store/postgrestest"
	"github.com/sealift/sealift/internal/vault"
)

// The API's word for it is the store's.
func TestAwayHasAStatus(t *testing.T) {
	if problem.ReasonDatabaseAway != store.ReasonAway {
		t.Errorf("%q is not %q", problem.ReasonDatabaseAway, store.ReasonAway)
	}
}

func foundingIn(dir, dsn string, passphrases ceremony.Passphrases) installation.Founding {
	return installation.Founding{
		Data: filepath.Join(dir, "data"), Keys: filepath.Join(dir, "keys"),
		Store:       config.Store{Kind: config.StorePostgres, DSN: config.DSN(dsn)},
		Quorum:      ceremony.Quorum{Keys: 1, Threshold: 1},
		Passphrases: passphrases,
	}
}

// newPostgresBench founds an installation over a database, first in vain.
func newPostgresBench(t *testing.T, dsn string) *bench {
	t.Helper()
	b := &bench{T: t, dir: t.TempDir(), clock: foundedAt}
	mistyped := errors.New("mistyped")
	f := foundingIn(b.dir, dsn, func(key string, _ bool) ([]byte, error) {
		if key == installation.VaultKey {
			return []byte(passphrase), nil
		}
		return nil, mistyped
	})
	f.Options.Now = b.now
	if _, err := installation.Found(b.Context(), f); !errors.Is(err, mistyped) {
		t.Fatalf("founding with a passphrase that was mistyped: %v", err)
	}
	f.Passphrases = func(string, bool) ([]byte, error) { return []byte(passphrase), nil }
	_, err := installation.Found(b.Context(), f)
	b.check(err) // the first attempt left nothing
	text, err := os.ReadFile(filepath.Join(b.dir, "keys", "owner.token"))
	b.check(err)
	b.token, err = access.ParseToken(strings.TrimSpace(string(text)))
	b.check(err)
	b.start()
	t.Cleanup(b.stop)
	return b
}

// TestOnPostgres publishes over a database, which goes away and comes back.
func TestOnPostgres(t *testing.T) {
	cluster := postgrestest.Start(t)
	t.Cleanup(func() { cluster.Run(t) })
	dsn := cluster.Schema(t)
	b := newPostgresBench(t, dsn)
	b.makeApp("web")
	if _, err := b.publish("1.0.0"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"vault.db", "vault.db-wal"} {
		if _, err := os.Stat(filepath.Join(b.dir, "data", name)); err == nil {
			t.Errorf("there is a %s", name)
		}
	}
	before, err := b.i.CheckLog(b.Context())
	b.check(err)

	cluster.Stop(t)
	_, err = b.publish("1.1.0")
	b.wantRefusal(err, sealift.KindNetwork, store.ReasonAway)
	_, err = b.api.Apps(b.Context())
	b.wantRefusal(err, sealift.KindNetwork, store.ReasonAway)
	if text := err.Error() + sealift.HintOf(err); strings.Contains(text, "PGSQL") {
		t.Errorf("the caller is told where the database is: %s", text)
	}
	b.wantRefusal(b.i.Fresh(b.Context()), sealift.KindNetwork, store.ReasonAway)
	_, err = b.i.CheckLog(b.Context())
	b.wantRefusal(err, sealift.KindNetwork, store.ReasonAway)
	file := filepath.Join(b.dir, "a.backup")
	_, err = installation.BackUp(b.Context(), filepath.Join(b.dir, "data"), installation.Backing{File: file, By: local, Now: b.now})
	b.wantRefusal(err, sealift.KindNetwork, store.ReasonAway)
	if _, err := os.Stat(file); err == nil {
		t.Error("there is a backup of a database that is away")
	}
	// Devices get what is published, database or none.
	resp, err := http.Get(b.server.URL + "/v1/metadata/timestamp.json")
	b.check(err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the timestamp: %s", resp.Status)
	}

	cluster.Run(t)
	if _, err := b.publish("1.1.0"); err != nil {
		t.Errorf("after the database is back: %v", err)
	}
	if offered := b.offered(); len(offered) == 0 {
		t.Error("nothing is offered")
	}
	after, err := b.i.CheckLog(b.Context())
	if b.check(err); after.Tree.N <= before.Tree.N {
		t.Errorf("the log had %d entries, and has %d", before.Tree.N, after.Tree.N)
	}
	wantOneServer(b, dsn)
}

// wantOneServer starts a copy of the data folder, and founds another
// installation on the database.
func wantOneServer(b *bench, dsn string) {
	b.Helper()
	copied := filepath.Join(b.TempDir(), "data")
	b.check(os.CopyFS(copied, os.DirFS(filepath.Join(b.dir, "data"))))
	b.check(os.Chmod(copied, 0o700))
	b.check(os.Chmod(filepath.Join(copied, "store.json"), 0o600))
	_, err := installation.Open(b.Context(), copied, installation.Options{})
	b.wantRefusal(err, sealift.KindConflict, "locked")
	other := foundingIn(b.TempDir(), dsn, func(string, bool) ([]byte, error) { return []byte(passphrase), nil })
	_, err = installation.Found(b.Context(), other)
	b.wantRefusal(err, sealift.KindConflict, "locked")
	b.stop()
	_, err = installation.Found(b.Context(), other)
	b.wantRefusal(err, sealift.KindConflict, "exists")
	if _, err := os.Stat(other.Keys); err == nil {
		b.Error("the keys of what was refused are there")
	}
	b.start()
	// Beside a server that runs.
	_, err = installation.RecoverOwner(b.Context(), filepath.Join(b.dir, "data"), vault.Passphrase(passphrase), audit.Actor{Kind: audit.System, ID: "test"}, b.now)
	b.check(err)
}

// TestDatabaseOfAKilledFounding has what a process left that was killed while it
// founded: the next founding says what is to be done.
func TestDatabaseOfAKilledFounding(t *testing.T) {
	dsn := postgrestest.Start(t).Schema(t)
	db, _, err := postgres.Create(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = installation.Found(t.Context(), foundingIn(t.TempDir(), dsn, func(string, bool) ([]byte, error) { return []byte(passphrase), nil }))
	if sealift.ReasonOf(err) != "exists" || !strings.Contains(sealift.HintOf(err), `DROP SCHEMA "test`) {
		t.Errorf("%v, hint %s", err, sealift.HintOf(err))
	}
}
