package control_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

func TestRollBack(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleReleaseManager)
	full := api.NewRollback{
		Channel: "production", Platform: "web", Runtime: ">=1.0.0", To: "1.3.0", From: []string{"1.4.0", "1.5.0"}, Life: "48h", Reason: "white screen",
	}
	got, err := c.RollBack(t.Context(), "com.acme.shop", full)
	if err != nil || got.Draft.ID == "" || got.Draft.Envelope != nil || len(got.From) != 1 || got.From[0].Counter != 17 || got.Left != 3 {
		t.Errorf("rolled back %+v, %v", got, err)
	}
	asked := func(what string, want service.NewRollback) {
		t.Helper()
		check(t, what, nil, f.services.last(), []any{caller(access.RoleReleaseManager), sealift.AppID("com.acme.shop"), want})
	}
	asked("all of it", service.NewRollback{
		Channel: "production", Platform: "web", Runtime: ">=1.0.0", To: "1.3.0", From: []sealift.Version{"1.4.0", "1.5.0"}, Life: 48 * time.Hour, Reason: "white screen",
	})
	_, err = c.RollBack(t.Context(), "com.acme.shop", api.NewRollback{Channel: "production", To: "1.3.0", Reason: "white screen"})
	if err != nil {
		t.Error(err)
	}
	asked("the least", service.NewRollback{Channel: "production", To: "1.3.0", Life: sealift.RollbackLife, Reason: "white screen"})
	for name, bend := range map[string]func(*api.NewRollback){
		"no channel":       func(b *api.NewRollback) { b.Channel = "" },
		"a bad platform":   func(b *api.NewRollback) { b.Platform = "../web" },
		"a bad runtime":    func(b *api.NewRollback) { b.Runtime = "new" },
		"no version":       func(b *api.NewRollback) { b.To = "" },
		"a bad version":    func(b *api.NewRollback) { b.To = "one" },
		"a bad other":      func(b *api.NewRollback) { b.From = []string{"1.4.0", "two"} },
		"too many":         func(b *api.NewRollback) { b.From = make([]string, sealift.MaxRollbackFrom+1) },
		"a bad life":       func(b *api.NewRollback) { b.Life = "30d" },
		"no reason":        func(b *api.NewRollback) { b.Reason = " " },
		"too long to read": func(b *api.NewRollback) { b.Reason = strings.Repeat("x", sealift.MaxReason+1) },
	} {
		bent := full
		bend(&bent)
		if _, err := c.RollBack(t.Context(), "com.acme.shop", bent); sealift.KindOf(err) != sealift.KindInvalid || f.services.last() != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
