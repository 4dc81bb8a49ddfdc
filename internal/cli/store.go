package cli

import (
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/config"
	"github.com/sealift/sealift/internal/term"
)

// StoreOptions are the flags of a command that makes a data folder: embed it.
type StoreOptions struct {
	Store   string `default:"sqlite" enum:"sqlite,postgres" placeholder:"KIND" help:"What keeps the vault's rows: sqlite, a file in the data folder; or postgres, a database (see sealift help postgres)."`
	DSNFile string `name:"store-dsn-file" placeholder:"FILE" help:"With --store postgres: file with the connection string, readable by you only. It is copied into the data folder."`
}

// Read returns where the rows are to be.
func (o StoreOptions) Read() (config.Store, error) {
	const op = "reading --store-dsn-file"
	kind := config.StoreKind(o.Store)
	switch {
	case kind == config.StoreSQLite && o.DSNFile == "":
		return config.Store{Kind: kind}, nil
	case kind == config.StoreSQLite:
		return config.Store{}, sealift.Errorf(sealift.KindInvalid, op, "a file needs no connection string").WithHint("add --store postgres, or leave it out")
	case o.DSNFile == "":
		return config.Store{}, sealift.Errorf(sealift.KindInvalid, op, "none was given").
			WithHint("write the connection string into a file, chmod 600 it, and name it: --store-dsn-file FILE")
	}
	if strings.Contains(o.DSNFile, "://") || strings.Contains(o.DSNFile, "password=") {
		return config.Store{}, sealift.Errorf(sealift.KindInvalid, op, "it names a file that holds the connection string").
			WithHint("an argument is seen by every user of this machine: change a password that was in it")
	}
	secret, err := term.ReadSecretFile(o.DSNFile, "connection string")
	if err != nil {
		return config.Store{}, err
	}
	defer secret.Clear()
	return config.Store{Kind: kind, DSN: config.DSN(secret.Bytes())}, nil
}
