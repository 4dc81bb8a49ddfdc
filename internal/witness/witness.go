// Package witness has the log's checkpoints cosigned by witnesses, who are
// other people's servers: each cosigns (C2SP tlog-cosignature) only what extends
// all that it cosigned before, so that a log which shows two histories, whoever
// holds its key, finds nobody to cosign the second one.
//
// # Asking
//
// The newest checkpoint goes to every witness on its own (C2SP tlog-witness,
// add-checkpoint), after it was signed, published and made durable: a witness
// that is away delays nothing. What a witness answers is taken for what it is:
//
//	200        cosignatures; the witness's own is verified: its key, this
//	           checkpoint, a time near ours. All others are read over
//	409, size  it cosigned another size last: asked again from that one
//	409, 422   from the size that it cosigned last our log is another one
//	           than it saw, or shorter: the log forked ("fork")
//	403, 404   it does not know the log's key, or the log ("unknown")
//	429, 503   later: when it says, or when we would have asked again ("busy")
//	all else   "away", or "answer" for one that means nothing
//
// A fork is the one thing that cannot be mended by asking again: somebody signed
// two histories, or restored an old one. It is an entry in the log, once for
// each time that it begins, and an error in the server's log each time that it
// is heard.
//
// # What is kept
//
// A cosignature stands in the checkpoint's row, behind the log's signature, and
// in what is published at trust.CheckpointPath as long as that is the newest
// one. It proves itself, so it needs no entry. Nothing else is kept: what each
// witness cosigned last, and when, is read from these rows.
package witness

import (
	"bufio"
	"bytes"
	"fmt"
	"net/url"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// Peer is a witness and where it is asked.
type Peer struct {
	Key *trust.Witness
	URL string // submission prefix (C2SP tlog-witness), without a slash at its end
}

// maxPeers bounds the file that names witnesses, in bytes: MaxWitnesses lines
// and remarks.
const maxPeers = 64 << 10

// ParsePeers reads a file that names witnesses: a line for each with its
// verifier key and its submission prefix, an http or https URL, with white space
// between. Empty lines, and those that begin with "#", are read over. The error
// is KindInvalid and names the line.
func ParsePeers(data []byte) ([]Peer, error) {
	const op, hint = "reading the witnesses", "each line is the verifier key of a witness and the URL before its /add-checkpoint, as in: witness.example/w1+0a1b2c3d+BAc… https://witness.example"
	refuse := func(format string, args ...any) error {
		return sealift.Errorf(sealift.KindInvalid, op, format, args...).WithReason("witnesses").WithHint(hint)
	}
	if len(data) > maxPeers {
		return nil, refuse("%d bytes, at most %d are allowed", len(data), maxPeers)
	}
	var peers []Peer
	var keys []string
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxPeers+1)
	for number := 1; lines.Scan(); number++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 2 {
			return nil, refuse("line %d has %d words, not 2", number, len(fields))
		}
		key, err := trust.ParseWitness(fields[0])
		if err != nil {
			return nil, refuse("line %d: the key %.200q: %w", number, fields[0], err)
		}
		address, err := parseAddress(fields[1])
		if err != nil {
			return nil, refuse("line %d: %w", number, err)
		}
		peers, keys = append(peers, Peer{key, address}), append(keys, fields[0])
	}
	if len(peers) == 0 {
		return nil, refuse("it names none")
	}
	if _, err := trust.NewQuorum(keys, 1); err != nil { // each once, and not too many
		return nil, refuse("%w", err)
	}
	return peers, nil
}

// parseAddress takes a URL that ends in a path. What goes there is public, and
// what comes back is signed, so that http will do.
func parseAddress(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", fmt.Errorf("%.200q is no http or https URL", text)
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", fmt.Errorf("%.200q has more than a host and a path", u.Redacted())
	}
	return strings.TrimSuffix(text, "/"), nil
}
