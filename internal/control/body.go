package control

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/problem"
	"github.com/sealift/sealift/internal/strictjson"
)

const readingBody = "reading request body"

// readJSON decodes the body of r, of at most limit bytes, into v: one JSON
// object without duplicate, unknown or misspelt fields.
func readJSON(w http.ResponseWriter, r *http.Request, limit int64, v any) error {
	if err := wantMedia(r, "application/json"); err != nil {
		return err
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return sealift.Errorf(sealift.KindInvalid, readingBody, "it is larger than %d bytes", limit).WithReason(problem.ReasonTooLarge)
	}
	if err != nil {
		return sealift.Errorf(sealift.KindNetwork, readingBody, "%w", err).WithReason(problem.ReasonSlowUpload)
	}
	// Unknown fields are read over in signed documents. Here one is a
	// misunderstanding, and its writer is there to hear of it.
	err = strictjson.UnmarshalKnown(data, int(limit), v)
	if err != nil {
		return sealift.Errorf(sealift.KindInvalid, readingBody, "%s", strings.TrimPrefix(err.Error(), "json: ")).
			WithHint("the fields are in %s/openapi.yaml", Prefix)
	}
	return nil
}

func wantMedia(r *http.Request, want string) error {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != want {
		return sealift.Errorf(sealift.KindInvalid, readingBody, "the media type is not %s", want).WithReason(problem.ReasonMediaType)
	}
	return nil
}
