package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/config"
)

func TestStoreOf(t *testing.T) {
	dir := t.TempDir()
	want := func(store config.Store, kind sealift.Kind, reason string) {
		t.Helper()
		got, err := config.StoreOf(dir)
		if got != store || sealift.KindOf(err) != kind || sealift.ReasonOf(err) != reason || (err != nil) != (sealift.HintOf(err) != "") {
			t.Errorf("%+v, %v (kind %q, reason %q, hint %q)", got.Kind, err, sealift.KindOf(err), sealift.ReasonOf(err), sealift.HintOf(err))
		}
		if strings.Contains(fmt.Sprint(err, sealift.HintOf(err)), "secret") {
			t.Errorf("the password is in %v", err)
		}
	}
	want(config.Store{}, sealift.KindNotFound, "")
	write := func(name, content string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("vault.db", "", 0o600)
	want(config.Store{Kind: config.StoreSQLite}, "", "")
	if err := (config.Store{}).Save(dir); err != nil {
		t.Error(err)
	}
	want(config.Store{Kind: config.StoreSQLite}, "", "")

	// A database goes before a file.
	database := config.Store{Kind: config.StorePostgres, DSN: "postgres://u:secret@localhost/d"}
	if err := database.Save(dir); err != nil {
		t.Fatal(err)
	}
	want(database, "", "")
	if info, err := os.Stat(filepath.Join(dir, "store.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("store.json: %v, %v", info.Mode(), err)
	}
	if err := database.Save(dir); err == nil {
		t.Error("it was written over")
	}
	write("store.json", `{"store":"postgres","dsn":"secret"}`, 0o640)
	want(config.Store{}, sealift.KindDenied, "permissions")
	for _, bent := range []string{
		"", "{}", "secret", `{"store":"oracle","dsn":"secret"}`, `{"store":"postgres","dsn":""}`, `{"store":"sqlite","dsn":"secret"}`,
		`{"store":"postgres","dsn":"secret","x":1}`, `{"store":"postgres","dsn":"secret"}{}`, `{"store":"postgres","dsn":{"secret":1}}`,
	} {
		write("store.json", bent, 0o600)
		want(config.Store{}, sealift.KindInvalid, "")
	}
}

func TestDSNDoesNotPrint(t *testing.T) {
	store := config.Store{Kind: config.StorePostgres, DSN: "secret"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if text := fmt.Sprintf(verb+" "+verb, store, &store.DSN); strings.Contains(text, "secret") || strings.Contains(text, "736563") {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}
