package installation

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"

	"github.com/sealift/sealift/internal/edge"
)

// MetricsDoor is where a monitoring system reads how the server is.
type MetricsDoor struct {
	Listener net.Listener
	TLS      *tls.Config // nil for none
	Token    []byte      // that whoever reads has to show; empty for none
}

// OpenMetrics lets Serve answer there too, with package metrics. Call it before
// Serve, which closes the listener.
func (i *Installation) OpenMetrics(door MetricsDoor) { i.door = &door }

// serveMetrics answers at the door, if there is one, until ctx ends. That it cannot
// is logged, and ends nothing else.
func (i *Installation) serveMetrics(ctx context.Context, version string) {
	if i.door == nil {
		return
	}
	server := edge.NewServer(i.metrics.Handler(version, i.door.Token), i.log)
	listener := i.door.Listener
	if i.door.TLS != nil {
		listener = tls.NewListener(listener, i.door.TLS)
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		i.log.Error("serving metrics", "error", err)
	}
}
