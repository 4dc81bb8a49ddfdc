package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sealift/sealift"
)

// StoreKind is what keeps a vault's rows.
type StoreKind string

// The kinds of store.
const (
	StoreSQLite   StoreKind = "sqlite"   // vault.db in the data folder
	StorePostgres StoreKind = "postgres" // a PostgreSQL database
)

// Store says where a vault's rows are.
type Store struct {
	Kind StoreKind `json:"store"`
	// DSN is the connection string of StorePostgres; it may hold a password.
	DSN DSN `json:"dsn"`
}

// DSN is a connection string. It prints as "[connection string]" under every
// verb of fmt.
type DSN string

// Format implements fmt.Formatter.
func (DSN) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[connection string]") }

// storeName is the file that says where the rows are, if not in the folder.
const storeName = "store.json"

// StoreOf says where the rows of a data folder are: where its store.json says,
// and else in its vault.db. KindNotFound if it has neither.
func StoreOf(dir string) (Store, error) {
	const op = "opening the data folder"
	store, err := readStore(filepath.Join(dir, storeName))
	if !errors.Is(err, fs.ErrNotExist) {
		return store, err
	}
	switch _, err := os.Stat(filepath.Join(dir, DatabaseName)); {
	case errors.Is(err, fs.ErrNotExist):
		return Store{}, sealift.Errorf(sealift.KindNotFound, op, "%s holds no vault", dir).
			WithHint("name the folder that sealift init made with --data, or make one with: sealift init --data DIR --keys DIR")
	case err != nil:
		return Store{}, sealift.Errorf(sealift.KindDenied, op, "%w", err).WithHint("run as the owner of %s", dir)
	}
	return Store{Kind: StoreSQLite}, nil
}

func readStore(path string) (Store, error) {
	const op = "reading where the rows are"
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Store{}, err
	case err != nil:
		return Store{}, sealift.Errorf(sealift.KindDenied, op, "%w", err).WithHint("run as the owner of %s", filepath.Dir(path))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Store{}, sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	if loose := info.Mode().Perm() & 0o077; loose != 0 {
		return Store{}, sealift.Errorf(sealift.KindDenied, op, "others may read or write %s (mode %04o)", path, info.Mode().Perm()).
			WithReason("permissions").WithHint("chmod 600 %s; if others could read it, change the password that it holds", path)
	}
	content, err := io.ReadAll(io.LimitReader(f, 2*sealift.MaxDSN))
	if err != nil {
		return Store{}, sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	var store Store
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	// What is wrong may quote the password, and so is not told.
	if decoder.Decode(&store) != nil || decoder.More() || store.Kind != StorePostgres || store.DSN == "" {
		return Store{}, sealift.Errorf(sealift.KindInvalid, op, "%s does not say it in the form that sealift init writes", path).
			WithHint(`write {"store":"postgres","dsn":"CONNECTION STRING"} into it, mode 600`)
	}
	return store, nil
}

// Save writes store.json into a data folder that has none, with mode 0600. A
// store in the folder itself needs no file.
func (s Store) Save(dir string) error {
	const op = "writing where the rows are"
	if s.Kind != StorePostgres {
		return nil
	}
	content, err := json.Marshal(struct {
		Kind StoreKind `json:"store"`
		DSN  string    `json:"dsn"`
	}{s.Kind, string(s.DSN)})
	if err != nil {
		return sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, storeName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	_, err = f.Write(append(content, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	return nil
}
