package installation_test

import (
	"context"
	"os"
	"path/filepath"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/internal/control/api"
)

// device is an enrolled device of the app's production channel.
type device struct {
	*bench
	agent *client.Device
}

// device enrols one that begins with the first root.
func (b *bench) device() device {
	b.Helper()
	return b.deviceWith(nil)
}

// deviceWith is device with a health check; nil for none.
func (b *bench) deviceWith(health func(context.Context, string) error) device {
	b.Helper()
	return b.deviceIn(b.TempDir(), health)
}

// deviceIn is deviceWith in a folder, which may hold the device's identity.
func (b *bench) deviceIn(dir string, health func(context.Context, string) error) device {
	b.Helper()
	root, err := os.ReadFile(filepath.Join(b.dir, "data", "public", "metadata", "1.root.json"))
	b.check(err)
	d, err := client.Open(client.Config{
		Server: b.server.URL, App: app, Channel: "production", Platform: "web", Runtime: "1.0.0",
		Dir: dir, Root: root, Host: hostAt{client.NewSystem(), b.now}, HealthCheck: health,
	})
	b.check(err)
	b.Cleanup(func() { b.check(d.Close()) })
	b.check(d.Enrol(b.Context(), b.enrolmentToken()))
	return device{b, d}
}

// enrolmentToken is one that any number of devices may use.
func (b *bench) enrolmentToken() sealift.EnrolmentToken {
	b.Helper()
	token, _, err := b.api.CreateEnrolmentToken(b.Context(), app, api.NewEnrolmentToken{ExpiresIn: 3600})
	b.check(err)
	return token
}

// try updates it.
func (d device) try() error {
	_, err := d.agent.Update(d.Context())
	return err
}

func (d device) update() {
	d.Helper()
	d.check(d.try())
}

// wantInstalled wants it to run a release; "" for none.
func (d device) wantInstalled(release string) {
	d.Helper()
	got := ""
	if result, _ := d.agent.Check(d.Context()); result.Installed != nil {
		got = result.Installed.Release.String()
	}
	if got != release {
		d.Errorf("it runs %q, want %q", got, release)
	}
}
