// Package control answers the people-facing API, which api/openapi.yaml
// describes: it signs callers in, asks the role table, checks the form of what
// they send, calls the services, and says what they said as JSON.
//
// A request passes, in this order:
//
//	Guard        request id, log line, panics become problems   (package problem)
//	cross-origin a browser on another site may read, not change  (net/http)
//	sign in      bearer token or cookie → access.Principal       (package access)
//	authorise    role × action × app, and for what matters most a fresh proof;
//	             who is refused here is an entry in the log
//	sealed?      a sealed vault answers its status, and lets itself be unsealed
//	form         path, query and body; unknown fields are refused
//	service      package service says what each one does
//
// so nobody who is not signed in and allowed has a body read or a name looked
// up. Every answer that is not a success is a problem document.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/sealift/sealift"
	openapi "github.com/sealift/sealift/api"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/problem"
	"github.com/sealift/sealift/internal/control/service"
)

// Prefix is where the handler expects to be mounted.
const Prefix = "/api/v1"

// SignIn finds out who a bearer token belongs to; *access.Authenticator does.
type SignIn interface {
	Authenticate(ctx context.Context, bearer string, ended func(access.Ended)) (access.Principal, error)
}

// Services are what the API stands on. All are needed.
type Services struct {
	SignIn     SignIn
	Vault      service.Vault
	Apps       service.Apps
	Enrolment  service.Enrolment
	Devices    service.Devices
	Assigning  service.Assigning
	Publishing service.Publishing
	Promotions service.Promotions
	Rollbacks  service.Rollbacks
	Drafts     service.Drafts
	Rollouts   service.Rollouts
	Plans      service.Plans
	Denials    service.Denials
	Releases   service.Releases
	Roots      service.Roots
	Log        service.Log
	Witnesses  service.Witnesses
	Refusals   service.Refusals
	Tokens     service.Tokens
	People     service.People
	Accounts   service.Accounts
	Passkeys   service.Passkeys
	OIDC       service.OIDC
	Keys       service.Keys
	Approvals  service.Approvals
	Seal       service.Seal
	Backups    service.Backups
}

// Options are what a handler does not need to work.
type Options struct {
	// Version is the server's, for its status.
	Version string
	// Log takes one line a request, and failures; nil for none.
	Log *slog.Logger
	// Address returns the IP address of the client that sent a request; nil
	// for that of the connection.
	Address func(*http.Request) string
	// Now is the clock that the age of proofs is measured by; nil for the
	// machine's.
	Now func() time.Time
}

// New returns the handler of everything under Prefix.
func New(services Services, options Options) http.Handler {
	h := &handler{Services: services, version: options.Version, log: options.Log, address: options.Address, now: options.Now}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.address == nil {
		h.address = remoteAddress
	}
	if h.now == nil {
		h.now = time.Now
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Prefix+"/openapi.yaml", serveDescription)
	api.HandlerWithOptions(h, api.StdHTTPServerOptions{BaseURL: Prefix, BaseRouter: mux, ErrorHandlerFunc: h.badParameter})
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(h.crossOrigin))
	return problem.Guard(h.log, slog.LevelInfo, origin.Handler(h.routed(mux)))
}

type handler struct {
	Services
	version string
	log     *slog.Logger
	address func(*http.Request) string
	now     func() time.Time
}

var _ api.ServerInterface = (*handler)(nil)

func remoteAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func serveDescription(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(openapi.Document)
}

// routed answers what mux has no route for with a problem document, where a
// ServeMux would answer with plain text.
func (h *handler) routed(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		plain, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		said := &silent{header: http.Header{}}
		plain.ServeHTTP(said, r)
		if said.status == http.StatusMethodNotAllowed {
			w.Header()["Allow"] = said.header["Allow"]
			h.fail(w, r, sealift.Errorf(sealift.KindInvalid, "finding operation", "%s has no %s", cut(r.URL.Path), cut(r.Method)).WithReason(problem.ReasonMethod))
			return
		}
		h.fail(w, r, sealift.Errorf(sealift.KindNotFound, "finding operation", "there is no %s", cut(r.URL.Path)).
			WithHint("the operations are listed in %s/openapi.yaml", Prefix))
	})
}

// silent hears what a handler would have answered.
type silent struct {
	header http.Header
	status int
}

func (s *silent) Header() http.Header         { return s.header }
func (s *silent) Write(p []byte) (int, error) { return len(p), nil }
func (s *silent) WriteHeader(status int)      { s.status = status }

func cut(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}

func (h *handler) crossOrigin(w http.ResponseWriter, r *http.Request) {
	h.fail(w, r, sealift.Errorf(sealift.KindDenied, "checking origin", "a page of another site asked for a change").WithReason("cross_origin"))
}

// badParameter answers what the generated code says of a query.
func (h *handler) badParameter(w http.ResponseWriter, r *http.Request, err error) {
	name := "a parameter"
	if bad := new(api.InvalidParamFormatError); errors.As(err, &bad) {
		name = bad.ParamName
	}
	h.fail(w, r, sealift.Errorf(sealift.KindInvalid, "reading request", "%s is not of the required form", name).
		WithHint("the forms are in %s/openapi.yaml", Prefix))
}

func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	problem.Answer(w, r, err, h.log)
}

// unsealed refuses what a sealed vault does not answer.
func (h *handler) unsealed() error {
	if h.Vault.Sealed() {
		return sealift.Errorf(sealift.KindSealed, "asking the vault", "it is sealed").
			WithHint("unseal it: sealift vault unseal")
	}
	return nil
}

// do answers r with status and the JSON of what work returns, or with nothing
// where that is nil, if the caller may do action on app.
func (h *handler) do(w http.ResponseWriter, r *http.Request, action access.Action, app string, status int, work func(by access.Caller) (any, error)) {
	by, err := h.allow(r, action, app)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	answer, err := work(by)
	if err != nil {
		h.refused(r, by, action, app, err)
		h.fail(w, r, err)
		return
	}
	if later, ok := answer.(accepted); ok {
		status, answer = http.StatusAccepted, later.answer
	}
	h.answer(w, r, status, answer)
}

// accepted is an answer that goes out with 202: it was taken, and waits.
type accepted struct{ answer any }

func (h *handler) answer(w http.ResponseWriter, r *http.Request, status int, answer any) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	if answer == nil {
		w.WriteHeader(status)
		return
	}
	body, err := json.Marshal(answer)
	if err != nil {
		h.fail(w, r, sealift.Errorf(sealift.KindInternal, "writing answer", "%w", err))
		return
	}
	header.Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}
