package approval

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"sync"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// Passkeys lets a person sign with a passkey of theirs; *people.Registry does.
type Passkeys interface {
	// AskPasskey returns what a browser is asked, so that the person signs the
	// challenge. KindConflict with reason "no-passkey" where they have none.
	AskPasskey(ctx context.Context, person string, challenge []byte) (json.RawMessage, error)
	// UsePasskey checks the browser's answer in tx, and notes the use of the
	// credential. It is KindDenied where the answer does not verify: by origin,
	// relying party, challenge, user verification, signature, or counter.
	UsePasskey(ctx context.Context, tx *vault.Tx, person string, challenge []byte, answer json.RawMessage, now time.Time) (access.Assertion, error)
	// PasskeyPrints returns the SHA-256, in hex, of the public keys of the person's.
	PasskeyPrints(ctx context.Context, tx store.Tx, person string) ([]string, error)
	// HasPasskey reports whether the person has one.
	HasPasskey(ctx context.Context, tx store.Tx, person string) (bool, error)
}

// Board keeps policies and requests. It is a service.Approvals, a
// release.Approvals, and what gates other services.
type Board struct {
	store    store.Store
	vault    *vault.Vault
	passkeys Passkeys
	now      func() time.Time
	moving   sync.Mutex // held by who changes which policies devices are under
	// granted is told of each draft whose request was granted.
	granted func(ctx context.Context, app sealift.AppID, draft string)
}

// New returns the board over a vault and its store.
func New(s store.Store, v *vault.Vault, p Passkeys, now func() time.Time) *Board {
	return &Board{store: s, vault: v, passkeys: p, now: now, granted: func(context.Context, sealift.AppID, string) {}}
}

// OnGranted has fn called after a request about a draft is granted, so that it
// need not wait for somebody to look. It is to be called before the board is used.
func (b *Board) OnGranted(fn func(ctx context.Context, app sealift.AppID, draft string)) {
	b.granted = fn
}

// The actions that policies are about. An action is here once what it names can
// be done.
const (
	ActionRelease = "release"
	ActionUrgent  = "urgent" // a release that says so; see policyFor
	ActionRollout = "rollout"
	// ActionRollback is about a release that takes devices back; see policyFor.
	ActionRollback = "rollback"
	ActionDeny     = "deny"
	ActionKey      = "key"
	ActionRole     = "role"
	actionPolicy   = "policy" // goes by the policy that is to be changed
	// actionMove is that devices come to a channel that asks less; it goes by the policy
	// of the one that they leave.
	actionMove = "move"
	// actionReissue is about a release that says what people approved before, under
	// another counter: there is no policy for it. Nobody but the vault makes one.
	actionReissue = "reissue"
)

// Actions returns the actions that a policy may be about, and whether it may be
// that of one app.
func Actions() map[string]bool {
	return map[string]bool{ActionRelease: true, ActionUrgent: true, ActionRollback: true, ActionRollout: true, ActionDeny: true, ActionKey: false, ActionRole: false}
}

// ofChannels reports whether a policy about action may be that of one channel.
func ofChannels(action string) bool { return Actions()[action] && action != ActionDeny }

// Approvers are the roles that a policy may let approve. Others do not answer for
// what the installation does.
func Approvers() []access.Role {
	return []access.Role{access.RoleOwner, access.RoleSecurityOfficer, access.RoleReleaseManager, access.RoleDeveloper}
}

func newID() string {
	id := make([]byte, 8)
	_, _ = rand.Read(id) // never fails (crypto/rand)
	return hex.EncodeToString(id)
}

// newNonce is 128 random bits.
func newNonce() string {
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // never fails (crypto/rand)
	return hex.EncodeToString(nonce)
}

// view runs fn on one state of the store and returns its result.
func view[T any](ctx context.Context, b *Board, fn func(store.Tx) (T, error)) (T, error) {
	var out T
	err := b.store.View(ctx, func(tx store.Tx) (err error) {
		out, err = fn(tx)
		return err
	})
	return out, err
}
