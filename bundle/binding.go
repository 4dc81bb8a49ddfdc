package bundle

import (
	"encoding/binary"

	"github.com/sealift/sealift"
)

// binding builds associated data and HPKE info: the name of the format and
// then each field, all of them as a 32-bit big-endian length and the bytes. No
// two lists of fields give the same bytes.
type binding []byte

func bind(format string) binding { return binding(nil).text(format) }

func (b binding) bytes(field []byte) binding {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(field))), field...)
}

func (b binding) text(field string) binding { return b.bytes([]byte(field)) }

func (b binding) number(field uint64) binding {
	return b.bytes(binary.BigEndian.AppendUint64(nil, field))
}

// fullBinding is the associated data of a full blob; patchBinding that of a
// patch, which has its base in the last field.
func fullBinding(app sealift.AppID, archive sealift.Digest) []byte {
	return bind("sealift/bundle/v1").text("full").text(string(app)).bytes(archive[:]).bytes(nil)
}
