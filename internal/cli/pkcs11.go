package cli

import (
	"context"
	"crypto"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/internal/pkcs11"
	"github.com/sealift/sealift/internal/term"
)

// The environment variables for PKCS#11 tokens: URIs as --pkcs11 takes them,
// with spaces between, and the path of the helper.
const (
	envPKCS11 = "SEALIFT_PKCS11"
	envHelper = "SEALIFT_PKCS11_HELPER"
)

// PKCS11Options are the flags of a command that may need keys in PKCS#11
// tokens: embed it.
type PKCS11Options struct {
	PKCS11 []string `name:"pkcs11" sep:"none" placeholder:"URI" help:"How to reach a PKCS#11 token: pkcs11:token=NAME?module-path=FILE&pin-source=file:FILE, in quotes. May be repeated. Without pin-source: a prompt. Without it: $$SEALIFT_PKCS11."`
}

// Tokens returns the tokens that the flags, or the environment, tell of, and
// those of keys whose URIs say themselves how to reach them. Close it.
func (o PKCS11Options) Tokens(std *IO, keys ...string) (*pkcs11.Tokens, error) {
	from := o.PKCS11
	if len(from) == 0 {
		v, _ := std.Env(envPKCS11)
		from = strings.Fields(v)
	}
	var reach []pkcs11.URI
	for _, text := range from {
		u, err := pkcs11.ParseURI(text)
		if err != nil {
			return nil, err
		}
		if u.NamesKey() {
			return nil, usage("--pkcs11 names a token, and %s a key in it", u.Names()).WithHint("leave out object and id")
		}
		reach = append(reach, u)
	}
	for _, text := range keys {
		u, err := pkcs11.ParseURI(text)
		if err != nil {
			return nil, err
		}
		token := u.OfToken()
		token.ModulePath, token.PINSource = u.ModulePath, u.PINSource
		if token.ModulePath != "" && !slices.ContainsFunc(reach, func(r pkcs11.URI) bool { return r.String() == token.String() }) {
			reach = append(reach, token)
		}
	}
	program, err := helperProgram(std)
	if err != nil {
		return nil, err
	}
	pins := &pins{std: std, typed: map[string]term.Secret{}}
	return pkcs11.New(pkcs11.Options{Helper: program, Tokens: reach, Env: std.Environ, PIN: pins.of, Log: newLog(std)})
}

// named is Tokens for a command that has nothing to do without one.
func (o PKCS11Options) named(std *IO, keys ...string) (*pkcs11.Tokens, error) {
	tokens, err := o.Tokens(std, keys...)
	if err == nil && len(tokens.Reached()) == 0 {
		err = usage("no token is named").WithHint("say how to reach it: --pkcs11 'pkcs11:token=NAME?module-path=/usr/lib/…&pin-source=file:FILE', or set %s", envPKCS11)
	}
	return tokens, err
}

// ready is Tokens for a server: PINs are asked for now, since nobody is there
// later. A token that is not there is waited for; a wrong PIN is an error.
func (o PKCS11Options) ready(ctx context.Context, std *IO) (*pkcs11.Tokens, error) {
	tokens, err := o.Tokens(std)
	if err != nil {
		return nil, err
	}
	switch err := tokens.Login(ctx); {
	case sealift.KindOf(err) == sealift.KindNetwork:
		std.Warn("%v\nthe server goes on without it: %s", err, sealift.HintOf(err))
	case err != nil:
		return nil, errors.Join(err, tokens.Close())
	}
	return tokens, nil
}

// helperProgram is the path of sealift-pkcs11: beside this program, unless the
// environment names another.
func helperProgram(std *IO) (string, error) {
	if path, _ := std.Env(envHelper); path != "" {
		if !filepath.IsAbs(path) {
			return "", sealift.Errorf(sealift.KindInvalid, "reading "+envHelper, "%q is no absolute path", path)
		}
		return path, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", sealift.Errorf(sealift.KindInternal, "looking for sealift-pkcs11", "%w", err).WithHint("name it in %s", envHelper)
	}
	return filepath.Join(filepath.Dir(self), "sealift-pkcs11"), nil
}

// pins reads PINs. One that was typed is kept, since the token wants it again
// whenever its helper was started anew.
type pins struct {
	std   *IO
	mu    sync.Mutex
	typed map[string]term.Secret // by the token
}

// of implements pkcs11.Options.PIN. A file is read each time, so that it can be
// corrected.
func (p *pins) of(ctx context.Context, token pkcs11.URI) ([]byte, error) {
	name := token.OfToken().String()
	if token.PINSource != "" {
		secret, err := term.ReadSecretFile(token.PINSource, "PIN of "+name)
		return secret.Bytes(), err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if secret, ok := p.typed[name]; ok {
		return slices.Clone(secret.Bytes()), nil
	}
	if !term.IsTerminal(p.std.In) {
		return nil, sealift.Errorf(sealift.KindInvalid, "reading PIN of "+name, "none was given, and there is no terminal to ask on").
			WithReason(pkcs11.ReasonPIN).WithHint("name its file, readable by you only: --pkcs11 '%s?module-path=…&pin-source=file:FILE'", name)
	}
	secret, err := term.Prompt(ctx, p.std.In, p.std.Err, "PIN of "+name+": ")
	if err != nil {
		return nil, err
	}
	p.typed[name] = secret
	return slices.Clone(secret.Bytes()), nil
}

// folder opens a keys folder whose keys may be in tokens: those that the flags
// tell of, and those of keys that are to be made. Call done when it has been used.
func (o PKCS11Options) folder(ctx context.Context, std *IO, dir string, made ...string) (f *ceremony.Folder, done func() error, err error) {
	if f, err = ceremony.OpenFolder(dir); err != nil {
		return nil, nil, err
	}
	tokens, err := o.Tokens(std, made...)
	if err != nil {
		return nil, nil, err
	}
	f.Tokens = peoplesTokens{ctx, tokens}
	return f, tokens.Close, nil
}

// byToken adds to an error of opening the vault by its token what else opens it.
func byToken(err error) error {
	if err == nil {
		return nil
	}
	hint := "or open it with the recovery key: --passphrase-file vault=FILE"
	if own := sealift.HintOf(err); own != "" {
		hint = own + "; " + hint
	}
	return sealift.Errorf(sealift.KindOf(err), "opening the vault by its token", "%w", err).WithHint("%s", hint)
}

// peoplesTokens is ceremony.Tokens for the time of a command.
type peoplesTokens struct {
	ctx    context.Context // package ceremony has no room for one
	tokens interface {
		Signer(ctx context.Context, uri string) (crypto.Signer, error)
		Generate(ctx context.Context, uri, algorithm string) (pkcs11.Key, error)
	}
}

// Signer implements ceremony.Tokens.
func (p peoplesTokens) Signer(uri string) (crypto.Signer, error) { return p.tokens.Signer(p.ctx, uri) }

// Generate implements ceremony.Tokens.
func (p peoplesTokens) Generate(uri, algorithm string) (string, error) {
	key, err := p.tokens.Generate(p.ctx, uri, algorithm)
	return key.URI, err
}
