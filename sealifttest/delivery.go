package sealifttest

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust/tufrepo"
)

// How a device refuses what the delivery did, by what it notices.
const (
	reasonLog        = "log"
	reasonBlobLength = "blob-length"
	reasonBlobDigest = "blob-digest"
)

// documents are what a device fetches besides blobs, and how it notices that
// one is not what it must be.
var documents = []struct {
	name    string
	what    string
	path    *regexp.Regexp
	kind    sealift.Kind
	reasons []string
	fresh   bool
}{
	{"timestamp", "the timestamp", timestampDocument, sealift.KindMetadata, nil, false},
	{"snapshot", "the snapshot", snapshotDocument, sealift.KindMetadata, nil, false},
	{"targets", "targets.json", targetsDocument, sealift.KindMetadata, nil, true},
	{"trust", "trust.json", trustDocument, sealift.KindMetadata, nil, true},
	{"bins", "the director's bins", binDocument, sealift.KindMetadata, nil, false},
	{"deny", "deny.json", denyDocument, sealift.KindMetadata, nil, true},
	{"channels", "channels.json", channelsDocument, sealift.KindMetadata, nil, true},
	{"offer", "the offer", offerDocument, sealift.KindMetadata, nil, false},
	{"release", "release.json", releaseDocument, sealift.KindMetadata, nil, false},
	{"proof", "the log proof", proofDocument, sealift.KindMetadata, nil, false},
	{"tiles", "the log's tiles", tileDocument, sealift.KindSignature, []string{reasonLog}, false},
}

// documentAttacks goes through the documents in the order in which a device
// fetches them: true ones of other times and places, then damaged ones.
func documentAttacks() (all []Attack) {
	all = rootAttacks()
	mixed := mixedAttacks()
	for _, d := range documents {
		all = append(all, mixed[d.name]...)
		attack := func(how, title string, kind sealift.Kind, reasons []string, edge func(*Hostile) (edge, error)) {
			all = append(all, Attack{
				Name: d.name + "-" + how, Title: fmt.Sprintf(title, d.what),
				Kind: kind, Reasons: reasons, Fresh: d.fresh, edge: edge,
			})
		}
		attack("garbled", "%s with one bit flipped", d.kind, d.reasons, replacing(d.path, garble))
		attack("empty", "nothing in place of %s", d.kind, d.reasons, replacing(d.path, empty))
		attack("null", "the word null in place of %s", d.kind, d.reasons, replacing(d.path, null))
		attack("endless", "%s that never ends", sealift.KindNetwork, nil, damaging(d.path, endless))
		attack("missing", "%s is withheld (404)", sealift.KindNetwork, nil, damaging(d.path, missing))
		attack("failing", "the server breaks where %s should come (500)", sealift.KindNetwork, nil, damaging(d.path, failing))
		attack("redirected", "%s is to be fetched from another server", sealift.KindNetwork, nil, damaging(d.path, redirecting))
	}
	return all
}

// rootAttacks are on the next root.json, which mostly does not exist.
func rootAttacks() []Attack {
	return []Attack{
		{
			Name: "root-replayed", Title: "the first root.json in place of the next one",
			Kind: sealift.KindMetadata, edge: fakeRoot(func(root []byte) []byte { return root }),
		},
		{
			Name: "root-garbled", Title: "a root.json with one bit flipped",
			Kind: sealift.KindMetadata, edge: fakeRoot(garble),
		},
		{
			Name: "root-empty", Title: "nothing in place of a root.json",
			Kind: sealift.KindMetadata, edge: fakeRoot(empty),
		},
		{
			Name: "root-null", Title: "the word null in place of a root.json",
			Kind: sealift.KindMetadata, edge: fakeRoot(null),
		},
		{
			Name: "root-skipped", Title: "root N+2 in place of root N+1",
			Kind: sealift.KindMetadata, stage: rotateTwice, edge: skipRoot,
		},
	}
}

// mixedAttacks show true documents of other times and places, by what they
// stand in for.
func mixedAttacks() map[string][]Attack {
	return map[string][]Attack{
		"timestamp": {
			{
				Name: "timestamp-frozen", Title: "the timestamp of before, until it expires",
				Kind: sealift.KindMetadata, Reasons: []string{"expired", "stale"},
				Later: sealift.TimestampLife + time.Second, edge: oldTimestamp(newest),
			},
			{
				Name: "timestamp-replayed", Title: "an older timestamp than the device has seen",
				Kind: sealift.KindMetadata, edge: oldTimestamp(oldest),
			},
		},
		"snapshot": {{
			Name: "snapshot-mixed", Title: "the snapshot of before with the timestamp of now",
			Kind: sealift.KindMetadata, edge: previous(snapshotDocument, 1),
		}},
		"bins": {
			{
				Name: "bins-mixed", Title: "the director's bins of before with the snapshot of now",
				Kind: sealift.KindMetadata, edge: previous(binDocument, 1<<tufrepo.BinBits),
			},
			{
				Name: "bins-swapped", Title: "another bin of the director in place of the one with the offer",
				Kind: sealift.KindMetadata, edge: swapBins("offer.json"),
			},
		},
		"trust": {{
			Name: "trust-replayed", Title: "the trust.json of before in place of the newest",
			Kind: sealift.KindMetadata, Fresh: true, edge: swapping(trustDocument), stage: renewed,
		}},
		"channels": {
			{
				Name: "channels-replayed", Title: "the channels.json of before in place of the newest",
				Kind: sealift.KindMetadata, Fresh: true, edge: swapping(channelsDocument), stage: renewed,
			},
			{
				Name: "channels-hidden", Title: "another bin of the director in place of the one with channels.json",
				Kind: sealift.KindMetadata, Fresh: true, edge: swapBins("channels.json"),
			},
		},
		"offer": {{
			Name: "offer-replayed", Title: "the offer of before in place of the newest",
			Kind: sealift.KindMetadata, edge: swapping(offerDocument),
		}},
		"release": {
			{
				Name: "release-replayed", Title: "an older release.json in place of the newest",
				Kind: sealift.KindMetadata, edge: swapping(releaseDocument),
			},
			{
				Name: "release-stripped", Title: "release.json without its signatures",
				Kind: sealift.KindMetadata, edge: replacing(releaseDocument, strip),
			},
		},
		"proof": {{
			Name: "proof-swapped", Title: "the log proof of another release",
			Kind: sealift.KindMetadata, edge: swapping(proofDocument),
		}},
	}
}

// blobAttacks are on sealed bundles, or on one form of them: name begins the
// attack's, and what is what people call it. An answer that ends too early may be
// taken for a broken line, so long as nothing is installed.
func blobAttacks(name, what string) []Attack {
	return []Attack{
		{
			Name: name + "-tampered", Title: what + " with one bit flipped",
			Kind: sealift.KindIntegrity, Reasons: []string{reasonBlobDigest},
			edge: streaming(func(_ *Hostile, out http.ResponseWriter, _ *http.Request) http.ResponseWriter {
				return &tampering{ResponseWriter: out}
			}),
		},
		{
			Name: name + "-truncated", Title: "the first half of " + what,
			Kind: sealift.KindIntegrity, Reasons: []string{reasonBlobLength}, edge: truncatedBlob,
		},
		{
			Name: name + "-endless", Title: what + " that never ends",
			Kind: sealift.KindIntegrity, Reasons: []string{reasonBlobLength}, edge: endlessBlob,
		},
		{
			Name: name + "-slow", Title: what + " at a byte a second",
			Kind: sealift.KindNetwork, Reasons: []string{"slow"},
			edge: streaming(func(h *Hostile, out http.ResponseWriter, in *http.Request) http.ResponseWriter {
				pace := h.Pace
				if pace == 0 {
					pace = time.Second // a bundle of a few hundred bytes must not get through in time
				}
				return &trickling{out, in, pace}
			}),
		},
		{
			Name: name + "-stalled", Title: what + " that stops after its first byte",
			Kind: sealift.KindNetwork, Reasons: []string{"slow", "timeout"},
			edge: streaming(func(_ *Hostile, out http.ResponseWriter, in *http.Request) http.ResponseWriter {
				return &stalling{out, in}
			}),
		},
		{
			Name: name + "-swapped", Title: "the bundle of another release in place of " + what,
			Kind: sealift.KindIntegrity, Reasons: []string{reasonBlobLength, reasonBlobDigest}, edge: swapping(blobDocument),
		},
		{
			Name: name + "-empty", Title: "nothing in place of " + what,
			Kind: sealift.KindIntegrity, Reasons: []string{reasonBlobLength}, edge: replacing(blobDocument, empty),
		},
		{
			Name: name + "-missing", Title: what + " is withheld (404)",
			Kind: sealift.KindNetwork, edge: damaging(blobDocument, missing),
		},
		{
			Name: name + "-failing", Title: "the server breaks where " + what + " should come (500)",
			Kind: sealift.KindNetwork, edge: damaging(blobDocument, failing),
		},
		{
			Name: name + "-redirected", Title: what + " is to be fetched from another server",
			Kind: sealift.KindNetwork, edge: damaging(blobDocument, redirecting),
		},
	}
}

// strip takes the signatures out of a DSSE envelope.
func strip(file []byte) []byte {
	at := bytes.Index(file, []byte(`"signatures":[`))
	end := bytes.LastIndexByte(file, ']')
	if at < 0 || end < at {
		return file
	}
	return slices.Concat(file[:at], []byte(`"signatures":[`), file[end:])
}

// swapping answers with the newest other document of the same kind that a
// device fetched before the attack was mounted.
func swapping(documents *regexp.Regexp) func(*Hostile) (edge, error) {
	return func(h *Hostile) (edge, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, old := range slices.Backward(h.seen) {
			if documents.MatchString(old) {
				return func(_ *http.Request, path string) http.HandlerFunc {
					if !documents.MatchString(path) || path == old {
						return nil
					}
					return func(out http.ResponseWriter, in *http.Request) {
						in = in.Clone(in.Context())
						in.URL.Path, in.URL.RawPath = "/v1/"+old, ""
						h.honest().ServeHTTP(out, in)
					}
				}, nil
			}
		}
		return nil, fmt.Errorf("no device fetched %s yet", documents)
	}
}

func oldest(timestamps [][]byte) []byte { return timestamps[0] }

func newest(timestamps [][]byte) []byte { return timestamps[len(timestamps)-1] }

// oldTimestamp shows a timestamp that was seen before the attack was mounted.
func oldTimestamp(which func([][]byte) []byte) func(*Hostile) (edge, error) {
	return func(h *Hostile) (edge, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(h.timestamps) == 0 {
			return nil, errors.New("no timestamp was seen yet")
		}
		old := which(h.timestamps)
		return on(timestampDocument, func(out http.ResponseWriter, _ *http.Request) { _, _ = out.Write(old) }), nil
	}
}

var versioned = regexp.MustCompile(`^(metadata/)(\d+)(\..*)$`)

// other returns the path of another version of the same metadata.
func other(path string, step int) (string, bool) {
	m := versioned.FindStringSubmatch(path)
	if m == nil {
		return "", false
	}
	version, err := strconv.Atoi(m[2])
	if err != nil || version+step < 1 {
		return "", false
	}
	return m[1] + strconv.Itoa(version+step) + m[3], true
}

// previous shows each document of a kind as it was one version before, which
// is a number lower by step.
func previous(documents *regexp.Regexp, step int) func(*Hostile) (edge, error) {
	return func(h *Hostile) (edge, error) {
		return func(in *http.Request, path string) http.HandlerFunc {
			old, ok := other(path, -step)
			if !ok || !documents.MatchString(path) {
				return nil
			}
			return h.fetch(in, old).serve
		}, nil
	}
}

// swapBins shows, in place of the bin that lists what is hidden, another one, which
// the same key signed and which does not.
func swapBins(hidden string) func(*Hostile) (edge, error) {
	return func(h *Hostile) (edge, error) {
		return func(in *http.Request, path string) http.HandlerFunc {
			if !binDocument.MatchString(path) || !bytes.Contains(h.fetch(in, path).body.Bytes(), []byte(hidden)) {
				return nil
			}
			version, own, err := binVersion(path)
			if err != nil {
				return nil
			}
			for n, bin := range tufrepo.Bins() {
				if bin == own {
					continue
				}
				// As new as the bin that was asked for, or as old as can be.
				for _, age := range []int{version >> tufrepo.BinBits, 1} {
					got := h.fetch(in, fmt.Sprintf("metadata/%d.%s.json", age<<tufrepo.BinBits+n, bin))
					if got.status == http.StatusOK && !bytes.Contains(got.body.Bytes(), []byte(hidden)) {
						return got.serve
					}
				}
			}
			return nil
		}, nil
	}
}

func binVersion(path string) (version int, bin string, err error) {
	number, rest, _ := strings.Cut(strings.TrimPrefix(path, "metadata/"), ".")
	version, err = strconv.Atoi(number)
	return version, strings.TrimSuffix(rest, ".json"), err
}

// fakeRoot shows what change makes of the first root wherever a device looks
// for a newer one.
func fakeRoot(change func([]byte) []byte) func(*Hostile) (edge, error) {
	return func(h *Hostile) (edge, error) {
		return func(in *http.Request, path string) http.HandlerFunc {
			if !rootDocument.MatchString(path) || path == firstRootPath {
				return nil
			}
			root := change(h.fetch(in, firstRootPath).body.Bytes())
			return func(out http.ResponseWriter, _ *http.Request) { _, _ = out.Write(root) }
		}, nil
	}
}

const firstRootPath = "metadata/1.root.json"

// skipRoot shows each root's successor in its place.
func skipRoot(h *Hostile) (edge, error) {
	return func(in *http.Request, path string) http.HandlerFunc {
		next, ok := other(path, 1)
		if !ok || !rootDocument.MatchString(path) {
			return nil
		}
		if got := h.fetch(in, next); got.status == http.StatusOK {
			return got.serve
		}
		return nil
	}, nil
}

func rotateTwice(w *World, next Spec) (func() error, error) {
	for range 2 {
		if err := w.RotateRoot(nil); err != nil {
			return nil, err
		}
	}
	_, err := w.Publish(next)
	return func() error { return nil }, err
}

// renewed is the staging of an attack that needs two trust.json.
func renewed(w *World, next Spec) (func() error, error) {
	if err := w.Renew(); err != nil {
		return nil, err
	}
	_, err := w.Publish(next)
	return func() error { return nil }, err
}

// truncatedBlob serves the first half of each blob as if it were all.
func truncatedBlob(h *Hostile) (edge, error) {
	return on(blobDocument, func(out http.ResponseWriter, in *http.Request) {
		if in.Header.Get("Range") != "" {
			out.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		h.honest().ServeHTTP(&halving{ResponseWriter: out}, in)
	}), nil
}

// endlessBlob serves each blob and goes on for ever.
func endlessBlob(h *Hostile) (edge, error) {
	return on(blobDocument, func(out http.ResponseWriter, in *http.Request) {
		h.honest().ServeHTTP(&growing{out}, in)
		pour(out, in, nil)
	}), nil
}
