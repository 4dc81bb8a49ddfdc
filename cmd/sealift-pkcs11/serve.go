//go:build cgo

package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/pkcs11"
)

// serve greets, and answers requests until the connection ends.
func (m *module) serve(conn io.ReadWriter) error {
	if err := pkcs11.WriteFrame(conn, pkcs11.Greeting{Protocol: pkcs11.Protocol, Library: m.library}); err != nil {
		return err
	}
	var writing sync.Mutex
	turns := make(chan struct{}, sealift.MaxTokenRequests)
	for {
		var request pkcs11.Request
		switch err := pkcs11.ReadFrame(conn, &request); {
		case errors.Is(err, io.EOF):
			return nil // whoever started this has ended; what is under way is nobody's any more
		case err != nil:
			return fmt.Errorf("reading a request: %w", err)
		}
		turns <- struct{}{}
		go func() {
			defer func() { <-turns }()
			reply := m.answer(request)
			defer clear(reply.Data)
			writing.Lock()
			defer writing.Unlock()
			// A reply that cannot be written has no reader: the next read says so.
			_ = pkcs11.WriteFrame(conn, reply)
		}()
	}
}

// answer does one request.
func (m *module) answer(r pkcs11.Request) pkcs11.Reply {
	defer clear(r.PIN)
	reply, err := m.do(r)
	reply.ID = r.ID
	if err != nil {
		failed := classify(err)
		reply = pkcs11.Reply{ID: r.ID, Code: failed.code, Detail: clean(failed.Error())}
	}
	return reply
}

func (m *module) do(r pkcs11.Request) (pkcs11.Reply, error) {
	uri, err := pkcs11.ParseURI(r.URI)
	if err != nil {
		return pkcs11.Reply{}, refusal{pkcs11.CodeInvalid, err}
	}
	if r.Op == pkcs11.OpTokens {
		tokens, err := m.tokens()
		return pkcs11.Reply{Tokens: tokens}, err
	}
	s, err := m.slot(uri)
	if err != nil {
		return pkcs11.Reply{}, err
	}
	switch r.Op {
	case pkcs11.OpLogin:
		return pkcs11.Reply{}, s.login(r.PIN)
	case pkcs11.OpKeys:
		keys, err := s.keys(uri)
		return pkcs11.Reply{Keys: keys}, err
	case pkcs11.OpGenerate:
		key, err := s.generate(uri, r.Algorithm)
		return pkcs11.Reply{Keys: []pkcs11.Key{key}}, err
	case pkcs11.OpDestroy:
		return pkcs11.Reply{}, s.destroy(uri)
	}
	data, err := s.compute(uri, r)
	return pkcs11.Reply{Data: data}, err
}

// compute does the operations that give bytes.
func (s *slot) compute(uri pkcs11.URI, r pkcs11.Request) ([]byte, error) {
	switch r.Op {
	case pkcs11.OpSign:
		return s.sign(uri, r)
	case pkcs11.OpSeal:
		return s.seal(uri, r.Data, r.Associated)
	case pkcs11.OpOpen:
		return s.open(uri, r.Data, r.Associated)
	case pkcs11.OpRandom:
		return s.random(r.Length)
	}
	return nil, refusal{pkcs11.CodeInvalid, fmt.Errorf("there is no operation %.40q", r.Op)}
}

// trim takes the padding off a fixed-length text of the module.
func trim(s string) string { return strings.TrimRight(s, " \x00") }

// clean makes what a module says fit for a terminal and a log.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	return s[:min(len(s), 500)]
}
