//go:build cgo

package main

import (
	"errors"
	"fmt"
	"sync"

	p11 "github.com/miekg/pkcs11"

	"github.com/sealift/sealift/internal/pkcs11"
)

// module is a loaded vendor library.
type module struct {
	ctx     *p11.Ctx
	library string

	mu    sync.Mutex
	slots map[uint]*slot
}

// slot is a token that is in use.
type slot struct {
	ctx  *p11.Ctx
	id   uint
	info pkcs11.URI // what names the token

	mu       sync.Mutex
	loggedIn bool
	held     p11.SessionHandle   // stays open while loggedIn
	idle     []p11.SessionHandle // others, not in use
	found    map[string]object   // keys in use, by their URI
}

// maxIdle is how many sessions of a token wait for the next request.
const maxIdle = 8

// tokens lists the tokens that are there.
func (m *module) tokens() ([]pkcs11.TokenInfo, error) {
	ids, err := m.ctx.GetSlotList(true)
	if err != nil {
		return nil, err
	}
	var all []pkcs11.TokenInfo
	for _, id := range ids {
		info, err := m.ctx.GetTokenInfo(id)
		if isGone(err) {
			continue // pulled just now
		}
		if err != nil {
			return nil, err
		}
		const ready = p11.CKF_TOKEN_INITIALIZED | p11.CKF_USER_PIN_INITIALIZED
		all = append(all, pkcs11.TokenInfo{
			URI: tokenURI(info).String(), Slot: uint64(id), Ready: info.Flags&ready == ready, PIN: pinState(info.Flags),
		})
	}
	return all, nil
}

func tokenURI(info p11.TokenInfo) pkcs11.URI {
	return pkcs11.URI{
		Token: clean(trim(info.Label)), Manufacturer: clean(trim(info.ManufacturerID)),
		Model: clean(trim(info.Model)), Serial: clean(trim(info.SerialNumber)),
	}
}

func pinState(flags uint) string {
	switch {
	case flags&p11.CKF_USER_PIN_LOCKED != 0:
		return "locked"
	case flags&p11.CKF_USER_PIN_FINAL_TRY != 0:
		return "final-try"
	case flags&p11.CKF_USER_PIN_COUNT_LOW != 0:
		return "low"
	}
	return "ok"
}

// slot returns the one token that a URI names.
func (m *module) slot(uri pkcs11.URI) (*slot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.slots { // one that is in use has been looked at before
		if s.isLoggedIn() && names(uri, s.info, s.id) {
			return s, nil
		}
	}
	all, err := m.tokens()
	if err != nil {
		return nil, err
	}
	var fits []*slot
	for _, token := range all {
		info, err := pkcs11.ParseURI(token.URI)
		if err != nil || !token.Ready || !names(uri, info, uint(token.Slot)) {
			continue
		}
		fits = append(fits, m.use(uint(token.Slot), info))
	}
	switch len(fits) {
	case 0:
		return nil, refusal{pkcs11.CodeAbsent, fmt.Errorf("no token that is there and set up is %s", uri.OfToken())}
	case 1:
		return fits[0], nil
	}
	return nil, refusal{pkcs11.CodeAmbiguous, fmt.Errorf("%d tokens are %s", len(fits), uri.OfToken())}
}

func (m *module) use(id uint, info pkcs11.URI) *slot {
	if s, ok := m.slots[id]; ok && s.info.String() == info.String() {
		return s
	}
	s := &slot{ctx: m.ctx, id: id, info: info, found: map[string]object{}}
	m.slots[id] = s
	return s
}

// names reports whether a URI names the token of info in a slot.
func names(uri, info pkcs11.URI, id uint) bool {
	return fits(uri.Token, info.Token) && fits(uri.Manufacturer, info.Manufacturer) && fits(uri.Model, info.Model) &&
		fits(uri.Serial, info.Serial) && (uri.Slot == nil || *uri.Slot == uint64(id))
}

func fits(wanted, is string) bool { return wanted == "" || wanted == is }

func (s *slot) isLoggedIn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loggedIn
}

// login logs in, unless that was done. It asks the token first how many wrong
// PINs it has seen.
func (s *slot) login(pin []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loggedIn {
		return nil
	}
	info, err := s.ctx.GetTokenInfo(s.id)
	if err != nil {
		return err
	}
	switch pinState(info.Flags) {
	case "locked":
		return refusal{pkcs11.CodePINLocked, errors.New("the token says so")}
	case "final-try":
		return refusal{pkcs11.CodePINFinal, errors.New("the token says so")}
	}
	held, err := s.ctx.OpenSession(s.id, p11.CKF_SERIAL_SESSION|p11.CKF_RW_SESSION)
	if err != nil {
		return err
	}
	err = s.ctx.Login(held, p11.CKU_USER, string(pin))
	if err != nil && !isCKR(err, p11.CKR_USER_ALREADY_LOGGED_IN) {
		_ = s.ctx.CloseSession(held) // the error of the login says more
		return err
	}
	s.loggedIn, s.held = true, held
	return nil
}

// forget gives up what was known of a token that is or was away.
func (s *slot) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loggedIn, s.idle, s.found = false, nil, map[string]object{}
	_ = s.ctx.CloseAllSessions(s.id) // a module that knows none says so
}

// with runs fn in a session of its own, logged in. A session in which anything
// went wrong is closed: an operation may be under way in it.
func (s *slot) with(fn func(session p11.SessionHandle) error) error {
	session, err := s.session()
	if err == nil {
		if err = fn(session); err == nil {
			s.keep(session)
			return nil
		}
		_ = s.ctx.CloseSession(session) // the error of fn says more
	}
	if isGone(err) {
		s.forget()
		if !isCKR(err, p11.CKR_TOKEN_NOT_PRESENT, p11.CKR_DEVICE_REMOVED, p11.CKR_TOKEN_NOT_RECOGNIZED) {
			return refusal{pkcs11.CodeLogin, err}
		}
	}
	return err
}

func (s *slot) session() (p11.SessionHandle, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.loggedIn {
		return 0, refusal{pkcs11.CodeLogin, errors.New("not logged in")}
	}
	if n := len(s.idle); n > 0 {
		session := s.idle[n-1]
		s.idle = s.idle[:n-1]
		return session, nil
	}
	return s.ctx.OpenSession(s.id, p11.CKF_SERIAL_SESSION|p11.CKF_RW_SESSION)
}

func (s *slot) keep(session p11.SessionHandle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loggedIn && len(s.idle) < maxIdle {
		s.idle = append(s.idle, session)
		return
	}
	_ = s.ctx.CloseSession(session) // one too many; the module closes it with the process else
}

// random returns bytes of the token's generator.
func (s *slot) random(length int) (data []byte, err error) {
	if length < 1 || length > 1<<10 {
		return nil, refusal{pkcs11.CodeInvalid, fmt.Errorf("%d bytes; 1 to 1024 are given", length)}
	}
	err = s.with(func(session p11.SessionHandle) error {
		data, err = s.ctx.GenerateRandom(session, length)
		return err
	})
	return data, err
}
