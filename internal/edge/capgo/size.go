package capgo

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/sealift/sealift"
)

// How large files are, with exact types.
type (
	saidSizes struct {
		said
		Version  text      `json:"version"`
		Manifest saidFiles `json:"manifest"`
	}
	saidFiles []saidFile
	saidFile  struct {
		Name whole `json:"file_name"`
		Hash whole `json:"file_hash"`
		URL  whole `json:"download_url"`
	}
	sizesReply struct {
		Total   int64      `json:"totalSize"`
		Known   int        `json:"knownFiles"`
		Unknown int        `json:"unknownFiles"`
		Files   []fileSize `json:"files"`
	}
	fileSize struct {
		Name  string `json:"file_name"`
		Hash  string `json:"file_hash"`
		URL   string `json:"download_url"`
		Size  *int64 `json:"size,omitempty"`
		Error string `json:"error,omitempty"`
	}
)

// UnmarshalJSON implements json.Unmarshaler. It reads one file more than a bundle may
// have: a body has room for a hundred times as many.
func (l *saidFiles) UnmarshalJSON(data []byte) (err error) {
	*l, err = listIn[saidFile](data, sealift.MaxCapgoFiles)
	return err
}

// whole is a text that is sent back as it came; what is none is empty.
type whole string

// UnmarshalJSON implements json.Unmarshaler.
func (t *whole) UnmarshalJSON(data []byte) error {
	if data[0] != '"' {
		return nil
	}
	return json.Unmarshal(data, (*string)(t))
}

// sizes answers how many bytes files of a release take on the way.
func (e *Edge) sizes(w http.ResponseWriter, r *http.Request) {
	if wait, admitted := e.reports.Admit(e.Address(r), e.Now()); !admitted {
		e.later(w, callSize, "rate", wait)
		return
	}
	select {
	case e.sizing <- struct{}{}:
		defer func() { <-e.sizing }()
	default:
		e.later(w, callSize, reasonCrowded, time.Minute)
		return
	}
	body, f := readBody(w, r, sealift.MaxCapgoSizes)
	var q saidSizes
	if f == nil {
		f = unmarshal(body, &q)
	}
	if f == nil && len(q.Manifest) > sealift.MaxCapgoFiles {
		f = &fault{codeTooLarge, "a bundle has fewer files"}
	}
	var in Info
	if f == nil {
		in, f = q.identity()
	}
	if f == nil && e.app(in.App) == nil {
		f = noApp()
	}
	if f != nil {
		e.refuse(w, callSize, f)
		return
	}
	answer, err := encode(e.app(in.App).sizesOf(&in, &q))
	if err != nil {
		e.broken(w, callSize, err)
		return
	}
	e.answer(w, callSize, "ok", answer)
}

// sizesOf looks the files up in what is offered of the version.
func (a *App) sizesOf(in *Info, q *saidSizes) sizesReply {
	type named struct{ name, hash string }
	known := map[named]int64{}
	version, _ := pad(string(q.Version))
	for _, channel := range a.Channels {
		line := channel.Lines[in.Platform]
		if line == nil {
			continue
		}
		for _, c := range line.Candidates {
			if c.Version != version {
				continue
			}
			for _, f := range c.Bundle.Manifest {
				known[named{f.Name, f.HashV3}], known[named{f.Name, f.HashV2}] = f.Size, f.Size
			}
		}
	}
	out := sizesReply{Files: []fileSize{}}
	for _, f := range q.Manifest {
		file := fileSize{Name: string(f.Name), Hash: string(f.Hash), URL: string(f.URL)}
		if size, ok := known[named{file.Name, file.Hash}]; ok {
			file.Size = &size
			out.Total += size
			out.Known++
		} else {
			file.Error = "unknown_file"
			out.Unknown++
		}
		out.Files = append(out.Files, file)
	}
	return out
}
