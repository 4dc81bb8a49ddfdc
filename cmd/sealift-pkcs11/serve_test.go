//go:build cgo

package main

import (
	"bytes"
	"encoding/binary"
	"net"
	"strings"
	"testing"

	p11 "github.com/miekg/pkcs11"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/pkcs11"
	"github.com/sealift/sealift/internal/pkcs11/pkcs11test"
)

// peer talks to a module that is served in this process.
type peer struct {
	*testing.T
	net.Conn
	ended chan error
}

func serve(t *testing.T) (*peer, *pkcs11test.Token) {
	t.Helper()
	token := pkcs11test.NewToken(t, "served")
	t.Setenv("SOFTHSM2_CONF", token.Config)
	m, err := load(token.Reach.ModulePath)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.ctx.Finalize(); err != nil {
			t.Error(err)
		}
	})
	return talk(t, m), token
}

func talk(t *testing.T, m *module) *peer {
	ours, theirs := net.Pipe()
	p := &peer{t, ours, make(chan error, 1)}
	go func() {
		p.ended <- m.serve(theirs)
		_ = theirs.Close()
	}()
	t.Cleanup(func() { _ = ours.Close() })
	var hello pkcs11.Greeting
	if err := pkcs11.ReadFrame(ours, &hello); err != nil || hello.Protocol != pkcs11.Protocol || !strings.HasPrefix(hello.Library, "SoftHSM") {
		t.Fatalf("%+v, %v", hello, err)
	}
	return p
}

func (p *peer) ask(r pkcs11.Request) (reply pkcs11.Reply) {
	p.Helper()
	if err := pkcs11.WriteFrame(p, r); err != nil {
		p.Fatal(err)
	}
	if err := pkcs11.ReadFrame(p, &reply); err != nil || reply.ID != r.ID {
		p.Fatalf("%+v, %v", reply, err)
	}
	return reply
}

// TestProtocol asks what a client never asks.
func TestProtocol(t *testing.T) {
	p, token := serve(t)
	at := token.Reach.OfToken().String()
	for _, c := range []struct {
		request pkcs11.Request
		want    pkcs11.Code
	}{
		{pkcs11.Request{ID: 1, Op: "format", URI: at}, pkcs11.CodeInvalid},
		{pkcs11.Request{ID: 2, Op: pkcs11.OpKeys, URI: "token=x"}, pkcs11.CodeInvalid},
		{pkcs11.Request{ID: 3, Op: pkcs11.OpKeys, URI: at}, pkcs11.CodeLogin},
		{pkcs11.Request{ID: 4, Op: pkcs11.OpRandom, URI: at, Length: 1}, pkcs11.CodeLogin},
		{pkcs11.Request{ID: 5, Op: pkcs11.OpLogin, URI: at, PIN: []byte("9")}, pkcs11.CodePIN},
		{pkcs11.Request{ID: 6, Op: pkcs11.OpLogin, URI: "pkcs11:token=other", PIN: []byte("9")}, pkcs11.CodeAbsent},
		{pkcs11.Request{ID: 7, Op: pkcs11.OpLogin, URI: at, PIN: []byte(pkcs11test.PIN)}, ""},
		{pkcs11.Request{ID: 8, Op: pkcs11.OpLogin, URI: at, PIN: []byte("again, and not looked at")}, ""},
		{pkcs11.Request{ID: 9, Op: pkcs11.OpRandom, URI: at, Length: 1 << 20}, pkcs11.CodeInvalid},
		{pkcs11.Request{ID: 10, Op: pkcs11.OpSign, URI: token.Key("k"), Mechanism: "md5", Data: []byte("x")}, pkcs11.CodeInvalid},
		{pkcs11.Request{ID: 11, Op: pkcs11.OpSign, URI: token.Key("k"), Mechanism: pkcs11.MechanismECDSA}, pkcs11.CodeInvalid},
		{pkcs11.Request{ID: 12, Op: pkcs11.OpSign, URI: token.Key("k"), Mechanism: pkcs11.MechanismPSS, Hash: "sha1", Data: []byte("x")}, pkcs11.CodeInvalid},
		{pkcs11.Request{ID: 13, Op: pkcs11.OpSign, URI: token.Key("k"), Mechanism: pkcs11.MechanismPSS, Hash: "sha256", Salt: -1, Data: []byte("x")}, pkcs11.CodeInvalid},
		{pkcs11.Request{ID: 14, Op: pkcs11.OpSign, URI: token.Key("k"), Mechanism: pkcs11.MechanismECDSA, Data: []byte("x")}, pkcs11.CodeNoKey},
		{pkcs11.Request{ID: 15, Op: pkcs11.OpGenerate, URI: token.Key("k"), Algorithm: "dsa"}, pkcs11.CodeInvalid},
		{pkcs11.Request{ID: 16, Op: pkcs11.OpTokens, URI: "pkcs11:"}, ""},
	} {
		if got := p.ask(c.request); got.Code != c.want {
			t.Errorf("%s %d: %+v, want %q", c.request, c.request.ID, got, c.want)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-p.ended; err != nil {
		t.Errorf("it ends as asked with %v", err)
	}
}

// TestBadFrames: what is no request ends the connection.
func TestBadFrames(t *testing.T) {
	p, _ := serve(t)
	_ = p.Close()
	<-p.ended
	if _, err := load(pkcs11test.Module(t)); !isCKR(err, p11.CKR_CRYPTOKI_ALREADY_INITIALIZED) {
		t.Fatalf("loaded twice in one process: %v", err)
	}
	m := &module{library: "SoftHSM", slots: map[uint]*slot{}}
	for name, frame := range map[string][]byte{
		"too long":   binary.BigEndian.AppendUint32(nil, sealift.MaxTokenMessage+1),
		"no JSON":    append(binary.BigEndian.AppendUint32(nil, 3), "abc"...),
		"null":       append(binary.BigEndian.AppendUint32(nil, 4), "null"...),
		"twice":      frameOf(`{"id":1,"id":2,"op":"tokens"}`),
		"not base64": frameOf(`{"id":1,"op":"sign","data":"%%"}`),
	} {
		p := talk(t, m)
		if _, err := p.Write(frame); err != nil {
			t.Fatal(err)
		}
		if err := <-p.ended; err == nil {
			t.Errorf("%s: taken", name)
		}
		if n, err := p.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Errorf("%s: answered", name)
		}
	}
}

func frameOf(text string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
}

// TestPINState: a token that would lock at the next wrong PIN gets none.
func TestPINState(t *testing.T) {
	for flags, want := range map[uint]string{
		0:                          "ok",
		p11.CKF_USER_PIN_COUNT_LOW: "low",
		p11.CKF_USER_PIN_FINAL_TRY: "final-try",
		p11.CKF_USER_PIN_COUNT_LOW | p11.CKF_USER_PIN_FINAL_TRY: "final-try",
		p11.CKF_USER_PIN_LOCKED:                                 "locked",
		p11.CKF_USER_PIN_LOCKED | p11.CKF_USER_PIN_FINAL_TRY:    "locked",
	} {
		if got := pinState(flags); got != want {
			t.Errorf("%#x: %s, want %s", flags, got, want)
		}
	}
}

func TestRunAlone(t *testing.T) {
	var out, errs bytes.Buffer
	if err := run([]string{"--version"}, &out, &errs); err != nil || !strings.HasPrefix(out.String(), "sealift-pkcs11 ") {
		t.Errorf("%q, %v", out.String(), err)
	}
	if err := run([]string{"--pin", "1234"}, &out, &errs); err == nil {
		t.Error("it takes a PIN as an argument")
	}
}
