package edge_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/blob"
	"github.com/sealift/sealift/internal/edge"
)

// large is a store in which every key is a megabyte of zeroes.
type large struct{ blob.Store }

type zeroes struct{ *strings.Reader }

var megabyte = strings.Repeat("\x00", 1<<20)

func (large) Open(context.Context, string) (blob.File, error) {
	return zeroes{strings.NewReader(megabyte)}, nil
}

func (zeroes) Close() error       { return nil }
func (zeroes) ModTime() time.Time { return time.Unix(1, 0) }

// pipes is a listener whose connections live in memory, and so in virtual time.
type pipes struct {
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{accept: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.accept:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.accept <- server
	return client
}

// serve runs NewServer in virtual time.
func serve(t *testing.T, run func(dial func() net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		server := edge.NewServer(edge.New(large{}, new(desk), edge.Options{}), slog.New(slog.DiscardHandler))
		listener := newPipes()
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
		})
		run(listener.dial)
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
}

// download asks for a blob and reads step bytes of it every pause. It returns
// how many it got and how long that took.
func download(t *testing.T, conn net.Conn, step int64, pause time.Duration) (int64, time.Duration) {
	t.Helper()
	defer conn.Close()
	start := time.Now()
	if _, err := io.WriteString(conn, "GET /v1/blobs/"+sum+" HTTP/1.1\r\nHost: edge\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got int64
	for {
		n, err := io.CopyN(io.Discard, resp.Body, step)
		got += n
		if err != nil {
			return got, time.Since(start)
		}
		time.Sleep(pause)
	}
}

func TestPatienceWithSlowDownloads(t *testing.T) {
	serve(t, func(dial func() net.Conn) {
		// 1 KiB a second, a device's MinRate, takes 17 minutes.
		got, took := download(t, dial(), 4<<10, 4*time.Second)
		if got != int64(len(megabyte)) || took < 10*time.Minute {
			t.Errorf("%d bytes after %s", got, took)
		}
	})
}

func TestStalledDownloadsEnd(t *testing.T) {
	serve(t, func(dial func() net.Conn) {
		got, _ := download(t, dial(), 64<<10, sealift.TransferTimeout+time.Second)
		if got > 4*64<<10 {
			t.Errorf("%d bytes went to a client that stalls", got)
		}
	})
}

func TestSlowRequestsEnd(t *testing.T) {
	serve(t, func(dial func() net.Conn) {
		for text, limit := range map[string]time.Duration{
			"":                      sealift.HeaderTimeout,
			"GET /healthz HTTP/1.1": sealift.HeaderTimeout,
			"POST /v1/devices HTTP/1.1\r\nHost: edge\r\nContent-Type: " + edge.MessageType + "\r\nContent-Length: 9\r\n\r\nhalf": sealift.RequestTimeout,
		} {
			conn := dial()
			start := time.Now()
			if _, err := io.WriteString(conn, text); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, conn); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took > limit+time.Second || took < limit {
				t.Errorf("%.30q was borne for %s, want %s", text, took, limit)
			}
			_ = conn.Close()
		}
	})
}

func TestSlowClientsDoNotHoldUpOthers(t *testing.T) {
	serve(t, func(dial func() net.Conn) {
		for range 50 {
			conn := dial()
			defer conn.Close()
			if _, err := io.WriteString(conn, "GET /v1/blobs/"+sum+" HTTP/1.1\r\nHost: edge\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		conn := dial()
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(conn); !strings.HasSuffix(string(answer), "ok") || err != nil {
			t.Errorf("%q, %v", answer, err)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("it took %s", took)
		}
	})
}

func TestOversizedHeader(t *testing.T) {
	serve(t, func(dial func() net.Conn) {
		conn := dial()
		defer conn.Close()
		go func() {
			_, _ = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: edge\r\nX: "+strings.Repeat("x", 2*sealift.MaxHeader)+"\r\n\r\n")
		}()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("status %d", resp.StatusCode)
		}
		_, _ = io.Copy(io.Discard, conn) // until the server hangs up
	})
}
