package term

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"

	"github.com/sealift/sealift"
)

// MaxSecret bounds a passphrase or token, in bytes: people's are under 100, and
// a longer file is another file named by mistake.
const MaxSecret = 1 << 10

// Secret is a passphrase or token. It prints as "[secret]" under every verb and
// encoder, and as an address inside of a struct's unexported field, where fmt
// does not ask. The zero Secret is empty.
type Secret struct{ text *[]byte }

// NewSecret takes text over: Clear will overwrite it.
func NewSecret(text []byte) Secret { return Secret{&text} }

// Bytes returns the secret itself, until Clear.
func (s Secret) Bytes() []byte {
	if s.text == nil {
		return nil
	}
	return *s.text
}

// Clear overwrites the secret with zeros. Copies that Go made are not reached.
func (s Secret) Clear() { clear(s.Bytes()) }

// Format implements fmt.Formatter: it writes "[secret]", whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// String returns "[secret]".
func (s Secret) String() string { return "[secret]" }

// MarshalText implements encoding.TextMarshaler, and so encoding/json and slog,
// with "[secret]".
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// ReadSecretFile reads the passphrase or token that is alone in the file at
// path; what names it in errors ("passphrase"). One trailing newline is taken
// off. The file must be a regular file or a pipe that only its owner may read
// (no group or world bits; Windows has no such bits), not empty and at most
// MaxSecret bytes. Its content is in no error.
func ReadSecretFile(path, what string) (Secret, error) {
	return ReadLongSecretFile(path, what, MaxSecret)
}

// ReadLongSecretFile is ReadSecretFile for what may have most bytes, such as a
// private key.
func ReadLongSecretFile(path, what string, most int) (Secret, error) {
	return readSecretFile(path, what, most, func(loose error) error { return loose })
}

// ReadForeignSecretFile is ReadLongSecretFile for a file that another program wrote,
// with a mode that nobody chose: what would be refused about the mode is loose.
func ReadForeignSecretFile(path, what string, most int) (secret Secret, loose, err error) {
	secret, err = readSecretFile(path, what, most, func(err error) error { loose = err; return nil })
	return secret, loose, err
}

// readSecretFile asks mode what to do about one that lets others at the file.
func readSecretFile(path, what string, most int, mode func(loose error) error) (Secret, error) {
	op := "reading " + what
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Secret{}, sealift.Errorf(sealift.KindNotFound, op, "%w", err).
			WithHint("write the %s alone into that file, readable by you only: chmod 600 %s", what, path)
	case err != nil:
		return Secret{}, sealift.Errorf(sealift.KindInvalid, op, "%w", err).
			WithHint("the file must be readable by the user who runs sealift")
	}
	defer f.Close()
	// The open file is asked, not the path: nobody can swap it in between.
	info, err := f.Stat()
	if err != nil {
		return Secret{}, sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	if kind := info.Mode().Type(); kind != 0 && kind != fs.ModeNamedPipe {
		return Secret{}, sealift.Errorf(sealift.KindInvalid, op, "%s is not a file", path).
			WithHint("name a regular file or a pipe")
	}
	if loose := info.Mode().Perm() & 0o077; loose != 0 && runtime.GOOS != "windows" {
		if err := mode(looseMode(op, path, info)); err != nil {
			return Secret{}, err
		}
	}
	// Three more than allowed: with a newline of two bytes taken off, what is too
	// long still shows.
	data, err := io.ReadAll(io.LimitReader(f, int64(most)+3))
	if err != nil {
		return Secret{}, sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	data = trimNewline(data)
	switch {
	case len(data) == 0:
		return Secret{}, sealift.Errorf(sealift.KindInvalid, op, "%s is empty", path).
			WithHint("write the %s alone into that file", what)
	case len(data) > most:
		clear(data)
		return Secret{}, sealift.Errorf(sealift.KindInvalid, op, "%s is longer than %d bytes", path, most).
			WithHint("name a file that holds the %s alone", what)
	}
	return NewSecret(data), nil
}

func looseMode(op, path string, info fs.FileInfo) error {
	return sealift.Errorf(sealift.KindInvalid, op, "%s may be read or written by others (mode %04o)", path, info.Mode().Perm()).
		WithReason("loose-mode").WithHint("chmod 600 %s", path)
}

func trimNewline(data []byte) []byte {
	if rest, ok := bytes.CutSuffix(data, []byte("\n")); ok {
		return bytes.TrimSuffix(rest, []byte("\r"))
	}
	return data
}
