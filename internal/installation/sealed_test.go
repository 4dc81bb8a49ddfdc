package installation_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/config"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/installation"
	"github.com/sealift/sealift/internal/vault"
)

// lines is a log that several goroutines write to.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) has(part string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), part)
}

// A roll-out that ends as planned is news, and no warning; and an epoch turns when its
// channel wants it to.
func TestServeKeeps(t *testing.T) {
	b := newBench(t)
	b.makeApp("web")
	_, err := b.publish("1.0.0")
	b.check(err)
	days := 30
	_, err = b.api.ChangeChannel(t.Context(), app, "production", api.ChannelChange{EpochDays: &days})
	b.check(err)
	b.clock = b.clock.Add(60 * day)
	b.stop()
	var log lines
	i, err := installation.Open(t.Context(), filepath.Join(b.dir, "data"), installation.Options{Now: b.now, Log: slog.New(slog.NewTextHandler(&log, nil))})
	b.check(err)
	b.check(i.Vault.Unseal(t.Context(), vault.Passphrase(passphrase), audit.Actor{Kind: audit.System, ID: "test"}, b.now()))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	b.check(err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- i.Serve(ctx, listener, config.Server{}, "test") }()
	const turned = `done="turned the epoch of com.acme.shop/production"`
	for wait := time.Now(); !(log.has(`msg="a roll-out moved"`) && log.has(turned)) && time.Since(wait) < 30*time.Second; {
		time.Sleep(time.Millisecond)
	}
	if !log.has(`level=INFO msg="a roll-out moved" done="` + string(app) + `/production/web 1.0.0 is finished`) {
		t.Errorf("it says %s", log.text.String())
	}
	cancel()
	b.check(<-ended)
	if !log.has(turned) {
		t.Errorf("the epoch did not turn: %s", log.text.String())
	}
	b.check(i.Close())
	b.start()
}

// A server whose vault stays sealed says so, and louder past half of the
// timestamp's life; what strangers tried is in the log when it ends.
func TestServeSealed(t *testing.T) {
	b := newBench(t)
	for after, level := range map[time.Duration]string{2 * time.Hour: "level=WARN", 40 * time.Hour: "level=ERROR"} {
		b.stop()
		var log lines
		i, err := installation.Open(t.Context(), filepath.Join(b.dir, "data"), installation.Options{
			Now: func() time.Time { return foundedAt.Add(after) }, Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		b.check(err)
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		b.check(err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- i.Serve(ctx, listener, config.Server{}, "test") }()
		for wait := time.Now(); !log.has(`msg="the vault is sealed"`) && time.Since(wait) < 20*time.Second; {
			time.Sleep(time.Millisecond)
		}
		if !log.has(level+` msg="the vault is sealed"`) || log.has("keeping the metadata fresh") {
			t.Errorf("after %s it says %s", after, log.text.String())
		}
		for range sealift.MaxUnsealEntries + 3 {
			err := i.Vault.Reset(t.Context(), []byte("please"), audit.Actor{Kind: audit.Person, ID: "anyone"}, foundedAt.Add(after))
			if sealift.ReasonOf(err) != vault.ReasonShareForm {
				t.Error(err)
			}
		}
		cancel()
		b.check(<-ended)
		b.check(i.Close())
		b.start()
	}
	entries, err := b.api.Entries(t.Context(), api.ListEntriesParams{Action: "vault.unseal", Result: "refused"})
	b.check(err)
	told := 0
	for _, e := range entries.Entries {
		if e.Details["attempts"] == "3" {
			told++
		}
	}
	if told != 2 {
		t.Errorf("told %d times of what was not told one by one: %+v", told, entries.Entries)
	}
}
