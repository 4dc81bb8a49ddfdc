package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/term"
)

// IO is the world of a command: all it reads, writes and asks of its process.
type IO struct {
	In  io.Reader
	Out io.Writer // the result
	Err io.Writer // everything else
	Env term.LookupEnv
	// Environ is what Env looks in, as "NAME=value": for programs that a command
	// starts.
	Environ []string
	Now     func() time.Time
	Build   Build
	JSON    bool // --json was given; set by Main
}

// Build says what this program was built from. Whatever is not known is empty.
type Build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Modified bool   `json:"modified"` // the sources differed from the commit
	Go       string `json:"go"`       // as "go1.26.8"
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

// Print writes a result: v as one line of JSON under --json, else what human
// writes.
func (s *IO) Print(v any, human func(w io.Writer) error) error {
	var err error
	if s.JSON {
		err = writeJSON(s.Out, v)
	} else {
		err = human(s.Out)
	}
	if err != nil {
		return sealift.Errorf(sealift.KindOf(err), "printing the result", "%w", err)
	}
	return nil
}

// Println returns what Print wants for a result of one line.
func Println(format string, args ...any) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := fmt.Fprintf(w, format+"\n", args...)
		return err
	}
}

// Table returns what Print wants for a result of many rows.
func Table(header []string, rows [][]string) func(io.Writer) error {
	return func(w io.Writer) error { return term.Table(w, header, rows) }
}

// Note tells a person at the other end what is going on. It is not part of the
// result: it goes to stderr, and nowhere under --json.
func (s *IO) Note(format string, args ...any) {
	if !s.JSON {
		s.tell("", "", fmt.Sprintf(format, args...))
	}
}

// Warn says what the command goes on in spite of: "warning: …", or
// {"warning":"…"} under --json, on stderr.
func (s *IO) Warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if s.JSON {
		// What cannot be said on stderr cannot be said anywhere.
		_ = writeJSON(s.Err, map[string]string{"warning": text})
		return
	}
	s.tell(s.Style(s.Err).Yellow("warning:"), "warning:", text)
}

// Progress returns a bar on stderr over total bytes or items (0: not known),
// which draws nothing under --json and off terminals. Finish it.
func (s *IO) Progress(label string, total int64, unit term.Unit) *term.Progress {
	if s.JSON {
		return nil
	}
	return term.NewProgress(s.Err, s.Now, label, total, unit)
}

// Style returns the colours for one of IO's streams.
func (s *IO) Style(stream io.Writer) term.Style { return term.NewStyle(stream, s.Env) }

// tell writes text for people to stderr behind title, which is plain without
// its colours, with later lines indented to the first.
func (s *IO) tell(title, plain, text string) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	indent := ""
	if plain != "" {
		title += " "
		indent = strings.Repeat(" ", len(plain)+1)
	}
	var b strings.Builder
	for i, line := range lines {
		if i > 0 {
			title = indent
		}
		b.WriteString(title + term.Clean(line) + "\n")
	}
	// What cannot be said on stderr cannot be said anywhere.
	_, _ = io.WriteString(s.Err, b.String())
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // it is read by programs, not by browsers
	return enc.Encode(v)
}
