package store_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// Every field of an authentic row is among its columns: a bent one gives
// others.
func TestEveryColumnIsAuthentic(t *testing.T) {
	for _, row := range []store.Authentic{&store.Token{}, &store.App{}, &store.Device{}, &store.Draft{}, &store.Denial{}, &store.Person{}, &store.Credential{}, &store.Session{}, &store.Policy{}, &store.ApprovalRequest{}, &store.Approval{}, &store.Epoch{}, &store.EnrolmentToken{}, &store.Restore{}, &store.ChannelRules{}, &store.Assignment{}, &store.DeviceLabels{}, &store.ChannelLabel{}, &store.ChannelPlan{}} {
		v := reflect.ValueOf(row).Elem()
		kind, zero := row.Columns()
		if kind == "" {
			t.Errorf("%T is of no kind", row)
		}
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			v.SetZero()
			bend(t, v.Field(i))
			_, bent := row.Columns()
			if same := slices.Equal(zero, bent); same != (name == "MAC") {
				t.Errorf("%T.%s: the columns stay the same is %t", row, name, same)
			}
			if _, later := row.(*store.Policy); later && name == "Channel" { // a column that rows of before lack
				bent = bent[:len(bent)-1]
			}
			if len(bent) != len(zero) {
				t.Errorf("%T.%s: %d columns, then %d", row, name, len(zero), len(bent))
			}
		}
	}
}

func bend(t *testing.T, field reflect.Value) {
	t.Helper()
	switch field.Interface().(type) {
	case time.Time:
		field.Set(reflect.ValueOf(time.Unix(1, 1000)))
		return
	case sealift.Digest:
		field.Set(reflect.ValueOf(sealift.Digest{1}))
		return
	}
	switch field.Kind() {
	case reflect.String:
		field.SetString("x")
	case reflect.Bool:
		field.SetBool(true)
	case reflect.Int, reflect.Int64:
		field.SetInt(1)
	case reflect.Uint16, reflect.Uint64:
		field.SetUint(1)
	case reflect.Struct: // every field of it is a column, or this one would do
		bend(t, field.Field(0))
	case reflect.Slice:
		field.SetBytes([]byte{1})
	default:
		t.Fatalf("no way to bend a %s", field.Type())
	}
}

// An app of before there were settings has them as the migration wrote them, and
// the MAC that it had.
func TestAppOfBefore(t *testing.T) {
	a := store.App{ID: "com.acme.shop", Device: true, Created: time.UnixMicro(7), Patches: sealift.DefaultPatches, PatchLimit: sealift.DefaultPatchLimit}
	if kind, columns := a.Columns(); kind != "app" || !slices.Equal(columns, []string{"com.acme.shop", "true", "false", "7"}) {
		t.Errorf("%s, %q", kind, columns)
	}
	for _, other := range []store.App{{Patches: 2, PatchLimit: a.PatchLimit}, {Patches: a.Patches, PatchLimit: 1}, {Patches: a.Patches, PatchLimit: a.PatchLimit, BlastRadius: 1}} {
		if _, columns := other.Columns(); len(columns) != 7 {
			t.Errorf("%+v: %q", other, columns)
		}
	}
}

// A row with a slash where none belongs has not the name of another, whose place it
// could take where somebody deleted that.
func TestNamesOfPolicies(t *testing.T) {
	good := store.Policy{Action: "release", App: "com.acme.shop", Channel: "production"}
	if got := good.RowName(); got != "release/com.acme.shop/production" {
		t.Errorf("it is called %s", got)
	}
	for _, bent := range []store.Policy{
		{Action: "release", App: "com.acme.shop/production"}, {Action: "release/com.acme.shop", App: "production"},
		{Action: "release/com.acme.shop", Channel: "production"}, {Action: "release", App: "com.acme.shop"}, {Action: "release", Channel: "com.acme.shop/production"},
	} {
		if bent.RowName() == good.RowName() {
			t.Errorf("%+v is called like another", bent)
		}
	}
}
