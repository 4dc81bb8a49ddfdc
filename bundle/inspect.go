package bundle

import (
	"bytes"
	"encoding/binary"
)

// inspector tells from a file's content whether it is, or holds, native code
// or bytecode of another virtual machine. It takes the content in pieces of
// any size and keeps little of it.
//
// It finds what is there openly: ELF, Mach-O (also fat), PE, Android's DEX,
// Java classes, and zips that are JAR, APK, AAB or IPA by what they hold, or
// that hold any of these. It does not find what somebody hides: no check of
// bytes can. WebAssembly and scripts are interpreted, and thus allowed; so are
// zips of other things, such as EPUB and Office documents.
type inspector struct {
	budget *zipBudget // shared by the files of a bundle

	found string // what it is, as the end of "the file is …"
	err   error  // why it is not known: the budget's errors
	done  bool   // no further bytes are wanted

	head []byte      // the first headSize bytes, while they are collected
	pe   *peWatch    // while a DOS header waits for its PE header
	zip  *zipScanner // for a zip
}

// newInspector begins a file of the bundle that the budget is for.
func newInspector(budget *zipBudget) *inspector {
	budget.nextFile()
	return &inspector{budget: budget}
}

// headSize is what all magic numbers and a DOS header take.
const headSize = 64

func (i *inspector) take(b []byte) {
	if i.done {
		return
	}
	if len(i.head) < headSize {
		n := min(headSize-len(i.head), len(b))
		i.head = append(i.head, b[:n]...)
		b = b[n:]
		if len(i.head) < headSize {
			return
		}
		i.begin()
	}
	i.goOn(b)
}

// begin judges the head and decides what to look for in the rest.
func (i *inspector) begin() {
	i.conclude(magicOf(i.head))
	switch {
	case i.done:
	case bytes.HasPrefix(i.head, []byte("MZ")) && len(i.head) == headSize:
		i.pe = &peWatch{at: int64(binary.LittleEndian.Uint32(i.head[60:]))}
		i.goOn(i.head)
	case bytes.HasPrefix(i.head, []byte(zipLocal)), bytes.HasPrefix(i.head, []byte(zipSplit)):
		i.zip = &zipScanner{budget: i.budget}
		i.goOn(i.head)
	default:
		i.done = true
	}
}

func (i *inspector) goOn(b []byte) {
	switch {
	case i.done:
	case i.pe != nil:
		found, over := i.pe.take(b)
		i.conclude(found)
		i.done = i.done || over
	case i.zip != nil:
		i.takeZip(b, false)
	}
}

func (i *inspector) takeZip(b []byte, end bool) {
	found, err := i.zip.take(b, end)
	i.conclude(found)
	if err != nil {
		i.err, i.done = err, true
	}
}

func (i *inspector) conclude(found string) {
	if found != "" {
		i.found, i.done = found, true
	}
}

// finish returns what was found in the whole file, or why that is not known.
func (i *inspector) finish() (found string, err error) {
	if !i.done && len(i.head) < headSize {
		i.begin()
	}
	if !i.done && i.zip != nil {
		i.takeZip(nil, true)
	}
	i.done = true
	return i.found, i.err
}

// magicOf names the native format that begins with head.
func magicOf(head []byte) string {
	for _, m := range [...]struct{ magic, name string }{
		{"\x7fELF", "an ELF binary"},                 // System V ABI, chapter 4
		{"\xfe\xed\xfa\xce", "a Mach-O binary"},      // <mach-o/loader.h>, 32 bits
		{"\xfe\xed\xfa\xcf", "a Mach-O binary"},      // 64 bits
		{"\xce\xfa\xed\xfe", "a Mach-O binary"},      // 32 bits, little-endian
		{"\xcf\xfa\xed\xfe", "a Mach-O binary"},      // 64 bits, little-endian
		{"\xca\xfe\xba\xbf", "a fat Mach-O binary"},  // <mach-o/fat.h>, 64-bit offsets
		{"\xbe\xba\xfe\xca", "a fat Mach-O binary"},  // little-endian
		{"\xbf\xba\xfe\xca", "a fat Mach-O binary"},  // both
		{"dex\n0", "Android bytecode (DEX)"},         // Dalvik executable format
		{"cdex0", "Android bytecode (compact DEX)"},  // its compact form
		{"dey\n0", "Android bytecode (odex)"},        // its optimized form
		{"vdex0", "Android bytecode (verified DEX)"}, // its verified form
	} {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.name
		}
	}
	if bytes.HasPrefix(head, []byte("\xca\xfe\xba\xbe")) && len(head) >= 8 {
		// Both formats begin so. What follows is a count of architectures, or
		// minor and major version, of which the least is 45.
		if binary.BigEndian.Uint32(head[4:]) < 45 {
			return "a fat Mach-O binary"
		}
		return "a Java class"
	}
	return ""
}

// peWatch waits for the PE header that a DOS header points to (Microsoft, PE
// Format, "Signature"). A text that begins with "MZ" points nowhere.
type peWatch struct {
	at   int64 // where the header is to be
	pos  int64 // bytes seen
	have []byte
}

const peSignature = "PE\x00\x00"

func (p *peWatch) take(b []byte) (found string, over bool) {
	if from := p.at + int64(len(p.have)) - p.pos; from < int64(len(b)) {
		from = max(from, 0)
		p.have = append(p.have, b[from:min(from+int64(len(peSignature)-len(p.have)), int64(len(b)))]...)
	}
	p.pos += int64(len(b))
	if len(p.have) < len(peSignature) {
		return "", false
	}
	if string(p.have) == peSignature {
		return "a Windows binary (PE)", true
	}
	return "", true
}
