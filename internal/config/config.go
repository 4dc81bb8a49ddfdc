// Package config turns what a server is told into settings that hold: where it
// listens and under which certificate, who its clients are, and the folder that
// is its alone. Every refusal is an *sealift.Error with a hint.
//
// Access tokens travel in every request of the people-facing API. So a server
// without TLS listens on a loopback address only, unless it is told that a
// proxy before it terminates TLS. Then, and only then, it takes a client's
// address from what that proxy says. What a monitoring system reads has a door of
// its own; there a token is wanted wherever others than this machine may ask.
//
// The data folder:
//
//	data/            0700, else it is refused
//	  lock           held by the one process that has the folder open
//	  vault.db       the vault's rows: signed, or sealed
//	  store.json     where they are instead, if in a database: 0600, else it is
//	                 refused, since it may hold a password
//	  public/        the published tree
package config

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/sealift/sealift"
)

// Flags are what the server's command line says about connections.
type Flags struct {
	Listen      string // host:port
	TLSCert     string // file: certificate chain, PEM; or empty
	TLSKey      string // file: its private key, PEM; with TLSCert
	BehindProxy bool   // a proxy before the server terminates TLS
	Metrics     string // host:port of the door for a monitoring system; or empty
	Token       bool   // whoever comes to that door has to show one
}

// Server is how a server meets its clients.
type Server struct {
	Listen      string      // host:port
	TLS         *tls.Config // nil for none
	BehindProxy bool
	Metrics     Metrics
}

// Metrics is where a monitoring system is met.
type Metrics struct {
	Listen string      // host:port; empty for nowhere
	TLS    *tls.Config // nil for none, as always on this machine alone
}

const op = "starting the server"

// Resolve reads the certificate and checks that all flags go together.
func (f Flags) Resolve() (Server, error) {
	host, err := hostOf(f.Listen, "127.0.0.1:8470")
	if err != nil {
		return Server{}, err
	}
	config, err := f.tls()
	if err != nil {
		return Server{}, err
	}
	if config == nil && !f.BehindProxy && !IsLoopback(host) {
		return Server{}, sealift.Errorf(sealift.KindInvalid, op, "%s would take access tokens in clear from the network", f.Listen).
			WithReason("plaintext").
			WithHint("add --tls-cert and --tls-key, or --behind-proxy if a proxy before it terminates TLS, or listen on 127.0.0.1")
	}
	metrics, err := f.metrics(config)
	return Server{Listen: f.Listen, TLS: config, BehindProxy: f.BehindProxy, Metrics: metrics}, err
}

// metrics checks the door for a monitoring system: what it shows are names of apps
// and numbers of devices, for nobody in the network who shows no token, which does
// not travel in clear.
func (f Flags) metrics(config *tls.Config) (Metrics, error) {
	if f.Metrics == "" {
		if f.Token {
			return Metrics{}, sealift.Errorf(sealift.KindInvalid, op, "--metrics-token-file goes with --metrics").WithHint("add --metrics 127.0.0.1:9470, or leave out --metrics-token-file")
		}
		return Metrics{}, nil
	}
	host, err := hostOf(f.Metrics, "127.0.0.1:9470")
	switch {
	case err != nil:
		return Metrics{}, err
	case IsLoopback(host):
		return Metrics{Listen: f.Metrics}, nil
	case !f.Token:
		return Metrics{}, sealift.Errorf(sealift.KindInvalid, op, "%s would show metrics to whoever asks from the network", f.Metrics).
			WithReason("open").WithHint("add --metrics-token-file FILE, or listen on 127.0.0.1")
	case config == nil && !f.BehindProxy:
		return Metrics{}, sealift.Errorf(sealift.KindInvalid, op, "%s would take the token for metrics in clear from the network", f.Metrics).
			WithReason("plaintext").WithHint("add --tls-cert and --tls-key, or --behind-proxy if a proxy before it terminates TLS, or listen on 127.0.0.1")
	}
	return Metrics{Listen: f.Metrics, TLS: config}, nil
}

// hostOf returns the host of an address and port, if it is one.
func hostOf(address, such string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil || strings.ContainsAny(host, " /") {
		return "", sealift.Errorf(sealift.KindInvalid, op, "%q is no address and port", address).WithHint("use a form such as %s", such)
	}
	return host, nil
}

// IsLoopback reports whether host, a name or an address without its port, is
// this machine: what is said to it, or listens there, is heard by nobody else.
// The empty host and the unspecified addresses are everybody's.
func IsLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

func (f Flags) tls() (*tls.Config, error) {
	if (f.TLSCert == "") != (f.TLSKey == "") {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "--tls-cert and --tls-key go together").WithHint("give both, or neither")
	}
	if f.TLSCert == "" {
		return nil, nil
	}
	if err := checkKeyFile(f.TLSKey); err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(f.TLSCert, f.TLSKey)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "reading the TLS certificate: %w", err).
			WithHint("--tls-cert is the chain and --tls-key its private key, both PEM")
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}, nil
}

// checkKeyFile lets a group read a private key, as certificate tools set it up,
// but not everybody.
func checkKeyFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fileError(err, "check the path that --tls-key names")
	}
	if info.Mode().Perm()&0o007 != 0 {
		return sealift.Errorf(sealift.KindDenied, op, "everybody may use the private key %s (mode %04o)", path, info.Mode().Perm()).
			WithReason("permissions").WithHint("chmod o= %s", path)
	}
	return nil
}

func fileError(err error, hint string) error {
	kind := sealift.KindInternal
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind = sealift.KindNotFound
	case errors.Is(err, fs.ErrPermission):
		kind = sealift.KindDenied
	}
	return sealift.Errorf(kind, op, "%w", err).WithHint("%s", hint)
}

// ClientAddress returns the IP address of the client that sent r. Behind a
// proxy that is the last address in X-Forwarded-For: the one that the proxy
// itself added, where those before it are the client's to invent.
func (s Server) ClientAddress(r *http.Request) string {
	if s.BehindProxy {
		values := r.Header.Values("X-Forwarded-For")
		if len(values) > 0 {
			list := strings.Split(values[len(values)-1], ",")
			if ip, err := netip.ParseAddr(strings.TrimSpace(list[len(list)-1])); err == nil {
				return ip.Unmap().WithZone("").String()
			}
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
