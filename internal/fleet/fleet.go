// Package fleet is the vault's desk for devices: who may enrol, and which
// epoch keys an enrolled device is given.
//
// A device's request is DSSE under its identity key (trust.Request); the edge
// passes it on and can neither read nor forge it. The desk checks, in this
// order, that it
//
//  1. is signed by the key that gives the device its id: the enrolled one, or,
//     for an enrolment, the one it brings;
//  2. is for this vault, and dated within sealift.MaxRequestAge;
//  3. has a nonce that this device never used.
//
// Only then is there an answer: signed by the answer key, certified by the
// device CA of trust.json, echoing the nonce. A refusal is an answer too. What
// fails 1 to 3 gets none and leaves nothing behind. Whoever makes a key of
// their own passes them for an enrolment; that costs a signature and two
// entries of bounded length a time, and the edge bounds how often.
//
// Who may enrol is decided behind one interface, Admission: by a token, for any number
// of devices or for one, or, where the app says so, by nothing.
//
// An epoch's private key leaves the vault sealed to the device's own HPKE key,
// for devices that are enrolled and active. Each such grant is a use of the
// key in the log.
//
// A person puts devices on channels: the assignment is a row with a MAC, and a
// document that the director signs for the device, whose sequence only grows. It is
// good for sealift.AssignmentLife, or until its time is over, and signed anew when
// half of that is left; a device that is taken off its channel is told so as long as
// it may still be shown the document of before. A device that nobody put anywhere by
// name is where its labels put it: that, too, is written as an assignment, by the one
// function that every change goes through. A device may ask for
// a channel itself, where that was set to let it and no person put the device
// somewhere. The keys of a private channel are for devices that are assigned to it
// alone, and when one is taken off, its epoch turns, unless devices put themselves on
// it as they like.
//
// A revoked device is granted nothing, and what it reports is refused with reason
// "revoked" and counted nowhere; in the same transaction the epochs of its app turn,
// so that it opens nothing that is published from then on. Of one that was erased the
// row keeps the id and the state alone, so that the same key does not enrol again.
//
// A report says how a device is, and what it did since it was last told that its
// reports are kept (trust.Report). It is a claim: its signature says who makes it,
// and nothing that it is true. So it gives nobody a right, no decision rests on one
// device's, and what is kept of it bears no MAC. Each step is kept once, however
// often it is sent, and acknowledged in the transaction that keeps it. A device may
// send sealift.ReportsPerHour; the last sealift.MaxStepsKept steps of each are kept.
package fleet

import (
	"context"
	"fmt"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

// Desk answers devices. It is safe for concurrent use.
type Desk struct {
	store   store.Store
	vault   *vault.Vault
	now     func() time.Time
	online  Online
	rates   rates
	tallies tallies
}

// Online is who directs devices.
type Online interface {
	// RulesOf returns what devices of app go by.
	RulesOf(ctx context.Context, tx store.DocumentTx, app sealift.AppID) (*trust.Rules, error)
	// TurnEpochs turns those of all channels of app in tx, and returns the new ones
	// by channel.
	TurnEpochs(ctx context.Context, tx *vault.Tx, by audit.Actor, app sealift.AppID, reason string) ([]store.Epoch, error)
	// TurnEpoch turns that of one channel in tx.
	TurnEpoch(ctx context.Context, tx *vault.Tx, by audit.Actor, app sealift.AppID, channel sealift.Channel, reason string) (store.Epoch, error)
	// ChannelRules returns what a channel was set to.
	ChannelRules(ctx context.Context, tx store.Tx, app sealift.AppID, channel sealift.Channel) (store.ChannelRules, error)
	// Assign signs in tx on which channels devices are, and takes away the documents
	// of those of whom there is nothing to say any more.
	Assign(ctx context.Context, tx *vault.Tx, by audit.Actor, signed []trust.Assignment, gone []sealift.DeviceID) error
	// Flush publishes what was signed.
	Flush(ctx context.Context) error
}

// New returns the desk over a vault and its store.
func New(s store.Store, v *vault.Vault, online Online, now func() time.Time) *Desk {
	return &Desk{store: s, vault: v, now: now, online: online, rates: newRates()}
}

const op = "answering a device"

// reasonNonce is that of a message that came before.
const reasonNonce = "nonce"

// Answer answers one request that came from address. Its error is for those
// that deserve no signed answer: KindInvalid, KindDenied or KindConflict
// (reason "nonce"); KindSealed while nobody can sign.
func (d *Desk) Answer(ctx context.Context, request []byte, address string) ([]byte, error) {
	v := visit{desk: d, now: d.now().UTC(), address: address}
	answer, err := v.receive(ctx, request)
	if v.req != nil && sealift.ReasonOf(err) == reasonNonce {
		d.rates.giveBack(&v)
	}
	d.tallies.note(&v, err)
	return answer, err
}

// receive reads a request, and answers it.
func (v *visit) receive(ctx context.Context, request []byte) ([]byte, error) {
	d := v.desk
	signed, err := trust.ParseRequest(request)
	if err != nil {
		return nil, err
	}
	status, err := d.vault.Status(ctx)
	if err != nil {
		return nil, err
	}
	if status.Sealed {
		return nil, sealift.Errorf(sealift.KindSealed, op, "the vault is sealed").WithReason("sealed").WithHint("try again later")
	}
	v.vault = status.Vault
	// Anybody can send anything: it is verified beside the store's one writer,
	// which whoever is who they say then waits for.
	if err := d.store.View(ctx, func(tx store.Tx) error { return v.admit(ctx, tx, signed) }); err != nil {
		return nil, err
	}
	if err := d.rates.admit(v); err != nil {
		return nil, err
	}
	answer, err := vault.Do(ctx, d.vault, func(tx *vault.Tx) ([]byte, error) {
		v.tx = tx
		if err := v.enter(ctx); err != nil {
			return nil, err
		}
		return v.answer(ctx)
	})
	if err == nil && v.req.Kind == trust.RequestChannel {
		_ = d.online.Flush(ctx) // what it chose is signed and kept: the server goes on trying, and says so
	}
	return answer, err
}

// visit is one request on its way through the desk.
type visit struct {
	desk    *Desk
	tx      *vault.Tx
	vault   sealift.VaultID
	now     time.Time
	address string

	kind      trust.RequestKind // that the message claims; one of them
	req       *trust.Request    // once it is verified
	enrolment *trust.Enrolment  // for RequestEnrol
	device    store.Device      // for every other
	written   []byte            // MAC of the row that was written for it

	refused        *trust.Refusal // if that is the answer
	kept, repeated int            // steps of a report
}

func (v *visit) actor() audit.Actor {
	return audit.Actor{Kind: audit.Device, ID: string(v.req.Device), Address: v.address}
}

// admit runs the first two checks of the package comment. It writes nothing.
func (v *visit) admit(ctx context.Context, tx store.Tx, signed *trust.SignedRequest) error {
	claims, err := signed.Claims()
	if err != nil {
		return err
	}
	v.kind = claims.Kind
	identity, err := v.identity(ctx, tx, claims)
	if err != nil {
		return err
	}
	if v.req, err = signed.Verify(identity); err != nil {
		return err
	}
	if v.req.Vault != v.vault {
		return sealift.Errorf(sealift.KindDenied, op, "the request is for vault %s", v.req.Vault).WithReason("vault")
	}
	if age := v.now.Sub(v.req.Time.Time); age > sealift.MaxRequestAge || age < -sealift.MaxClockAhead {
		return sealift.Errorf(sealift.KindDenied, op, "the request is dated %s", v.req.Time.Format(time.RFC3339)).WithReason("time")
	}
	if v.enrolment != nil {
		_, err = v.desk.app(ctx, tx, v.req.App) // strangers get no entry for apps that are none
		return err
	}
	return nil
}

// enter runs the third check, and reads the device as it is now.
func (v *visit) enter(ctx context.Context) (err error) {
	if v.enrolment == nil {
		if v.device, err = v.desk.device(ctx, v.tx, v.req.App, v.req.Device); err != nil {
			return err
		}
	}
	return v.tx.UseNonce(ctx, store.Nonce{Device: v.req.Device, Nonce: v.req.Nonce, Expires: v.req.Time.Add(2 * sealift.MaxRequestAge)})
}

// identity returns the key to verify a request by.
func (v *visit) identity(ctx context.Context, tx store.Tx, claims *trust.Request) ([]byte, error) {
	if claims.Kind == trust.RequestEnrol {
		v.enrolment = &trust.Enrolment{}
		err := trust.DecodeBody(claims.Body, v.enrolment)
		return v.enrolment.Identity, err
	}
	device, err := v.desk.device(ctx, tx, claims.App, claims.Device)
	if sealift.KindOf(err) == sealift.KindNotFound || err == nil && device.State == store.DeviceErased {
		return nil, sealift.Errorf(sealift.KindDenied, op, "device %s is not enrolled for %s", claims.Device, claims.App).
			WithReason("unknown-device").WithHint("enrol the device first")
	}
	return device.Identity, err
}

// answer grants or refuses what the device asks, and signs the outcome.
func (v *visit) answer(ctx context.Context) ([]byte, error) {
	a := trust.AnswerTo(v.req, v.now)
	body, err := v.grant(ctx)
	switch kind := sealift.KindOf(err); {
	case err == nil:
		if a.Body, err = trust.EncodeBody(body); err != nil {
			return nil, err
		}
	case kind == sealift.KindDenied || kind == sealift.KindNotFound || kind == sealift.KindInvalid:
		a.Refused = &trust.Refusal{Kind: kind, Reason: sealift.ReasonOf(err), Message: err.Error(), Hint: sealift.HintOf(err)}
	default:
		return nil, err
	}
	v.refused = a.Refused
	result := audit.OK
	details := map[string]string{"app": string(v.req.App)}
	if v.written != nil {
		details[vault.RowDetail] = vault.RowTag(v.written)
	}
	if a.Refused != nil {
		result, details["reason"] = audit.Refused, a.Refused.Reason
	}
	if v.req.Kind == trust.RequestReport && result == audit.OK {
		return v.sign(ctx, a) // a claim, which changes nothing in the vault: that it was answered is an entry
	}
	_, err = audit.Append(ctx, v.tx, audit.Entry{
		Time: v.now, Actor: v.actor(), Action: "device." + string(v.req.Kind), Subject: string(v.req.Device), Details: details, Result: result,
	})
	if err != nil {
		return nil, err
	}
	return v.sign(ctx, a)
}

func (v *visit) grant(ctx context.Context) (any, error) {
	switch v.req.Kind {
	case trust.RequestEnrol:
		return seen(ctx, v, v.enrol)
	case trust.RequestEpoch:
		return seen(ctx, v, v.grantEpoch)
	case trust.RequestReport:
		return v.report(ctx)
	case trust.RequestChannel:
		return seen(ctx, v, v.choose)
	}
	return nil, sealift.Errorf(sealift.KindInvalid, op, "request %.40q is not known here", v.req.Kind).WithReason("request")
}

func (v *visit) sign(ctx context.Context, a *trust.Answer) ([]byte, error) {
	use := vault.Use{
		Purpose: vault.PurposeAnswer, Key: vault.Ref{ID: string(vault.PurposeAnswer)}, Actor: v.actor(), Now: v.now,
		Why: vault.Why{Action: "device.answer", Details: map[string]string{"request": string(v.req.Kind), "nonce": v.req.Nonce}},
	}
	info, err := v.desk.vault.Lookup(ctx, v.tx, use.Key)
	if err != nil {
		return nil, err
	}
	if len(info.Certificate) == 0 {
		return nil, sealift.Errorf(sealift.KindInternal, op, "the answer key has no certificate")
	}
	key, err := v.desk.vault.Signer(ctx, v.tx, use)
	if err != nil {
		return nil, err
	}
	answer, err := trust.SignAnswer(a, info.Certificate, key)
	if err != nil {
		return nil, fmt.Errorf("signing the answer: %w", err)
	}
	return answer, nil
}
