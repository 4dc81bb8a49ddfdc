// Package term is the one place that knows terminals: whether a stream is one,
// colours, a progress bar for long work, a prompt for a passphrase, tables, and
// secrets read from files.
//
// Everything takes its stream, its environment and its clock as arguments, so
// that a command is run in a test as it is run by a person. What is written for
// people only (colours, bars, prompts) is written only where a person looks:
// on a stream that is no terminal, colours are plain text and a bar draws
// nothing.
package term

import (
	"os"
	"strings"
	"unicode"

	xterm "golang.org/x/term"
)

// LookupEnv finds an environment variable; os.LookupEnv is one.
type LookupEnv func(name string) (value string, set bool)

// IsTerminal reports whether stream is a terminal. Whatever is not an *os.File
// is none.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && f != nil && xterm.IsTerminal(int(f.Fd()))
}

// width returns the columns of the terminal behind stream, 80 where they are
// not known.
func width(stream any) int {
	const usual = 80
	f, ok := stream.(*os.File)
	if !ok {
		return usual
	}
	columns, _, err := xterm.GetSize(int(f.Fd()))
	if err != nil || columns <= 0 {
		return usual
	}
	return columns
}

// Style colours text, or leaves it as it is. The zero Style is plain.
type Style struct{ on bool }

// NewStyle returns the style for what is written to stream: plain where stream
// is no terminal, where NO_COLOR is set to anything but nothing
// (no-color.org), and where TERM is "dumb".
func NewStyle(stream any, env LookupEnv) Style {
	if v, _ := env("NO_COLOR"); v != "" {
		return Style{}
	}
	if v, _ := env("TERM"); v == "dumb" {
		return Style{}
	}
	return Style{on: IsTerminal(stream)}
}

// Bold returns s in bold (ECMA-48 section 8.3.117, select graphic rendition).
func (y Style) Bold(s string) string { return y.wrap("1", s) }

// Dim returns s in a fainter colour: what may be passed over.
func (y Style) Dim(s string) string { return y.wrap("2", s) }

// Red returns s in red: what went wrong.
func (y Style) Red(s string) string { return y.wrap("31", s) }

// Green returns s in green: what went as it should.
func (y Style) Green(s string) string { return y.wrap("32", s) }

// Yellow returns s in yellow: what wants a look.
func (y Style) Yellow(s string) string { return y.wrap("33", s) }

func (y Style) wrap(code, s string) string {
	if !y.on || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// Clean makes s, which may have come from a server, a file or a bundle, safe to
// show on a line of a terminal: control and format characters, which could move
// the cursor or turn text around, become "?", and what is not UTF-8 becomes
// U+FFFD.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
