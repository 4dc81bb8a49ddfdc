// Package problem carries an *sealift.Error over HTTP as a problem document
// (RFC 9457, media type application/problem+json) and back.
//
//	{
//	  "type": "about:blank",            the class is in kind
//	  "title": "Conflict",              the status in words
//	  "status": 409,
//	  "detail": "creating app: com.acme.shop exists already",
//	  "kind": "conflict",               sealift.Kind
//	  "reason": "exists",               for machines; absent if empty
//	  "hint": "choose another id"       what to do next; absent if empty
//	}
//
// What is wrong inside the server stays there: the document of a KindInternal
// error names the request id under which the server's log has the cause.
package problem

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/sealift/sealift"
)

// MediaType is the media type of a problem document.
const MediaType = "application/problem+json"

// Document is the body of an answer that is not a success.
type Document struct {
	Type   string       `json:"type"`
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Detail string       `json:"detail"`
	Kind   sealift.Kind `json:"kind"`
	Reason string       `json:"reason,omitempty"`
	Hint   string       `json:"hint,omitempty"`
}

// Reasons that have a status of their own.
const (
	ReasonUnauthenticated = "unauthenticated" // with KindDenied: 401
	ReasonTooLarge        = "too_large"       // with KindInvalid: 413
	ReasonMediaType       = "media_type"      // with KindInvalid: 415
	ReasonMethod          = "method"          // with KindInvalid: 405
	ReasonLengthRequired  = "length_required" // with KindInvalid: 411
	ReasonRate            = "rate"            // with KindExhausted: 429
	ReasonSlowUpload      = "slow_upload"     // with KindNetwork: 408
	ReasonDatabaseAway    = "database-away"   // with KindNetwork: 503
	ReasonCommitUnknown   = "commit-unknown"  // with KindNetwork: 503
	ReasonIssuerAway      = "issuer-away"     // with KindNetwork: 502
)

// inside says what a caller may read of errors that would tell how the server is
// built: where its database is, what it asks of an issuer, and why these are away. For these, by reason; and for
// what has no other status than 500.
var inside = map[string]string{
	ReasonDatabaseAway:  "the server's database is away",
	ReasonCommitUnknown: "the server's database went away while it was writing this, and whether it did is not known",
	ReasonIssuerAway:    "the OpenID Connect issuer is away, or does not do its work",
}

type class struct {
	kind   sealift.Kind
	reason string
}

var statuses = map[class]int{
	{sealift.KindDenied, ReasonUnauthenticated}: http.StatusUnauthorized,
	{sealift.KindInvalid, ReasonTooLarge}:       http.StatusRequestEntityTooLarge,
	{sealift.KindInvalid, ReasonMediaType}:      http.StatusUnsupportedMediaType,
	{sealift.KindInvalid, ReasonMethod}:         http.StatusMethodNotAllowed,
	{sealift.KindInvalid, ReasonLengthRequired}: http.StatusLengthRequired,
	{sealift.KindExhausted, ReasonRate}:         http.StatusTooManyRequests,
	{sealift.KindNetwork, ReasonSlowUpload}:     http.StatusRequestTimeout,
	{sealift.KindNetwork, ReasonDatabaseAway}:   http.StatusServiceUnavailable,
	{sealift.KindNetwork, ReasonCommitUnknown}:  http.StatusServiceUnavailable,
	// What does not open a vault is no fault of the server's.
	{sealift.KindSealed, "passphrase"}:    http.StatusForbidden,
	{sealift.KindSealed, "share-foreign"}: http.StatusForbidden,
	{sealift.KindSealed, "share-old"}:     http.StatusForbidden,
	{sealift.KindSealed, "share-wrong"}:   http.StatusForbidden,
	{sealift.KindMetadata, ""}:            http.StatusUnprocessableEntity,
	{sealift.KindChain, ""}:               http.StatusUnprocessableEntity,
	{sealift.KindSignature, ""}:           http.StatusUnprocessableEntity,
	{sealift.KindVersion, ""}:             http.StatusUnprocessableEntity,
	{sealift.KindIntegrity, ""}:           http.StatusUnprocessableEntity,
	{sealift.KindRollback, ""}:            http.StatusUnprocessableEntity,
	{sealift.KindNetwork, ""}:             http.StatusBadGateway,
	{sealift.KindInvalid, ""}:             http.StatusBadRequest,
	{sealift.KindNotFound, ""}:            http.StatusNotFound,
	{sealift.KindConflict, ""}:            http.StatusConflict,
	{sealift.KindDenied, ""}:              http.StatusForbidden,
	{sealift.KindSealed, ""}:              http.StatusServiceUnavailable,
	{sealift.KindExhausted, ""}:           http.StatusInsufficientStorage,
	{sealift.KindInternal, ""}:            http.StatusInternalServerError,
}

// StatusOf is the HTTP status of err: by its kind and reason, else by its kind.
func StatusOf(err error) int {
	kind := sealift.KindOf(err)
	if status, ok := statuses[class{kind, sealift.ReasonOf(err)}]; ok {
		return status
	}
	if status, ok := statuses[class{kind, ""}]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// DocumentOf is what a caller may read of err.
func DocumentOf(err error, requestID string) Document {
	status := StatusOf(err)
	d := Document{
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: err.Error(), Kind: sealift.KindOf(err), Reason: sealift.ReasonOf(err), Hint: sealift.HintOf(err),
	}
	switch detail, ok := inside[d.Reason]; {
	case status == http.StatusInternalServerError:
		d.Detail, d.Kind, d.Reason = "something went wrong inside the server", sealift.KindInternal, ""
		d.Hint = "the server's log says what, under request id " + requestID
	case ok && d.Reason == ReasonCommitUnknown:
		d.Detail, d.Hint = detail, "look whether it was done before you do it again"
	case ok:
		d.Detail, d.Hint = detail, "try again in a while: nothing was done; the server's log says why, under request id "+requestID
	}
	return d
}

// staysInside reports whether a caller is told less than there is to be told.
func staysInside(err error) bool {
	_, ok := inside[sealift.ReasonOf(err)]
	return ok || StatusOf(err) == http.StatusInternalServerError
}

// Write answers with err as a problem document, which no cache may keep.
func Write(w http.ResponseWriter, err error, requestID string) {
	d := DocumentOf(err, requestID)
	body, marshalErr := json.Marshal(d)
	if marshalErr != nil { // strings and a number: it cannot be
		body = []byte("{}")
	}
	body = append(body, '\n')
	h := w.Header()
	h.Del("ETag") // a handler that failed halfway may have set it
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Content-Type", MediaType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if d.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(d.Status)
	_, _ = w.Write(body)
}

// Decode turns the answer of a server back into the error that it was: never
// nil. An answer that is no problem document is KindNetwork: whatever listens
// there, it is not speaking Sealift.
func Decode(status int, contentType string, body []byte) error {
	var d Document
	media, _, err := mime.ParseMediaType(contentType)
	if err == nil && media == MediaType {
		err = json.Unmarshal(body, &d)
	} else {
		err = fmt.Errorf("the media type is %q", contentType)
	}
	if err != nil || d.Detail == "" || statuses[class{d.Kind, ""}] == 0 {
		text := strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
		return sealift.Errorf(sealift.KindNetwork, "reading the server's answer", "it says %s, not what a Sealift server says", text).
			WithHint("check the server's address, and what stands between here and there")
	}
	return &sealift.Error{Kind: d.Kind, Reason: d.Reason, Err: errors.New(d.Detail), Hint: d.Hint}
}
