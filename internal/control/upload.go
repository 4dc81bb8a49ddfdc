package control

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/problem"
)

// patientReader reads a blob's upload. It gives the client a new
// sealift.TransferTimeout for every sealift.TransferPiece bytes, instead of one
// deadline for all of it.
type patientReader struct {
	body    io.Reader
	header  http.Header // of the answer
	control *http.ResponseController
	left    int  // bytes until the next deadline
	begun   bool // the client was told to send
}

func newPatientReader(w http.ResponseWriter, r *http.Request) *patientReader {
	return &patientReader{body: r.Body, header: w.Header(), control: http.NewResponseController(w)}
}

// Read implements io.Reader.
func (p *patientReader) Read(b []byte) (int, error) {
	if p.left <= 0 {
		if err := p.extend(); err != nil {
			return 0, sealift.Errorf(sealift.KindInternal, readingBody, "setting deadline: %w", err)
		}
		p.left = sealift.TransferPiece
	}
	p.begun = true
	n, err := p.body.Read(b[:min(len(b), p.left)])
	p.left -= n
	if err != nil && err != io.EOF {
		err = sealift.Errorf(sealift.KindNetwork, readingBody, "the upload broke off: %w", err).
			WithReason(problem.ReasonSlowUpload).WithHint("upload it again")
	}
	return n, err
}

// extend also moves the deadline for the answer, which has to follow when the
// upload is over. Where there is no connection, as in a recorder of tests, it
// does nothing.
func (p *patientReader) extend() error {
	now := time.Now()
	err := errors.Join(
		p.control.SetReadDeadline(now.Add(sealift.TransferTimeout)),
		p.control.SetWriteDeadline(now.Add(sealift.TransferTimeout+sealift.AnswerTimeout)),
	)
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// leaveTime is how long a client that is sending has to notice that it is
// refused.
const leaveTime = 2 * time.Second

// leave has refuse answer, and then goes on reading for a moment: to close a
// connection on which bytes arrive resets it, and a client that is still
// sending would see the reset in place of the answer.
func (p *patientReader) leave(refuse func()) {
	if !p.begun {
		refuse()
		return
	}
	// Errors here mean that the connection is gone, or that there is none.
	p.header.Set("Connection", "close")
	_ = p.control.EnableFullDuplex()
	refuse()
	_ = p.control.Flush()
	_ = p.control.SetReadDeadline(time.Now().Add(leaveTime))
	_, _ = io.Copy(io.Discard, p.body)
}
