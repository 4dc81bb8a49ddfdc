package bench

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"
)

// asked and answered are what both sides of the comparison read and write.
type asked struct {
	Hash    string `json:"hash,omitempty"`
	Digest  []byte `json:"digest,omitempty"`
	Message []byte `json:"message,omitempty"`
}

type answered struct {
	Signature []byte `json:"signature"`
	Version   uint64 `json:"version"`
	Algorithm string `json:"algorithm"`
	Entry     int64  `json:"entry"`
}

// bare is a server that signs and does nothing else, in a process of its own.
type bare struct {
	url string
	pid int
}

func startBare(b *testing.B) *bare {
	address := freeAddress(b)
	self, err := os.Executable()
	check(b, err)
	cmd := exec.CommandContext(b.Context(), self)
	cmd.Env = append(os.Environ(), jobVariable+"=bare")
	cmd.Stderr = os.Stderr
	input, err := cmd.StdinPipe()
	check(b, err)
	check(b, cmd.Start())
	check(b, json.NewEncoder(input).Encode(order{Out: address}))
	b.Cleanup(func() {
		check(b, input.Close())
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			check(b, conn.Close())
			return &bare{"http://" + address, cmd.Process.Pid}
		}
		if time.Now().After(deadline) {
			b.Fatal(err)
		}
	}
}

// serveBare is a job: it serves until its input ends.
func serveBare(o order) error {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /ecdsa-p256", func(w http.ResponseWriter, r *http.Request) {
		signBare(w, r, p256, "ecdsa-p256", func(a asked) ([]byte, crypto.SignerOpts) { return a.Digest, crypto.SHA256 })
	})
	mux.HandleFunc("POST /ed25519", func(w http.ResponseWriter, r *http.Request) {
		signBare(w, r, edwards, "ed25519", func(a asked) ([]byte, crypto.SignerOpts) { return a.Message, crypto.Hash(0) })
	})
	server := &http.Server{Addr: o.Out, Handler: mux}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func signBare(w http.ResponseWriter, r *http.Request, key crypto.Signer, name string, what func(asked) ([]byte, crypto.SignerOpts)) {
	var a asked
	if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	digest, opts := what(a)
	signature, err := key.Sign(rand.Reader, digest, opts)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answered{Signature: signature, Version: 1, Algorithm: name})
}
