package access

import (
	"encoding/json"
	"net/netip"
	"net/url"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/sealift/sealift"
)

// RelyingParty is this vault as passkeys know it (W3C Web Authentication level
// 3): an origin, and the host name in it as the id. A passkey serves at that
// origin alone, so nobody phishes it. Every registration and every use wants the
// user verified, by a PIN or a finger: a passkey is two factors by itself.
// Attestation is not asked for.
type RelyingParty struct{ party *webauthn.WebAuthn }

// ParseOrigin returns the origin that a server is reached under: https and a
// host name, or http and localhost, as browsers want it. An address is no name.
func ParseOrigin(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		u = new(url.URL)
	}
	_, notName := netip.ParseAddr(u.Hostname())
	good := err == nil && notName != nil && u.Host != "" && u.Path == "" && u.RawQuery == "" && u.Fragment == "" && u.User == nil &&
		(u.Scheme == "https" || u.Scheme == "http" && u.Hostname() == "localhost")
	if !good {
		return nil, sealift.Errorf(sealift.KindInvalid, "reading the origin", "%.80q is none that browsers take passkeys for", s).
			WithHint("use a form such as https://updates.example.com, or http://localhost:8470 on this machine")
	}
	return u, nil
}

// NewRelyingParty returns the one at an origin that ParseOrigin accepts.
func NewRelyingParty(origin string) (*RelyingParty, error) {
	u, err := ParseOrigin(origin)
	if err != nil {
		return nil, err
	}
	required := true
	party, err := webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: "Sealift", RPOrigins: []string{origin},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			RequireResidentKey: &required, ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired,
		},
		Timeouts: webauthn.TimeoutsConfig{
			Login: webauthn.TimeoutConfig{Timeout: sealift.CeremonyLife}, Registration: webauthn.TimeoutConfig{Timeout: sealift.CeremonyLife},
		},
	})
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, "preparing for passkeys", "%w", err).WithHint("look at --origin")
	}
	return &RelyingParty{party}, nil
}

// Passkey is a passkey as it is kept: the credential record of the
// specification (section 4) as JSON, with the public key, the authenticator's
// model and its signature counter.
type Passkey []byte

// Holder is a person as their authenticator knows them.
type Holder struct {
	ID       string // the user handle
	Login    string
	Name     string
	Passkeys []Passkey
}

// WebAuthnID implements webauthn.User.
func (h Holder) WebAuthnID() []byte { return []byte(h.ID) }

// WebAuthnName implements webauthn.User.
func (h Holder) WebAuthnName() string { return h.Login }

// WebAuthnDisplayName implements webauthn.User.
func (h Holder) WebAuthnDisplayName() string { return h.Name }

// WebAuthnCredentials implements webauthn.User.
func (h Holder) WebAuthnCredentials() (all []webauthn.Credential) {
	for _, p := range h.Passkeys {
		var c webauthn.Credential
		if json.Unmarshal(p, &c) == nil { // the row has a MAC: it is what was written
			all = append(all, c)
		}
	}
	return all
}

// PasskeyCeremony is what a browser is asked, and what its answer is checked
// against. State is kept by the server, and is good for one answer.
type PasskeyCeremony struct {
	Options json.RawMessage // for navigator.credentials, in the specification's JSON form
	State   []byte
}

func newCeremony(options any, session *webauthn.SessionData, err error) (c PasskeyCeremony, _ error) {
	if err == nil {
		c.Options, err = json.Marshal(options)
	}
	if err == nil {
		c.State, err = json.Marshal(session)
	}
	if err != nil {
		return PasskeyCeremony{}, sealift.Errorf(sealift.KindInternal, "asking for a passkey", "%w", err)
	}
	return c, nil
}

// BeginRegistration asks for a new passkey of h, on another authenticator than
// the ones that h has (section 7.1).
func (p *RelyingParty) BeginRegistration(h Holder) (PasskeyCeremony, error) {
	options, session, err := p.party.BeginRegistration(h, webauthn.WithExclusions(webauthn.Credentials(h.WebAuthnCredentials()).CredentialDescriptors()))
	return newCeremony(options, session, err)
}

// FinishRegistration returns the passkey that an answer holds; KindDenied with
// reason "passkey" for one that does not verify.
func (p *RelyingParty) FinishRegistration(h Holder, state []byte, answer json.RawMessage) (Passkey, error) {
	const op = "registering a passkey"
	session, err := readState(op, state)
	if err != nil {
		return nil, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return nil, refusedPasskey(op)
	}
	credential, err := p.party.CreateCredential(h, session, parsed)
	if err != nil {
		return nil, refusedPasskey(op)
	}
	return keep(op, *credential)
}

// BeginAssertion asks for a passkey: any that the authenticator has for this
// origin where h is nil, else one of h's. challenge is what is signed; nil for
// 32 random bytes, which everything but an approval wants.
func (p *RelyingParty) BeginAssertion(h *Holder, challenge []byte) (PasskeyCeremony, error) {
	options := []webauthn.LoginOption{webauthn.WithUserVerification(protocol.VerificationRequired)}
	if challenge != nil {
		options = append(options, webauthn.WithChallenge(challenge))
	}
	if h == nil {
		asked, session, err := p.party.BeginDiscoverableLogin(options...)
		return newCeremony(asked, session, err)
	}
	if len(h.WebAuthnCredentials()) == 0 {
		return PasskeyCeremony{}, sealift.Errorf(sealift.KindConflict, "asking for a passkey", "%s has none", h.Login).WithReason("no-passkey").
			WithHint("register one in a browser: sealift account passkey says where")
	}
	asked, session, err := p.party.BeginLogin(*h, options...)
	return newCeremony(asked, session, err)
}

// UserHandle returns whose passkey an answer says that it is of: a claim, to
// find the holder by whom FinishAssertion checks it. It is empty where there is
// none.
func UserHandle(answer json.RawMessage) string {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return ""
	}
	return string(parsed.Response.UserHandle)
}

// FinishAssertion checks an answer against what was asked (section 7.2): origin,
// relying party, challenge, that the user was verified, the signature by a
// passkey of h, and that its counter did not go back, as that of a copy would. It
// returns which of h's passkeys it was, and what to keep of it from now on.
// KindDenied with reason "passkey" for one that does not verify.
func (p *RelyingParty) FinishAssertion(h Holder, state []byte, answer json.RawMessage) (which int, kept Passkey, err error) {
	const op = "checking a passkey"
	session, err := readState(op, state)
	if err != nil {
		return 0, nil, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return 0, nil, refusedPasskey(op)
	}
	var used *webauthn.Credential
	if len(session.UserID) == 0 {
		used, err = p.party.ValidateDiscoverableLogin(func(_, _ []byte) (webauthn.User, error) { return h, nil }, session, parsed)
	} else {
		used, err = p.party.ValidateLogin(h, session, parsed)
	}
	if err != nil || used.Authenticator.CloneWarning {
		return 0, nil, refusedPasskey(op)
	}
	for i, c := range h.WebAuthnCredentials() {
		if string(c.ID) == string(used.ID) {
			kept, err := keep(op, *used)
			return i, kept, err
		}
	}
	return 0, nil, refusedPasskey(op)
}

// Assertion is a use of a passkey that was verified, as it is kept for evidence.
type Assertion struct {
	Credential string // id of the credential's row
	PublicKey  []byte // COSE_Key (RFC 9052) that it verifies under
	Origin     string // that the browser named
	RPID       string // the relying party's id
}

// PasskeyPublic is the public key of a passkey, a COSE_Key (RFC 9052).
func PasskeyPublic(p Passkey) []byte {
	var c webauthn.Credential
	_ = json.Unmarshal(p, &c) // it is nil where there is none
	return c.PublicKey
}

// ID is the relying party's: the host name that passkeys are bound to.
func (p *RelyingParty) ID() string { return p.party.Config.RPID }

// PasskeyCounter is the signature counter of a passkey as it is kept.
func PasskeyCounter(p Passkey) int64 {
	var c webauthn.Credential
	_ = json.Unmarshal(p, &c) // it is 0 where there is none
	return int64(c.Authenticator.SignCount)
}

func keep(op string, c webauthn.Credential) (Passkey, error) {
	c.Attestation = webauthn.CredentialAttestation{} // not asked for, and not kept
	data, err := json.Marshal(c)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	return data, nil
}

func readState(op string, state []byte) (session webauthn.SessionData, err error) {
	if err := json.Unmarshal(state, &session); err != nil {
		return session, sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	return session, nil
}

// refusedPasskey does not say what was wrong: whoever forges has the
// specification.
func refusedPasskey(op string) error {
	return sealift.Errorf(sealift.KindDenied, op, "it does not verify").WithReason("passkey").
		WithHint("try again from the page at the server's --origin; a passkey serves at the origin that it was made for, with its user verified")
}
