package control_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/blob"
	"github.com/sealift/sealift/internal/control"
	"github.com/sealift/sealift/internal/control/problem"
	"github.com/sealift/sealift/internal/edge"
)

const shop = sealift.AppID("com.acme.shop")

// storing is what a service does with an upload.
func storing(t *testing.T, want blob.Expect) func(io.Reader) error {
	store, err := blob.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return func(r io.Reader) error { return store.Put(t.Context(), "blobs/"+want.Digest.String(), r, &want) }
}

func TestUpload(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleDeveloper)
	content := bytes.Repeat([]byte("sealed"), 300_000)
	digest := sealift.DigestOf(content)
	f.services.upload = storing(t, blob.Expect{Digest: digest, Length: int64(len(content))})
	for range 2 {
		if err := c.UploadBlob(t.Context(), shop, digest, int64(len(content)), bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		check(t, "asked", nil, f.services.last(), []any{caller(access.RoleDeveloper), shop, digest, int64(len(content))})
	}
	content[0] ^= 1
	err := c.UploadBlob(t.Context(), shop, digest, int64(len(content)), bytes.NewReader(content))
	if sealift.KindOf(err) != sealift.KindIntegrity || sealift.ReasonOf(err) != "digest" {
		t.Errorf("other bytes: %v", err)
	}
}

func TestEmptyUpload(t *testing.T) {
	f := newFixture(t, roles{})
	empty := sealift.DigestOf(nil)
	f.services.upload = storing(t, blob.Expect{Digest: empty})
	if err := f.client(access.RoleOwner).UploadBlob(t.Context(), shop, empty, 0, strings.NewReader("")); err != nil {
		t.Error(err)
	}
}

func TestUploadRefusals(t *testing.T) {
	f := newFixture(t, roles{})
	path := acme + "/blobs/" + digest64
	f.wantProblem(f.do("PUT", path, "owner", "x", "Content-Type", "text/plain"), 415, sealift.KindInvalid, problem.ReasonMediaType)
	f.wantProblem(f.do("PUT", acme+"/blobs/short", "owner", "x", "Content-Type", "application/octet-stream"), 400, sealift.KindInvalid, "")

	chunked, err := http.NewRequestWithContext(t.Context(), http.MethodPut, f.server.URL+path, iotest.OneByteReader(strings.NewReader("x")))
	if err != nil {
		t.Fatal(err)
	}
	chunked.Header.Set("Content-Type", "application/octet-stream")
	resp, err := as{"owner", f.server.Client()}.Do(chunked)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	f.wantProblem(answer{resp.StatusCode, resp.Header, string(body)}, 411, sealift.KindInvalid, problem.ReasonLengthRequired)
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
}

// counter counts what is read of zeroes without end.
type counter struct{ read atomic.Int64 }

func (c *counter) Read(p []byte) (int, error) {
	c.read.Add(int64(len(p)))
	return len(p), nil
}

// Nobody sends gigabytes to a server that does not want them.
func TestRefusedBeforeTheBody(t *testing.T) {
	f := newFixture(t, roles{})
	for role, status := range map[access.Role]sealift.Kind{access.RoleAuditor: sealift.KindDenied, access.RoleOwner: sealift.KindInvalid} {
		content := new(counter)
		err := f.client(role).UploadBlob(t.Context(), shop, sealift.Digest{}, sealift.MaxBlob+1, content)
		if sealift.KindOf(err) != status || content.read.Load() != 0 {
			t.Errorf("%s: %v after %d bytes", role, err, content.read.Load())
		}
	}
}

// A service that stops halfway, as on a full disk, is heard.
func TestRefusedHalfway(t *testing.T) {
	f := newFixture(t, roles{})
	f.services.upload = func(r io.Reader) error {
		if _, err := io.CopyN(io.Discard, r, 1<<20); err != nil {
			return err
		}
		return sealift.Errorf(sealift.KindExhausted, "storing file", "no space left on device").WithReason("disk_full").WithHint("make room")
	}
	for range 5 {
		content := new(counter)
		err := f.client(access.RoleOwner).UploadBlob(t.Context(), shop, sealift.Digest{}, sealift.MaxBlob, content)
		if sealift.KindOf(err) != sealift.KindExhausted || sealift.ReasonOf(err) != "disk_full" || sealift.HintOf(err) != "make room" {
			t.Errorf("%v", err)
		}
		if read := content.read.Load(); read > 64<<20 {
			t.Errorf("%d bytes were sent", read)
		}
	}
}

func TestBrokenSource(t *testing.T) {
	f := newFixture(t, roles{})
	served := make(chan error, 1)
	f.services.upload = func(r io.Reader) error {
		_, err := io.Copy(io.Discard, r)
		served <- err
		return err
	}
	cause := errors.New("the disk fell off")
	source := io.MultiReader(strings.NewReader(strings.Repeat("x", 100_000)), iotest.ErrReader(cause))
	if err := f.client(access.RoleOwner).UploadBlob(t.Context(), shop, sealift.Digest{}, 1<<20, source); !errors.Is(err, cause) {
		t.Errorf("the caller hears %v", err)
	}
	if err := <-served; sealift.KindOf(err) != sealift.KindNetwork || sealift.ReasonOf(err) != problem.ReasonSlowUpload {
		t.Errorf("the service hears %v", err)
	}
}

// pipes is a listener whose connections live in memory, and so in virtual time.
type pipes struct {
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once
}

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

// slowly runs the server that the edge makes in virtual time, and uploads 1 MiB
// to it, step bytes every pause. It returns the status of the answer.
func slowly(t *testing.T, step int, pause time.Duration) (status int, took time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		s := &services{upload: func(r io.Reader) error {
			_, err := io.Copy(io.Discard, r)
			return err
		}}
		server := edge.NewServer(control.New(s.all(roles{}), control.Options{}), slog.New(slog.DiscardHandler))
		listener := &pipes{accept: make(chan net.Conn), closed: make(chan struct{})}
		var wg sync.WaitGroup
		wg.Go(func() { _ = server.Serve(listener) })
		conn := listener.dial()
		wg.Go(func() {
			fmt.Fprintf(conn, "PUT %s/blobs/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer owner\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", acme, digest64, 1<<20)
			for sent := 0; sent < 1<<20; sent += step {
				if _, err := conn.Write(make([]byte, step)); err != nil {
					return
				}
				time.Sleep(pause)
			}
		})
		start := time.Now()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		took = time.Since(start)
		status = resp.StatusCode
		_ = resp.Body.Close()
		_ = conn.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		time.Sleep(time.Second) // net/http lets a connection rest before it closes it
	})
	return status, took
}

func TestPatienceWithSlowUploads(t *testing.T) {
	// 1 KiB a second takes 17 minutes, longer than any one deadline.
	if status, took := slowly(t, 4<<10, 4*time.Second); status != http.StatusNoContent || took < 3*sealift.AnswerTimeout {
		t.Errorf("%d after %s", status, took)
	}
}

func TestStalledUploadsEnd(t *testing.T) {
	// 128 bytes a second are a drip that keeps a connection open for nothing.
	status, took := slowly(t, 512, 4*time.Second)
	if status != http.StatusRequestTimeout || took > 2*sealift.TransferTimeout {
		t.Errorf("%d after %s", status, took)
	}
}
