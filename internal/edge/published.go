package edge

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/blob"
)

// MutableAge is how long a cache may keep what changes in place: long enough
// that a CDN asks once for many devices, and nothing beside the hour between
// two timestamps.
const MutableAge = 15 * time.Second

// maxMutable bounds what is read into memory to compute its ETag.
const maxMutable = max(sealift.MaxTimestamp, sealift.MaxProof)

const (
	typeJSON   = "application/json"
	typeBinary = "application/octet-stream"
	typeText   = "text/plain; charset=utf-8" // what C2SP asks for
)

// A rule says which keys are served, and how. The first submatch, where there
// is one, is the SHA-256 of the bytes.
type rule struct {
	form      *regexp.Regexp
	mediaType string
	mutable   bool
}

var rules = []rule{
	{form: regexp.MustCompile(`^metadata/timestamp\.json$`), mediaType: typeJSON, mutable: true},
	{form: regexp.MustCompile(`^metadata/[1-9][0-9]{0,18}\.[a-z0-9%_-]{1,64}\.json$`), mediaType: typeJSON},
	{form: regexp.MustCompile(`^targets/(?:[A-Za-z0-9._%-]+/){0,8}([0-9a-f]{64})\.[A-Za-z0-9._%-]+$`), mediaType: typeJSON},
	{form: regexp.MustCompile(`^releases/([0-9a-f]{64})$`), mediaType: typeJSON},
	{form: regexp.MustCompile(`^proofs/([0-9a-f]{64})$`), mediaType: typeText},
	{form: regexp.MustCompile(`^blobs/([0-9a-f]{64})$`), mediaType: typeBinary},
	{form: regexp.MustCompile(`^log/checkpoint$`), mediaType: typeText, mutable: true},
	{form: regexp.MustCompile(`^log/tile/[0-9]{1,2}/(?:x[0-9]{3}/){0,6}[0-9]{3}(?:\.p/[1-9][0-9]{0,2})?$`), mediaType: typeBinary},
}

func ruleFor(key string) (r rule, digest string, ok bool) {
	for _, r := range rules {
		if match := r.form.FindStringSubmatch(key); match != nil {
			return r, strings.Join(match[1:], ""), true
		}
	}
	return rule{}, "", false
}

func (h *handler) published(w http.ResponseWriter, r *http.Request) {
	key := r.PathValue("key")
	rule, digest, ok := ruleFor(key)
	if !ok {
		h.absent(w, r)
		return
	}
	if !h.allowed(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	file, err := h.store.Open(r.Context(), key)
	if kind := sealift.KindOf(err); kind == sealift.KindNotFound || kind == sealift.KindInvalid {
		h.absent(w, r)
		return
	} else if err != nil {
		h.fail(w, r, err)
		return
	}
	defer file.Close()
	w.Header().Set("Content-Type", rule.mediaType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if rule.mutable {
		h.serveMutable(w, r, file)
		return
	}
	h.serveImmutable(w, r, file, digest)
}

func (h *handler) serveImmutable(w http.ResponseWriter, r *http.Request, file blob.File, digest string) {
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	if digest != "" {
		w.Header().Set("ETag", `"`+digest+`"`)
	}
	http.ServeContent(newPatientWriter(w), r, "", file.ModTime(), file)
}

func (h *handler) serveMutable(w http.ResponseWriter, r *http.Request, file blob.File) {
	content, err := io.ReadAll(io.LimitReader(file, maxMutable+1))
	if err == nil && len(content) > maxMutable {
		err = fmt.Errorf("it is larger than %d bytes", maxMutable)
	}
	if err != nil {
		h.fail(w, r, sealift.Errorf(sealift.KindInternal, "reading published file", "%w", err))
		return
	}
	w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(MutableAge.Seconds())))
	w.Header().Set("ETag", `"`+sealift.DigestOf(content).String()+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}
