package vault

import (
	"context"
	"maps"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
)

// The actions of this package in the log. A use adds what it was for.
const (
	actionInit        = "vault.init"
	actionUnseal      = "vault.unseal"
	actionSeal        = "vault.seal"
	actionCreate      = "key.create"
	actionRotate      = "key.rotate"
	actionUse         = "key.use"
	actionTransition  = "key.transition"
	actionExport      = "key.export"
	actionRetire      = "key.retire"
	actionCertificate = "key.certificate"
	actionWrap        = "secret.wrap"
	actionUnwrap      = "secret.unwrap"
	actionForget      = "secret.delete"
)

// event is an audit entry in the making.
type event struct {
	at      time.Time
	actor   audit.Actor
	action  string
	key     Ref
	subject string
	details map[string]string
	result  audit.Result
}

// with returns a copy with the result.
func (e event) with(result audit.Result) event {
	e.result = result
	return e
}

// detail returns a copy with one more detail.
func (e event) detail(name, value string) event {
	e.details = maps.Clone(e.details)
	if e.details == nil {
		e.details = map[string]string{}
	}
	e.details[name] = value
	return e
}

// failed returns a copy that says that err was the outcome: refused where the
// vault said no, failed where it could not. The text of err stays out of the
// log, since it may come from anywhere; its kind and reason are in.
func (e event) failed(err error) event {
	result := audit.Failed
	switch sealift.KindOf(err) {
	case sealift.KindDenied, sealift.KindSealed, sealift.KindInvalid, sealift.KindNotFound, sealift.KindConflict:
		result = audit.Refused
	}
	e = e.with(result).detail("kind", string(sealift.KindOf(err)))
	if reason := sealift.ReasonOf(err); reason != "" {
		e = e.detail("reason", reason)
	}
	return e
}

// append writes the entry. Without it, nothing that it tells of may happen.
func (e event) append(ctx context.Context, tx store.AuditTx) (index int64, err error) {
	return audit.Append(ctx, tx, audit.Entry{
		Time: e.at, Actor: e.actor, Action: e.action, Key: e.key.ID, Version: e.key.Version,
		Subject: e.subject, Details: e.details, Result: e.result,
	})
}
