package audit

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// entryLine reads a line of an export that is an entry as an Exporter writes it, in
// a sixth of the time that JSON takes for it. ok is false for every other line,
// which may be a good one all the same: package strictjson says so.
func entryLine(line []byte) (entry exportLine, ok bool) {
	rest, ok := bytes.CutPrefix(line, []byte(`{"index":`))
	if !ok {
		return exportLine{}, false
	}
	number, rest, ok := bytes.Cut(rest, []byte(`,"hash":"`))
	if !ok || len(number) == 0 || number[0] == '0' && len(number) > 1 {
		return exportLine{}, false
	}
	for _, c := range number {
		if c < '0' || c > '9' {
			return exportLine{}, false
		}
	}
	index, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil {
		return exportLine{}, false
	}
	hash, rest, ok := bytes.Cut(rest, []byte(`","leaf":"`))
	if !ok {
		return exportLine{}, false
	}
	body, ok := bytes.CutSuffix(rest, []byte(`"}`))
	if !ok {
		return exportLine{}, false
	}
	text, ok1 := plainString(hash)
	leaf, ok2 := plainString(body)
	if !ok1 || !ok2 || text == "" {
		return exportLine{}, false
	}
	return exportLine{Index: &index, Hash: text, Leaf: &leaf}, true
}

// plainString returns what stands between the quotes of a JSON string that has no
// escapes but those of a quote, a backslash and a line break.
func plainString(body []byte) (text string, ok bool) {
	out := make([]byte, 0, len(body))
	for i := 0; i < len(body); i++ {
		c := body[i]
		switch {
		case c == '"' || c < ' ':
			return "", false
		case c == '\\':
			if i++; i == len(body) {
				return "", false
			}
			switch c = body[i]; c {
			case '"', '\\':
			case 'n':
				c = '\n'
			default:
				return "", false
			}
		}
		out = append(out, c)
	}
	return string(out), utf8.Valid(out)
}
