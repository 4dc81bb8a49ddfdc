package pkcs11

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/sealift/sealift"
)

// Options say how tokens are reached.
type Options struct {
	Helper string // path of sealift-pkcs11
	Tokens []URI  // each with the ModulePath by which it is reached
	// Env is the environment of the helper, as "NAME=value": modules read
	// variables of their own. What begins with SEALIFT_ stays out of it, since it
	// may be a secret.
	Env []string
	// PIN returns the PIN of the token that one of Tokens names. It is asked
	// whenever the token wants a login, also after the helper was started anew.
	// The caller of PIN clears what it returns.
	PIN func(ctx context.Context, token URI) ([]byte, error)
	Log *slog.Logger // nil for none
}

// Tokens reaches keys in tokens. All methods are safe for concurrent use, and
// take names of keys as URIs in text, since that is how they are kept. Errors are
// of the kinds that the Reasons of this package name; ctx's own where ctx ended.
type Tokens struct {
	reach   []*reach
	helpers map[string]*helper // by module
}

// reach is one token of Options.Tokens.
type reach struct {
	uri    URI
	helper *helper
	pin    func(ctx context.Context, token URI) ([]byte, error)

	turn    chan struct{} // one login at a time
	refused []byte        // the last PIN that the token refused
}

// New returns the tokens that o tells of. It starts nothing yet. It is
// KindInvalid where one has no module-path, or two cannot be told apart.
func New(o Options) (*Tokens, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	var env []string
	for _, variable := range o.Env {
		if !strings.HasPrefix(variable, "SEALIFT_") {
			env = append(env, variable)
		}
	}
	if env == nil {
		env = []string{} // nil would mean all of this process's
	}
	t := &Tokens{helpers: map[string]*helper{}}
	for _, uri := range o.Tokens {
		if uri.ModulePath == "" {
			return nil, sealift.Errorf(sealift.KindInvalid, "preparing for PKCS#11 tokens", "%s does not say which library reaches the token", uri).WithReason(ReasonURI).
				WithHint("add the vendor's: ?module-path=/usr/lib/…")
		}
		for _, other := range t.reach {
			if other.uri.OfToken().String() == uri.OfToken().String() {
				return nil, sealift.Errorf(sealift.KindInvalid, "preparing for PKCS#11 tokens", "%s is named twice", uri.OfToken()).WithReason(ReasonURI)
			}
		}
		h, ok := t.helpers[uri.ModulePath]
		if !ok {
			h = &helper{program: o.Helper, module: uri.ModulePath, env: env, log: o.Log}
			t.helpers[uri.ModulePath] = h
		}
		t.reach = append(t.reach, &reach{uri: uri, helper: h, pin: o.PIN, turn: make(chan struct{}, 1)})
	}
	return t, nil
}

// Close ends the helpers and forgets what was remembered of PINs.
func (t *Tokens) Close() error {
	if t == nil {
		return nil
	}
	for _, h := range t.helpers {
		h.close()
	}
	for _, r := range t.reach {
		clear(r.refused)
	}
	return nil
}

// reachOf finds how to reach the token of a key, and returns the key's URI
// without its query.
func (t *Tokens) reachOf(op, uri string) (*reach, URI, error) {
	key, err := ParseURI(uri)
	if err != nil {
		return nil, URI{}, err
	}
	var fits []*reach
	for _, r := range t.all() {
		if r.uri.reaches(key) {
			fits = append(fits, r)
		}
	}
	switch len(fits) {
	case 0:
		return nil, URI{}, sealift.Errorf(sealift.KindNotFound, op, "nothing says how to reach the token %s", key.OfToken()).WithReason(ReasonUnknown).
			WithHint("say it with: --pkcs11 '%s?module-path=/usr/lib/…&pin-source=file:FILE'", key.OfToken())
	case 1:
		return fits[0], key.Names(), nil
	}
	return nil, URI{}, sealift.Errorf(sealift.KindConflict, op, "%d tokens may hold %s", len(fits), key.Names()).WithReason(ReasonAmbiguous).
		WithHint("name the token in the key's URI: pkcs11:token=NAME;object=…")
}

// Reached returns how tokens are reached, as Options.Tokens says.
func (t *Tokens) Reached() (uris []URI) {
	for _, r := range t.all() {
		uris = append(uris, r.uri)
	}
	return uris
}

func (t *Tokens) all() []*reach {
	if t == nil {
		return nil
	}
	return t.reach
}

// ask sends a request about a key, logging in where the token wants that.
func (t *Tokens) ask(ctx context.Context, op, uri string, r Request) (Reply, error) {
	to, key, err := t.reachOf(op, uri)
	if err != nil {
		return Reply{}, err
	}
	// The token's own attributes go along, so that the helper looks for one.
	at := to.uri.OfToken()
	at.Object, at.ID, at.Type = key.Object, key.ID, key.Type
	r.URI = at.String()
	life := sealift.TokenTimeout
	if r.Op == OpGenerate {
		life = sealift.TokenGenerateTimeout
	}
	return to.ask(ctx, op, r, life)
}

// ask asks at most twice: some modules go on with what they remember of a token
// that was pulled out, but for its keys. So where a key is not found, a fresh
// module is asked, which knows whether the token is there.
func (to *reach) ask(ctx context.Context, op string, r Request, life time.Duration) (Reply, error) {
	reply, born, err := to.askOnce(ctx, op, r, life)
	if err == nil && isMissing(r, reply) {
		to.helper.renew(born)
		reply, born, err = to.askOnce(ctx, op, r, life)
	}
	if err != nil {
		return Reply{}, err
	}
	switch reply.Code {
	case CodeAbsent, CodeDevice:
		// A fresh module finds a token that is back; one that was confused is no more.
		to.helper.renew(born)
	}
	return reply, errorOf(op, reply)
}

func isMissing(r Request, reply Reply) bool {
	if r.Op == OpKeys && reply.Code == "" && len(reply.Keys) == 0 {
		u, err := ParseURI(r.URI)
		return err == nil && u.NamesKey()
	}
	return reply.Code == CodeNoKey
}

func (to *reach) askOnce(ctx context.Context, op string, r Request, life time.Duration) (Reply, *run, error) {
	reply, born, err := to.helper.do(ctx, r, life)
	if err == nil && reply.Code == CodeLogin {
		if err = to.login(ctx, op); err == nil {
			reply, born, err = to.helper.do(ctx, r, life)
		}
	}
	return reply, born, err
}

// login logs in, one caller at a time. Where the one before did so, the helper
// knows, and does not use the PIN.
func (to *reach) login(ctx context.Context, op string) error {
	select {
	case to.turn <- struct{}{}:
		defer func() { <-to.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if to.pin == nil {
		return sealift.Errorf(sealift.KindDenied, op, "the token wants a PIN, and none is at hand").WithReason(ReasonPIN).
			WithHint("name the file that holds it: pin-source=file:FILE")
	}
	pin, err := to.pin(ctx, to.uri)
	if err != nil {
		return err
	}
	defer clear(pin)
	if to.refused != nil && bytes.Equal(pin, to.refused) {
		return errorOf(op, Reply{Code: CodePIN, Detail: "it is the one that the token refused before"})
	}
	reply, _, err := to.helper.do(ctx, Request{Op: OpLogin, URI: to.uri.OfToken().String(), PIN: pin}, sealift.TokenTimeout)
	if err != nil {
		return err
	}
	if reply.Code == CodePIN {
		clear(to.refused)
		to.refused = bytes.Clone(pin)
	}
	return errorOf(op, reply)
}

// Login logs in to every token, so that a wrong PIN, or none, is known before a
// key is needed. Where tokens are not there, which may come later, the others are
// logged in to and the error is KindNetwork; any other error ends it at once.
func (t *Tokens) Login(ctx context.Context) error {
	var absent []error
	for _, to := range t.all() {
		switch err := to.login(ctx, "logging in to "+to.uri.OfToken().String()); {
		case sealift.KindOf(err) == sealift.KindNetwork:
			absent = append(absent, err)
		case err != nil:
			return err
		}
	}
	return errors.Join(absent...)
}

// List returns the tokens that each module finds, whether or not they are among
// Options.Tokens.
func (t *Tokens) List(ctx context.Context) ([]TokenInfo, error) {
	var all []TokenInfo
	for _, h := range t.helpers {
		reply, _, err := h.do(ctx, Request{Op: OpTokens, URI: scheme}, sealift.TokenTimeout)
		if err = errors.Join(err, errorOf("listing tokens", reply)); err != nil {
			return nil, err
		}
		all = append(all, reply.Tokens...)
	}
	return all, nil
}
