package vault

import (
	"encoding/binary"
	"errors"
)

// join writes a format name and fields so that no two lists of fields give the
// same bytes: each has its length in front as a big-endian uint32. It is what
// associated data and MACs are taken over, and the form of a sealed record.
func join(format string, fields ...[]byte) []byte {
	n := 4 + len(format)
	for _, f := range fields {
		n += 4 + len(f)
	}
	out := make([]byte, 0, n)
	out = appendField(out, []byte(format))
	for _, f := range fields {
		out = appendField(out, f)
	}
	return out
}

func appendField(out, field []byte) []byte {
	out = binary.BigEndian.AppendUint32(out, uint32(len(field)))
	return append(out, field...)
}

// split is the inverse of join for a known format and number of fields. The
// fields alias data.
func split(data []byte, format string, count int) ([][]byte, error) {
	fields := make([][]byte, 0, count+1)
	for len(data) > 0 {
		if len(data) < 4 || len(fields) > count {
			return nil, errMalformed
		}
		n := binary.BigEndian.Uint32(data)
		if uint64(n) > uint64(len(data)-4) {
			return nil, errMalformed
		}
		fields = append(fields, data[4:4+n])
		data = data[4+n:]
	}
	if len(fields) != count+1 || string(fields[0]) != format {
		return nil, errMalformed
	}
	return fields[1:], nil
}

var errMalformed = errors.New("not a sealed record of this format")

// number is the one encoding of integers in fields.
func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
