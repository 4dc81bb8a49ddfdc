package edge

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/sealift/sealift"
)

// NewServer returns a server for handler that gives up on slow clients and
// oversized headers; sealift's limits say when and why. Handlers that move
// blobs extend the deadlines of their own request while bytes flow. What the
// server itself has to say, such as failed TLS handshakes, goes to log.
func NewServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: sealift.HeaderTimeout,
		ReadTimeout:       sealift.RequestTimeout,
		WriteTimeout:      sealift.AnswerTimeout,
		IdleTimeout:       sealift.KeepAliveTimeout,
		MaxHeaderBytes:    sealift.MaxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// patientWriter gives the client a new sealift.TransferTimeout for every piece
// of at most sealift.TransferPiece bytes, instead of one deadline for a whole
// blob, which would cut good clients off or bear bad ones for hours.
type patientWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func newPatientWriter(w http.ResponseWriter) *patientWriter {
	return &patientWriter{ResponseWriter: w, control: http.NewResponseController(w)}
}

// Write implements io.Writer. There is no ReadFrom on purpose: it would take
// the pieces, and with them the deadlines, out of our hands.
func (w *patientWriter) Write(p []byte) (written int, err error) {
	for len(p) > 0 {
		piece := p[:min(len(p), sealift.TransferPiece)]
		if err := w.extend(); err != nil {
			return written, err
		}
		n, err := w.ResponseWriter.Write(piece)
		written += n
		if err != nil {
			return written, err
		}
		p = p[n:]
	}
	return written, nil
}

// extend does nothing where there is no connection, as in a recorder of tests.
func (w *patientWriter) extend() error {
	err := w.control.SetWriteDeadline(time.Now().Add(sealift.TransferTimeout))
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}
