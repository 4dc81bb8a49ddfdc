package capgo

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/capgo"
)

// The answers of an update check. Types are exact: on iOS one wrong type is an error.
type (
	updateReply struct {
		Version    string          `json:"version"`
		URL        string          `json:"url"`
		Checksum   string          `json:"checksum"`
		SessionKey string          `json:"session_key"`
		Manifest   []manifestEntry `json:"manifest,omitempty"`
	}
	manifestEntry struct {
		Name string `json:"file_name"`
		Hash string `json:"file_hash"`
		URL  string `json:"download_url"`
	}
	otherReply struct {
		Error    string `json:"error,omitempty"`
		Message  string `json:"message,omitempty"`
		Version  string `json:"version,omitempty"`
		Old      string `json:"old,omitempty"`
		Kind     string `json:"kind,omitempty"`
		Breaking bool   `json:"breaking,omitempty"`
	}
)

// The kinds of errors, which plugins know from 8.46 on.
const (
	kindCurrent = "up_to_date"
	kindBlocked = "blocked"
	kindFailed  = "failed"
)

// replies are the answers that offer one release, ready to be sent.
type replies struct{ zipV2, zipV3, deltaV2, deltaV3 []byte }

// of returns the one for a version of the plugin.
func (r *replies) of(plugin sealift.Version) []byte {
	v3, delta := readsV3.can(plugin), readsDelta.can(plugin)
	switch {
	case v3 && delta:
		return r.deltaV3
	case v3:
		return r.zipV3
	case delta:
		return r.deltaV2
	}
	return r.zipV2
}

// repliesOf writes the answers that offer a bundle. Without files for a delta those
// are the same as for the zip.
func repliesOf(b *capgo.Bundle, base string) (r replies, err error) {
	zip := updateReply{Version: string(b.Version), URL: blobURL(base, b.Zip.SHA256), SessionKey: b.SessionKey}
	for _, form := range []struct {
		checksum   string
		hash       func(capgo.File) string
		zip, delta *[]byte
	}{
		{b.ChecksumV2, func(f capgo.File) string { return f.HashV2 }, &r.zipV2, &r.deltaV2},
		{b.ChecksumV3, func(f capgo.File) string { return f.HashV3 }, &r.zipV3, &r.deltaV3},
	} {
		reply := zip
		reply.Checksum = form.checksum
		if *form.zip, err = encode(reply); err != nil {
			return r, err
		}
		for _, f := range b.Manifest {
			reply.Manifest = append(reply.Manifest, manifestEntry{Name: f.Name, Hash: form.hash(f), URL: blobURL(base, f.SHA256)})
		}
		if *form.delta, err = encode(reply); err != nil {
			return r, err
		}
	}
	return r, nil
}

func blobURL(base string, digest sealift.Digest) string {
	return fmt.Sprintf("%s/v1/blobs/%s", base, digest)
}

// encode writes an answer, with "&" and "<" as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, "writing an answer for Capgo's plugin", "%w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// current is the answer that there is nothing new.
var current = struct{ plain, kind []byte }{
	plain: []byte(`{"error":"no_new_version_available","message":"there is no newer version for this device"}`),
	kind:  []byte(`{"error":"no_new_version_available","message":"there is no newer version for this device","kind":"up_to_date"}`),
}

// backToStore sends a device back to the store's bundle. With an error or a kind it
// would do nothing from 8.46 on.
var backToStore = []byte(`{"version":"builtin"}`)

// reply returns the bytes of a decision.
func (d *Decision) reply(in *Info) ([]byte, error) {
	kinds := readsKind.can(in.Plugin)
	switch {
	case d.Offer != nil:
		return d.Offer.replies.of(in.Plugin), nil
	case d.Back:
		return backToStore, nil
	case d.Blocked == "" && kinds:
		return current.kind, nil
	case d.Blocked == "":
		return current.plain, nil
	}
	out := otherReply{Error: d.Blocked, Message: d.Message, Version: string(d.Version), Old: string(in.Running), Breaking: d.Breaking}
	if out.Old == "" {
		out.Old = builtin
	}
	if kinds {
		out.Kind = kindBlocked
	}
	return encode(out)
}

// reply returns the bytes that tell of a fault. What is known of who asked decides
// whether it has a kind: where that is nothing, it has one, which old plugins ignore.
func (f *fault) reply() ([]byte, error) {
	return encode(otherReply{Error: f.code, Message: f.message, Kind: kindFailed})
}
