// Package storetest is the contract of store.Store as tests: every
// implementation runs TestStore.
package storetest

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// TestStore runs the contract over stores that open makes, each empty. reopen
// closes that store, if it is not closed yet, and opens it again; open sees to
// it that the last one is closed when the test ends.
func TestStore(t *testing.T, open func(t *testing.T) (s store.Store, reopen func() store.Store)) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, store.Store)
	}{
		{"FailureLeavesNothing", testFailureLeavesNothing},
		{"PanicLeavesNothing", testPanicLeavesNothing},
		{"RefusalLeavesTheRest", testRefusalLeavesTheRest},
		{"BrokenStaysBroken", testBrokenStaysBroken},
		{"ViewRefusesWrites", testViewRefusesWrites},
		{"ViewIsOneState", testViewIsOneState},
		{"TxEnds", testTxEnds},
		{"Cancelled", testCancelled},
		{"CancelledWaiting", testCancelledWaiting},
		{"Close", testClose},
		{"BytesAreTheCallers", testBytesAreTheCallers},
		{"ConcurrentUpdates", testConcurrentUpdates},
		{"Neighbours", testNeighbours},
		{"NeighboursInOrder", testNeighboursInOrder},
		{"ReturnedIsSeen", testReturnedIsSeen},
		{"VaultSeal", testVaultSeal},
		{"Secrets", testSecrets},
		{"Keys", testKeys},
		{"KeysUnder", testKeysUnder},
		{"KeyFilter", testKeyFilter},
		{"KeyVersions", testKeyVersions},
		{"Audit", testAudit},
		{"AuditHashes", testAuditHashes},
		{"LogNeighbours", testLogNeighbours},
		{"KeyNeighbours", testKeyNeighbours},
		{"Checkpoints", testCheckpoints},
		{"Apps", testApps},
		{"Channels", testChannels},
		{"Epochs", testEpochs},
		{"Counters", testCounters},
		{"Drafts", testDrafts},
		{"OpenDrafts", testOpenDrafts},
		{"SubmittedDrafts", testSubmittedDrafts},
		{"Blobs", testBlobs},
		{"Releases", testReleases},
		{"ReleaseConflicts", testReleaseConflicts},
		{"ReleaseFilter", testReleaseFilter},
		{"Metadata", testMetadata},
		{"Documents", testDocuments},
		{"Outbox", testOutbox},
		{"Denials", testDenials},
		{"Rollouts", testRollouts},
		{"ChannelPlans", testChannelPlans},
		{"Followers", testFollowers},
		{"Placed", testPlaced},
		{"Stats", testStats},
		{"ChannelRules", testChannelRules},
		{"Assignments", testAssignments},
		{"Labels", testLabels},
		{"CapgoDevices", testCapgoDevices},
		{"Tokens", testTokens},
		{"Persons", testPersons},
		{"Credentials", testCredentials},
		{"Sessions", testSessions},
		{"Policies", testPolicies},
		{"Approvals", testApprovals},
		{"EnrolmentTokens", testEnrolmentTokens},
		{"Devices", testDevices},
		{"Reports", testReports},
		{"Search", testSearch},
		{"Patches", testPatches},
		{"Capgo", testCapgo},
		{"Fleet", testFleet},
		{"Nonces", testNonces},
		{"VersionFloors", testVersionFloors},
		{"Backups", testBackups},
		{"Restores", testRestores},
		{"UnfinishedDrafts", testUnfinishedDrafts},
		{"SetProof", testSetProof},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, _ := open(t)
			test.run(t, s)
		})
	}
	t.Run("Copy", func(t *testing.T) { testCopy(t, open) })
	t.Run("Reopen", func(t *testing.T) { testReopen(t, open) })
}

// update runs fn in a transaction that must succeed.
func update(t *testing.T, s store.Store, fn func(tx store.Tx)) {
	t.Helper()
	done := false
	err := s.Update(t.Context(), func(tx store.Tx) error {
		fn(tx)
		done = true
		return nil
	})
	if err != nil || !done {
		t.Fatalf("Update = %v", err)
	}
}

// view reads in a transaction that must succeed.
func view(t *testing.T, s store.Store, fn func(tx store.Tx)) {
	t.Helper()
	done := false
	err := s.View(t.Context(), func(tx store.Tx) error {
		fn(tx)
		done = true
		return nil
	})
	if err != nil || !done {
		t.Fatalf("View = %v", err)
	}
}

// do wants no error.
func do(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// gives returns a function that wants a result and no error.
func gives[V any](t *testing.T, want V) func(got V, err error) {
	return func(got V, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%v (kind %s), want %+v", err, sealift.KindOf(err), want)
			return
		}
		if diff := cmp.Diff(want, got, exactly); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	}
}

// exactly compares times with their zones, which Equal leaves out, and bytes in
// one go.
var exactly = cmp.Options{
	cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) && a.Location() == b.Location() }),
	cmp.Comparer(func(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }),
}

// refuses returns a function that wants an error of a kind, with a reason, and
// no result beside it.
func refuses(t *testing.T, kind sealift.Kind, reason string) func(results ...any) {
	return func(results ...any) {
		t.Helper()
		err, _ := results[len(results)-1].(error)
		if err == nil || sealift.KindOf(err) != kind || sealift.ReasonOf(err) != reason {
			t.Errorf("error %v has kind %q and reason %q, want %q and %q", err, sealift.KindOf(err), sealift.ReasonOf(err), kind, reason)
		}
		for _, result := range results[:len(results)-1] {
			if result != nil && !reflect.ValueOf(result).IsZero() {
				t.Errorf("%+v beside the error %v", result, err)
			}
		}
	}
}

func isAbsent(t *testing.T) func(results ...any) {
	return refuses(t, sealift.KindNotFound, "")
}

func isConflict(t *testing.T) func(results ...any) {
	return refuses(t, sealift.KindConflict, "")
}

// someTime has microseconds that are no whole milliseconds.
var someTime = time.Date(2025, time.June, 1, 12, 30, 15, 123_456_000, time.UTC)

// filled returns a row with a different, non-zero value in every field, so that
// a column that is forgotten or mixed up with another shows.
func filled[V any](seed int) V {
	var row V
	fill(reflect.ValueOf(&row).Elem(), &seed)
	return row
}

func fill(v reflect.Value, seed *int) {
	*seed++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(someTime.Add(time.Duration(*seed) * time.Hour)))
		return
	case sealift.Digest:
		v.Set(reflect.ValueOf(sealift.DigestOf([]byte{byte(*seed)})))
		return
	case []byte:
		v.SetBytes([]byte{0, byte(*seed), 0xff})
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), seed)
		}
	case reflect.String:
		v.SetString("text-" + string(rune('a'+*seed%26)) + string(rune('a'+*seed/26%26)) + " ü'\"%")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(1<<20 + int64(*seed))
	case reflect.Int64:
		v.SetInt(1<<40 + int64(*seed))
	case reflect.Uint16:
		v.SetUint(0xff00 + uint64(*seed))
	case reflect.Uint64:
		v.SetUint(1<<50 + uint64(*seed))
	default:
		panic("a row has a field of a kind that is new: " + v.Type().String())
	}
}
