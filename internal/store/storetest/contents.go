package storetest

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

const (
	app      sealift.AppID    = "com.acme.shop"
	channel  sealift.Channel  = "production"
	platform sealift.Platform = "web"
)

func anApp(id sealift.AppID) store.App { return store.App{ID: id, Created: someTime} }

func aChannel(app sealift.AppID, name sealift.Channel) store.Channel {
	return store.Channel{App: app, Name: name, Created: someTime}
}

func coordinates() store.Coordinates {
	return store.Coordinates{App: app, Channel: channel, Platform: platform, Runtime: sealift.AnyRuntime, Version: "1.0.0"}
}

// addApp makes the app and the channel that most rows belong to.
func addApp(t *testing.T, tx store.Tx) {
	t.Helper()
	do(t, tx.InsertApp(t.Context(), anApp(app)))
	do(t, tx.InsertChannel(t.Context(), aChannel(app, channel)))
}

func aKey(id string, version uint64) store.Key {
	k := filled[store.Key](0)
	k.ID, k.Version = id, version
	return k
}

func anEpoch(number uint64) store.Epoch {
	e := filled[store.Epoch](0)
	e.App, e.Channel, e.Number = app, channel, number
	return e
}

func aDraft(id string) store.Draft {
	d := filled[store.Draft](0)
	d.ID, d.Coordinates, d.State = id, coordinates(), store.DraftReserved
	return d
}

func aBlob(content string) store.Blob {
	return store.Blob{App: app, Digest: sealift.DigestOf([]byte(content)), Length: int64(len(content)), Created: someTime}
}

func aRelease(counter sealift.Counter) store.Release {
	r := filled[store.Release](int(counter))
	r.Coordinates, r.Counter, r.Act = coordinates(), counter, sealift.ActRelease
	return r
}

func metadataOf(role string, version int64) store.Metadata {
	return store.Metadata{Role: role, Version: version, Expires: someTime, Content: []byte(role)}
}

func aToken(id string) store.Token {
	token := filled[store.Token](0)
	token.ID, token.Revoked = id, false
	return token
}

func aDenial(id string) store.Denial {
	d := filled[store.Denial](0)
	d.ID, d.State = id, store.DenialActive
	return d
}

func anEnrolmentToken(id string, most int64) store.EnrolmentToken {
	return store.EnrolmentToken{ID: id, App: app, Label: "line 1", Created: someTime, Expires: someTime, MaxUses: most}
}

func aDevice(id sealift.DeviceID) store.Device {
	d := filled[store.Device](0)
	d.App, d.ID, d.State = app, id, store.DeviceActive
	return d
}

func aNonce() store.Nonce { return store.Nonce{Device: "d1", Nonce: "n1", Expires: someTime} }

// write is one call that changes a store which populate has filled.
type write struct {
	name string
	do   func(ctx context.Context, tx store.Tx) error
}

// populate writes a row of every sort.
var populate = []write{
	{"SetVaultSeal", func(ctx context.Context, tx store.Tx) error { return tx.SetVaultSeal(ctx, []byte("seal")) }},
	{"InsertSecret", func(ctx context.Context, tx store.Tx) error { return tx.InsertSecret(ctx, "s1", []byte("wrapped")) }},
	{"InsertKey", func(ctx context.Context, tx store.Tx) error { return tx.InsertKey(ctx, aKey("k1", 1)) }},
	{"AppendAudit", func(ctx context.Context, tx store.Tx) error { return tx.AppendAudit(ctx, 0, leaf(0), 0, hashes(0)) }},
	{"SetStatement", func(ctx context.Context, tx store.Tx) error { return tx.SetStatement(ctx, 0) }},
	{"InsertCheckpoint", func(ctx context.Context, tx store.Tx) error { return tx.InsertCheckpoint(ctx, 1, []byte("note")) }},
	{"InsertApp", func(ctx context.Context, tx store.Tx) error { return tx.InsertApp(ctx, anApp(app)) }},
	{"InsertChannel", func(ctx context.Context, tx store.Tx) error { return tx.InsertChannel(ctx, aChannel(app, channel)) }},
	{"InsertEpoch", func(ctx context.Context, tx store.Tx) error { return tx.InsertEpoch(ctx, anEpoch(1)) }},
	{"NextCounter", func(ctx context.Context, tx store.Tx) error { _, err := tx.NextCounter(ctx, app); return err }},
	{"InsertDraft", func(ctx context.Context, tx store.Tx) error { return tx.InsertDraft(ctx, aDraft("d1")) }},
	{"InsertBlob", func(ctx context.Context, tx store.Tx) error { return tx.InsertBlob(ctx, aBlob("b1")) }},
	{"InsertRelease", func(ctx context.Context, tx store.Tx) error { return tx.InsertRelease(ctx, aRelease(1)) }},
	{"SetMetadata", func(ctx context.Context, tx store.Tx) error { return tx.SetMetadata(ctx, metadataOf("root", 1)) }},
	{"SetDocument", func(ctx context.Context, tx store.Tx) error { return tx.SetDocument(ctx, "trust.json", []byte("{}")) }},
	{"AppendOutbox", func(ctx context.Context, tx store.Tx) error { return tx.AppendOutbox(ctx, "blobs/1", []byte("file")) }},
	{"InsertDenial", func(ctx context.Context, tx store.Tx) error { return tx.InsertDenial(ctx, aDenial("n1")) }},
	{"InsertRollout", func(ctx context.Context, tx store.Tx) error { return tx.InsertRollout(ctx, aRollout(1)) }},
	{"InsertToken", func(ctx context.Context, tx store.Tx) error { return tx.InsertToken(ctx, aToken("t1")) }},
	{"InsertEnrolmentToken", func(ctx context.Context, tx store.Tx) error {
		return tx.InsertEnrolmentToken(ctx, anEnrolmentToken("e1", 2))
	}},
	{"PutDevice", func(ctx context.Context, tx store.Tx) error { return tx.PutDevice(ctx, aDevice("d1")) }},
	{"PutChannelPlan", func(ctx context.Context, tx store.Tx) error { return tx.PutChannelPlan(ctx, aPlan(channel)) }},
	{"PutDeviceReport", func(ctx context.Context, tx store.Tx) error { return tx.PutDeviceReport(ctx, aReport("d1")) }},
	{"PutChannelRules", func(ctx context.Context, tx store.Tx) error { return tx.PutChannelRules(ctx, someRules(channel)) }},
	{"PutAssignment", func(ctx context.Context, tx store.Tx) error { return tx.PutAssignment(ctx, anAssignment("d1", 1)) }},
	{"PutDeviceLabels", func(ctx context.Context, tx store.Tx) error { return tx.PutDeviceLabels(ctx, someLabels("d1", "beta")) }},
	{"PutChannelLabel", func(ctx context.Context, tx store.Tx) error { return tx.PutChannelLabel(ctx, aLabel("beta")) }},
	{"InsertDeviceStep", func(ctx context.Context, tx store.Tx) error { return tx.InsertDeviceStep(ctx, aStep("d1", 5)) }},
	{"PutDeviceOutcome", func(ctx context.Context, tx store.Tx) error { return tx.PutDeviceOutcome(ctx, anOutcome("d1", 1)) }},
	{"AddReleaseHour", func(ctx context.Context, tx store.Tx) error {
		_, err := tx.AddReleaseHour(ctx, anHour(0))
		return err
	}},
	{"InsertCapgoDevice", func(ctx context.Context, tx store.Tx) error { return tx.InsertCapgoDevice(ctx, aCapgoDevice("d1")) }},
	{"PutCapgoOutcome", func(ctx context.Context, tx store.Tx) error { return tx.PutCapgoOutcome(ctx, anOutcome("d1", 1)) }},
	{"AddCapgoEvent", func(ctx context.Context, tx store.Tx) error {
		_, err := tx.AddCapgoEvent(ctx, aCapgoEvent("d1", 1))
		return err
	}},
	{"UseNonce", func(ctx context.Context, tx store.Tx) error { return tx.UseNonce(ctx, aNonce()) }},
	{"InsertPerson", func(ctx context.Context, tx store.Tx) error {
		return tx.InsertPerson(ctx, aPerson("p1", "ann@acme.com"))
	}},
	{"InsertCredential", func(ctx context.Context, tx store.Tx) error {
		c := filled[store.Credential](0)
		c.Person = "p1"
		return tx.InsertCredential(ctx, c)
	}},
	{"InsertSession", func(ctx context.Context, tx store.Tx) error {
		session := filled[store.Session](0)
		session.Person = "p1"
		return tx.InsertSession(ctx, session)
	}},
	{"PutPolicy", func(ctx context.Context, tx store.Tx) error { return tx.PutPolicy(ctx, aPolicy(1)) }},
	{"InsertApprovalRequest", func(ctx context.Context, tx store.Tx) error {
		return tx.InsertApprovalRequest(ctx, aRequest("q1", store.ApprovalOpen, someTime))
	}},
	{"InsertApproval", func(ctx context.Context, tx store.Tx) error {
		a := filled[store.Approval](0)
		a.Request, a.Person = "q1", "p1"
		return tx.InsertApproval(ctx, a)
	}},
	{"PutCapgoBundle", func(ctx context.Context, tx store.Tx) error { return tx.PutCapgoBundle(ctx, aCapgoBundle()) }},
	{"PutCapgoDraft", func(ctx context.Context, tx store.Tx) error { return tx.PutCapgoDraft(ctx, aCapgoDraft("d1")) }},
	{"RaiseVersion", func(ctx context.Context, tx store.Tx) error { return tx.RaiseVersion(ctx, "timestamp", 5) }},
	{"InsertBackup", func(ctx context.Context, tx store.Tx) error { return tx.InsertBackup(ctx, filled[store.Backup](1)) }},
	{"PutRestore", func(ctx context.Context, tx store.Tx) error { return tx.PutRestore(ctx, filled[store.Restore](1)) }},
}

// change changes or removes what populate wrote, or writes more. All succeed,
// one by one as well as one after the other.
var change = []write{
	{"SetVaultSeal", func(ctx context.Context, tx store.Tx) error { return tx.SetVaultSeal(ctx, []byte("new")) }},
	{"InsertSecret", func(ctx context.Context, tx store.Tx) error { return tx.InsertSecret(ctx, "s2", []byte("wrapped")) }},
	{"DeleteSecret", func(ctx context.Context, tx store.Tx) error { return tx.DeleteSecret(ctx, "s1") }},
	{"InsertKey", func(ctx context.Context, tx store.Tx) error { return tx.InsertKey(ctx, aKey("k1", 2)) }},
	{"UpdateKey", func(ctx context.Context, tx store.Tx) error {
		changed := aKey("k1", 1)
		changed.Label = "changed"
		return tx.UpdateKey(ctx, changed, changed.MAC)
	}},
	{"AppendAudit", func(ctx context.Context, tx store.Tx) error { return tx.AppendAudit(ctx, 1, leaf(1), 1, hashes(1)) }},
	{"SetStatement", func(ctx context.Context, tx store.Tx) error { return tx.SetStatement(ctx, 7) }},
	{"InsertCheckpoint", func(ctx context.Context, tx store.Tx) error { return tx.InsertCheckpoint(ctx, 2, []byte("note")) }},
	{"InsertApp", func(ctx context.Context, tx store.Tx) error { return tx.InsertApp(ctx, anApp("com.acme.till")) }},
	{"InsertChannel", func(ctx context.Context, tx store.Tx) error { return tx.InsertChannel(ctx, aChannel(app, "beta")) }},
	{"InsertEpoch", func(ctx context.Context, tx store.Tx) error { return tx.InsertEpoch(ctx, anEpoch(2)) }},
	{"NextCounter", func(ctx context.Context, tx store.Tx) error { _, err := tx.NextCounter(ctx, app); return err }},
	{"RaiseCounter", func(ctx context.Context, tx store.Tx) error { return tx.RaiseCounter(ctx, app, 10) }},
	{"InsertDraft", func(ctx context.Context, tx store.Tx) error { return tx.InsertDraft(ctx, aDraft("d2")) }},
	{"UpdateDraft", func(ctx context.Context, tx store.Tx) error {
		d := aDraft("d1")
		d.State = store.DraftPublished
		return tx.UpdateDraft(ctx, d, store.DraftReserved)
	}},
	{"InsertBlob", func(ctx context.Context, tx store.Tx) error { return tx.InsertBlob(ctx, aBlob("b2")) }},
	{"InsertRelease", func(ctx context.Context, tx store.Tx) error {
		r := aRelease(2)
		r.Version = "2.0.0"
		return tx.InsertRelease(ctx, r)
	}},
	{"SetMetadata", func(ctx context.Context, tx store.Tx) error { return tx.SetMetadata(ctx, metadataOf("root", 2)) }},
	{"SetDocument", func(ctx context.Context, tx store.Tx) error { return tx.SetDocument(ctx, "trust.json", nil) }},
	{"AppendOutbox", func(ctx context.Context, tx store.Tx) error { return tx.AppendOutbox(ctx, "blobs/2", []byte("file")) }},
	{"TrimOutbox", func(ctx context.Context, tx store.Tx) error { return tx.TrimOutbox(ctx, 1<<40) }},
	{"InsertDenial", func(ctx context.Context, tx store.Tx) error { return tx.InsertDenial(ctx, aDenial("n2")) }},
	{"UpdateDenial", func(ctx context.Context, tx store.Tx) error {
		return tx.UpdateDenial(ctx, aDenial("n1"), aDenial("n1").MAC)
	}},
	{"InsertRollout", func(ctx context.Context, tx store.Tx) error { return tx.InsertRollout(ctx, aRollout(2)) }},
	{"UpdateRollout", func(ctx context.Context, tx store.Tx) error {
		r := aRollout(1)
		r.Phase = "paused"
		return tx.UpdateRollout(ctx, r, r.MAC)
	}},
	{"InsertToken", func(ctx context.Context, tx store.Tx) error { return tx.InsertToken(ctx, aToken("t2")) }},
	{"UpdateToken", func(ctx context.Context, tx store.Tx) error {
		return tx.UpdateToken(ctx, aToken("t1"), aToken("t1").MAC)
	}},
	{"InsertEnrolmentToken", func(ctx context.Context, tx store.Tx) error {
		return tx.InsertEnrolmentToken(ctx, anEnrolmentToken("e2", 0))
	}},
	{"UpdateEnrolmentToken", func(ctx context.Context, tx store.Tx) error {
		return tx.UpdateEnrolmentToken(ctx, anEnrolmentToken("e1", 7), anEnrolmentToken("e1", 0).MAC)
	}},
	{"PutDevice", func(ctx context.Context, tx store.Tx) error {
		d := aDevice("d1")
		d.State = store.DeviceRevoked
		return tx.PutDevice(ctx, d)
	}},
	{"PutChannelRules", func(ctx context.Context, tx store.Tx) error {
		return tx.PutChannelRules(ctx, store.ChannelRules{App: app, Channel: channel})
	}},
	{"PutAssignment", func(ctx context.Context, tx store.Tx) error { return tx.PutAssignment(ctx, anAssignment("d1", 2)) }},
	{"PutDeviceLabels", func(ctx context.Context, tx store.Tx) error { return tx.PutDeviceLabels(ctx, someLabels("d1", "")) }},
	{"PutChannelLabel", func(ctx context.Context, tx store.Tx) error {
		return tx.PutChannelLabel(ctx, store.ChannelLabel{App: app, Label: "beta"})
	}},
	{"PutChannelPlan", func(ctx context.Context, tx store.Tx) error {
		return tx.PutChannelPlan(ctx, store.ChannelPlan{App: app, Channel: channel})
	}},
	{"PutDeviceReport", func(ctx context.Context, tx store.Tx) error {
		r := aReport("d1")
		r.Lost = 9
		return tx.PutDeviceReport(ctx, r)
	}},
	{"InsertDeviceStep", func(ctx context.Context, tx store.Tx) error { return tx.InsertDeviceStep(ctx, aStep("d1", 6)) }},
	{"PruneDeviceSteps", func(ctx context.Context, tx store.Tx) error { return tx.PruneDeviceSteps(ctx, app, "d1", 1) }},
	{"PutDeviceOutcome", func(ctx context.Context, tx store.Tx) error {
		o := anOutcome("d1", 1)
		o.Outcome = "confirmed"
		return tx.PutDeviceOutcome(ctx, o)
	}},
	{"AddReleaseHour", func(ctx context.Context, tx store.Tx) error {
		_, err := tx.AddReleaseHour(ctx, anHour(0))
		return err
	}},
	{"PutCapgoDevices", func(ctx context.Context, tx store.Tx) error {
		return tx.PutCapgoDevices(ctx, []store.CapgoDevice{aCapgoDevice("d1"), aCapgoDevice("d2")})
	}},
	{"UpdateCapgoDevice", func(ctx context.Context, tx store.Tx) error {
		d := aCapgoDevice("d1")
		d.Version = "9.9.9"
		return tx.UpdateCapgoDevice(ctx, d)
	}},
	{"PutCapgoOutcome", func(ctx context.Context, tx store.Tx) error {
		o := anOutcome("d1", 1)
		o.Outcome = "confirmed"
		return tx.PutCapgoOutcome(ctx, o)
	}},
	{"AddCapgoEvent", func(ctx context.Context, tx store.Tx) error {
		_, err := tx.AddCapgoEvent(ctx, aCapgoEvent("d1", 2))
		return err
	}},
	{"PruneCapgoEvents", func(ctx context.Context, tx store.Tx) error { return tx.PruneCapgoEvents(ctx, app, "d1", 1) }},
	{"PruneCapgoDevices", func(ctx context.Context, tx store.Tx) error {
		_, err := tx.PruneCapgoDevices(ctx, app, "d", someTime.AddDate(1, 0, 0))
		return err
	}},
	{"PruneStats", func(ctx context.Context, tx store.Tx) error { return tx.PruneStats(ctx, app, someTime) }},
	{"ForgetDevice", func(ctx context.Context, tx store.Tx) error { return tx.ForgetDevice(ctx, app, "d1") }},
	{"UseNonce", func(ctx context.Context, tx store.Tx) error {
		return tx.UseNonce(ctx, store.Nonce{Device: "d1", Nonce: "n2", Expires: someTime})
	}},
	{"PruneNonces", func(ctx context.Context, tx store.Tx) error {
		_, err := tx.PruneNonces(ctx, someTime.AddDate(1, 0, 0))
		return err
	}},
	{"PutPolicy", func(ctx context.Context, tx store.Tx) error { return tx.PutPolicy(ctx, aPolicy(2)) }},
	{"UpdateApprovalRequest", func(ctx context.Context, tx store.Tx) error {
		r := aRequest("q1", store.ApprovalGranted, someTime)
		return tx.UpdateApprovalRequest(ctx, r, r.MAC)
	}},
	{"PutCapgoBundle", func(ctx context.Context, tx store.Tx) error {
		return tx.PutCapgoBundle(ctx, store.CapgoBundle{App: app, Release: aRelease(1).Digest})
	}},
	{"PutCapgoDraft", func(ctx context.Context, tx store.Tx) error {
		return tx.PutCapgoDraft(ctx, store.CapgoDraft{Draft: "d1"})
	}},
	{"DeleteCapgoDraft", func(ctx context.Context, tx store.Tx) error { return tx.DeleteCapgoDraft(ctx, "d1") }},
	{"RaiseVersion", func(ctx context.Context, tx store.Tx) error { return tx.RaiseVersion(ctx, "timestamp", 6) }},
	{"InsertBackup", func(ctx context.Context, tx store.Tx) error { return tx.InsertBackup(ctx, filled[store.Backup](2)) }},
	{"PutRestore", func(ctx context.Context, tx store.Tx) error {
		r := filled[store.Restore](1)
		r.Entries++
		return tx.PutRestore(ctx, r)
	}},
	{"DropCheckpoints", func(ctx context.Context, tx store.Tx) error {
		_, err := tx.DropCheckpoints(ctx, 1<<40)
		return err
	}},
	{"SetProof", func(ctx context.Context, tx store.Tx) error {
		return tx.SetProof(ctx, app, aRelease(1).Digest, []byte("another"))
	}},
}

func perform(t *testing.T, tx store.Tx, writes []write) {
	t.Helper()
	for _, w := range writes {
		if err := w.do(t.Context(), tx); err != nil {
			t.Fatalf("%s: %v", w.name, err)
		}
	}
}

// contents is all that a store has to say of what populate and change write,
// by the call that says it. What is not there is not in it.
type contents map[string]any

func contentsOf(t *testing.T, s store.Store) contents {
	t.Helper()
	var c contents
	view(t, s, func(tx store.Tx) { c = readContents(t, tx) })
	return c
}

func readContents(t *testing.T, tx store.Tx) contents {
	t.Helper()
	ctx, c := t.Context(), contents{}
	keep := func(name string) func(value any, err error) {
		return func(value any, err error) {
			t.Helper()
			switch {
			case err == nil:
				c[name] = value
			case sealift.KindOf(err) != sealift.KindNotFound:
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	keep("VaultSeal")(first(tx.VaultSeal(ctx)))
	for _, name := range []string{"s1", "s2"} {
		keep("Secret " + name)(first(tx.Secret(ctx, name)))
	}
	keep("Keys")(first(tx.Keys(ctx, store.KeyFilter{})))
	keep("AuditSize")(first(tx.AuditSize(ctx)))
	keep("AuditEntries")(first(tx.AuditEntries(ctx, 0, 10)))
	for i := range int64(4) {
		keep("AuditHashes " + string(rune('0'+i)))(first(tx.AuditHashes(ctx, []int64{i})))
	}
	size, note, err := tx.LatestCheckpoint(ctx)
	keep("LatestCheckpoint")([]any{size, note}, err)
	keep("Apps")(first(tx.Apps(ctx)))
	keep("Channels")(first(tx.Channels(ctx, app)))
	keep("Epoch")(first(tx.Epoch(ctx, app, channel, 0)))
	for _, id := range []string{"d1", "d2"} {
		keep("Draft " + id)(first(tx.Draft(ctx, id)))
		keep("Blob " + id)(first(tx.Blob(ctx, app, sealift.DigestOf([]byte("b"+id[1:])))))
		keep("Token " + id)(first(tx.EnrolmentToken(ctx, "e"+id[1:])))
	}
	keep("Releases")(first(tx.Releases(ctx, app, store.ReleaseFilter{})))
	keep("Metadata")(first(tx.Metadata(ctx, "root")))
	keep("Root")(first(tx.Root(ctx, 1)))
	keep("Document")(first(tx.Document(ctx, "trust.json")))
	keep("Outbox")(first(tx.Outbox(ctx, 10)))
	keep("Rollouts")(first(tx.Rollouts(ctx, app, "", "")))
	keep("Denials")(first(tx.Denials(ctx)))
	keep("Tokens")(first(tx.Tokens(ctx)))
	keep("Device")(first(tx.Device(ctx, app, "d1")))
	keep("ChannelRules")(first(tx.AllChannelRules(ctx, app)))
	keep("DeviceLabels")(first(tx.DeviceLabels(ctx, app, "d1")))
	keep("ChannelLabels")(first(tx.ChannelLabels(ctx, app)))
	keep("Assignment")(first(tx.Assignment(ctx, app, "d1")))
	keep("ChannelPlan")(first(tx.ChannelPlan(ctx, app, channel)))
	keep("CapgoBundle")(first(tx.CapgoBundle(ctx, app, aRelease(1).Digest)))
	keep("CapgoDraft")(first(tx.CapgoDraft(ctx, "d1")))
	keep("DeviceReport")(first(tx.DeviceReport(ctx, app, "d1")))
	keep("DeviceSteps")(first(tx.DeviceSteps(ctx, app, "d1", 0, 10)))
	keep("DeviceOutcome")(first(tx.DeviceOutcome(ctx, app, "d1", anOutcome("d1", 1).Release)))
	keep("ReleaseHours")(first(tx.ReleaseHours(ctx, app, anHour(0).Release, time.UnixMicro(0))))
	keep("CapgoDevices")(first(tx.CapgoDevices(ctx, app, store.CapgoFilter{Limit: 9})))
	keep("CapgoOutcome")(first(tx.CapgoOutcome(ctx, app, "d1", anOutcome("d1", 1).Release)))
	keep("CapgoEvents")(first(tx.CapgoEvents(ctx, app, "d1", 9)))
	keep("Persons")(first(tx.Persons(ctx)))
	keep("Credentials")(first(tx.Credentials(ctx, "p1")))
	keep("Sessions")(first(tx.Sessions(ctx, "p1")))
	keep("Policies")(first(tx.Policies(ctx)))
	keep("ApprovalRequests")(first(tx.ApprovalRequests(ctx, store.ApprovalFilter{Limit: 10})))
	keep("Approvals")(first(tx.Approvals(ctx, "q1")))
	keep("VersionFloors")(first(tx.VersionFloors(ctx)))
	keep("Backups")(first(tx.Backups(ctx, 10)))
	keep("Restores")(first(tx.Restores(ctx)))
	keep("Documents")(first(tx.Documents(ctx)))
	keep("CountDevices")(first(tx.CountDevices(ctx, app)))
	return c
}

// first forgets the type of a result.
func first[V any](value V, err error) (any, error) { return value, err }

// wantContents compares what a store says with what it said before.
func wantContents(t *testing.T, s store.Store, want contents) {
	t.Helper()
	got := contentsOf(t, s)
	if diff := cmp.Diff(want, got, exactly); diff != "" {
		t.Errorf("of %v: -want +got\n%s", slices.Sorted(maps.Keys(want)), diff)
	}
}
