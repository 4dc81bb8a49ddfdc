package ceremony

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/strictjson"
)

// Role is what an offline key signs.
type Role string

// The offline roles.
const (
	RoleRoot    Role = "root"
	RoleTargets Role = "targets"
)

// KeyEntry is one key of the inventory.
type KeyEntry struct {
	Name   string `json:"name"` // "root-1"; its file is Name + ".key", unless it is in a token
	Role   Role   `json:"role"`
	Public []byte `json:"public"` // DER SubjectPublicKeyInfo
	// Token names the private half where it is in a PKCS#11 token (RFC 7512).
	Token string `json:"token,omitempty"`
	// Retired keys stay in the folder, and nothing trusts them any more.
	Retired bool `json:"retired,omitempty"`
	// Pending keys were made, and no root that the folder has lists them yet.
	Pending bool `json:"pending,omitempty"`
}

// ID is the trust.KeyID of the key.
func (k KeyEntry) ID() string { return sealift.DigestOf(k.Public).String() }

// Inventory says which keys a folder holds.
type Inventory struct {
	Vault     sealift.VaultID `json:"vault"`
	Threshold int             `json:"threshold"` // of each role
	Keys      []KeyEntry      `json:"keys"`
}

// live returns the keys of role that the folder's root lists, in order.
func (inv *Inventory) live(role Role) []KeyEntry {
	var out []KeyEntry
	for _, key := range inv.Keys {
		if key.Role == role && !key.Retired && !key.Pending {
			out = append(out, key)
		}
	}
	return out
}

// nextName returns a name of role that was never used: a key file that the
// inventory does not know may be that of a root on its way to the server.
func (f *Folder) nextName(role Role) string {
	next := 1
	for _, key := range f.Inventory.Keys {
		if n, err := strconv.Atoi(strings.TrimPrefix(key.Name, string(role)+"-")); err == nil && key.Role == role {
			next = max(next, n+1)
		}
	}
	for ; ; next++ {
		name := fmt.Sprintf("%s-%d", role, next)
		if _, err := os.Lstat(f.path(name)); err != nil { // writing it will tell, if it is not just absent
			return name
		}
	}
}

// Passphrases yields the passphrase of a key by its name; fresh says that the
// key is being made. It may ask a person.
type Passphrases func(name string, fresh bool) ([]byte, error)

// Folder is a keys folder.
type Folder struct {
	Dir       string
	Inventory Inventory
	Tokens    Tokens // nil: no key in a token can be used
	Places    Places // of keys that are made from now on
	// opened are the keys that were opened or made since, by name: a passphrase is
	// asked for once, and scrypt is slow on purpose.
	opened map[string]crypto.Signer
}

const (
	inventoryName = "inventory.json"
	rootName      = "root.json"
	targetsName   = "targets.json"
	trustName     = "trust.json"
	rotationName  = "rotation.json" // a proposal of the next root that the server may not have taken yet
)

// OpenFolder reads the inventory of an existing folder.
func OpenFolder(dir string) (*Folder, error) {
	const op = "opening the keys folder"
	data, err := readBounded(filepath.Join(dir, inventoryName), sealift.MaxTarget)
	if err != nil {
		return nil, fileError(op, err)
	}
	f := &Folder{Dir: dir}
	if err := strictjson.Unmarshal(data, sealift.MaxTarget, &f.Inventory); err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%s: %w", filepath.Join(dir, inventoryName), err)
	}
	if err := f.Inventory.check(); err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%s: %w", filepath.Join(dir, inventoryName), err).
			WithHint("bring the keys folder of the last ceremony, or a copy of it")
	}
	return f, nil
}

// check refuses an inventory that no ceremony wrote.
func (inv *Inventory) check() error {
	names := map[string]bool{}
	for _, key := range inv.Keys {
		switch {
		case strings.ContainsAny(key.Name, `/\`) || key.Name == "":
			return fmt.Errorf("key name %q is not allowed", key.Name)
		case names[key.Name]:
			return fmt.Errorf("there are two keys %s", key.Name)
		case key.Role != RoleRoot && key.Role != RoleTargets:
			return fmt.Errorf("key %s has the role %q", key.Name, key.Role)
		}
		names[key.Name] = true
	}
	for _, role := range []Role{RoleRoot, RoleTargets} {
		if n := len(inv.live(role)); inv.Threshold < 1 || inv.Threshold > n {
			return fmt.Errorf("%d of %d %s keys cannot sign", inv.Threshold, n, role)
		}
	}
	return nil
}

// Root returns the newest root.json of the folder.
func (f *Folder) Root() ([]byte, error) {
	data, err := readBounded(f.file(rootName), sealift.MaxRoot)
	if err != nil {
		return nil, fileError("reading root.json", err)
	}
	return data, nil
}

// create makes a key in its place, a file or a token, and enters it into the
// inventory in memory; save writes that.
func (f *Folder) create(role Role, passphrases Passphrases) (crypto.Signer, error) {
	name := f.nextName(role)
	op := "making key " + name
	var place string
	if place, f.Places = f.Places.take(role); place != "" {
		return f.createInToken(role, name, place)
	}
	passphrase, err := passphrases(name, true)
	if err != nil {
		return nil, err
	}
	key, err := newKey()
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	sealed, err := sealKey(key, passphrase)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%w", err)
	}
	path := f.path(name)
	if err := writeFile(path, sealed, false); err != nil {
		return nil, fileError(op, err)
	}
	f.enter(KeyEntry{Name: name, Role: role, Public: spki, Pending: true}, key)
	return key, nil
}

// enter puts a key that was made into the inventory in memory.
func (f *Folder) enter(entry KeyEntry, key crypto.Signer) {
	f.Inventory.Keys = append(f.Inventory.Keys, entry)
	f.remember(entry.Name, key)
}

func (f *Folder) remember(name string, key crypto.Signer) {
	if f.opened == nil {
		f.opened = map[string]crypto.Signer{}
	}
	f.opened[name] = key
}

// open opens the key of an entry and demands that it is the one entered.
func (f *Folder) open(entry KeyEntry, passphrases Passphrases) (crypto.Signer, error) {
	if key := f.opened[entry.Name]; key != nil {
		return key, nil
	}
	key, where, err := f.reach(entry, passphrases)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil || !slices.Equal(spki, entry.Public) {
		return nil, sealift.Errorf(sealift.KindIntegrity, "opening key "+entry.Name, "%s holds another key than the inventory says", where)
	}
	f.remember(entry.Name, key)
	return key, nil
}

// reach returns the key that is where an entry says, and where that is.
func (f *Folder) reach(entry KeyEntry, passphrases Passphrases) (key crypto.Signer, where string, err error) {
	if entry.Token != "" {
		tokens, err := f.tokens(entry.Name)
		if err != nil {
			return nil, "", err
		}
		key, err = tokens.Signer(entry.Token)
		return key, entry.Token, err
	}
	if _, err := os.Lstat(f.path(entry.Name)); err != nil { // then nobody need be asked
		return nil, "", fileError("opening key "+entry.Name, err)
	}
	passphrase, err := passphrases(entry.Name, false)
	if err != nil {
		return nil, "", err
	}
	key, err = openKey(f.path(entry.Name), entry.Name, passphrase)
	return key, f.path(entry.Name), err
}

func (f *Folder) path(name string) string { return filepath.Join(f.Dir, name+".key") }

// save writes documents and then the inventory, which makes them count.
func (f *Folder) save(documents map[string][]byte) error {
	const op = "writing the keys folder"
	for _, name := range []string{trustName, targetsName, rootName} {
		if content, ok := documents[name]; ok {
			if err := writeFile(f.file(name), content, true); err != nil {
				return fileError(op, err)
			}
		}
	}
	inventory, err := json.MarshalIndent(f.Inventory, "", "  ")
	if err != nil {
		return sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	if err := writeFile(f.file(inventoryName), append(inventory, '\n'), true); err != nil {
		return fileError(op, err)
	}
	return nil
}

// makeDir makes the folder of a new installation, for its owner alone.
func makeDir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fileError("making the keys folder", err)
	}
	return nil
}

// Alone reports whether one person holds everything: there is one key a role.
func (inv *Inventory) Alone() bool { return len(inv.live(RoleRoot)) <= 1 }
