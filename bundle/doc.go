// Package bundle turns a folder of files into a sealed archive, and a sealed
// archive back into files, and seals the keys that this takes.
//
//	folder ──OpenSource──► Source ──Digest──► Identity          first pass
//	                         └──────Seal────► Blob              second pass
//	blob ──Open──► Sink                                         on the device, or in the vault
//
//	base, Source ──SealPatch──► Blob, and with it and base ──OpenPatch──► Sink
//
//	ContentKey ──SealContentKey──► sealed to an epoch's public key, in the release
//	epoch key  ──SealEpochKey────► sealed to a device's public key, in the vault's answer
//
// It is pure: it reads an fs.FS or an io.Reader that the caller opened, and
// imports neither os nor net, nor a clock. Everything streams: a process that
// publishes 1 GiB peaks at 38 MiB of memory, and at 50 if it opens the blob at
// the same time (BenchmarkMemory). Patches alone are made and applied in memory
// (BenchmarkPatchMemory).
//
// # Archive
//
// A bundle is its regular files: path, content, and whether any executable bit
// is set. Folders, times, owners and other modes are not part of it, so an
// empty folder does not survive, and one bundle has one archive. The archive
// is a tar (POSIX.1-2017, pax):
//
//   - the files in the byte order of their paths;
//   - each a ustar header of 512 bytes (name, or prefix and name parted at the
//     last slash that fits; mode 0000644 or 0000755; size; all other numbers
//     zero; no owner's name), the content, and zeros up to a multiple of 512;
//   - a path that is not ASCII or does not fit a ustar header in an extended
//     header (type x, mode 0, named <folder>/PaxHeaders.0/<name>, ASCII only,
//     cut to 100 bytes) with the one record "path" before it;
//   - 1,024 zeros at the end, and nothing after them.
//
// That is what Go's archive/tar writes for the same files, so every tar can
// list an archive. Its SHA-256 and length are the bundle's [Identity]. Open
// accepts these bytes only: it decodes each header, encodes what it found, and
// refuses if the two differ.
//
// For the one file "a" with the content "hi\n" and mode 0644, the archive has
// 2,048 bytes: a block of header, one of content, two of trailer. GNU tar writes
// it too, and its SHA-256 is b01c7b57…4e447c:
//
//	tar --format=ustar --owner=0 --group=0 --numeric-owner --mtime=@0 -b2 -cf - a | sha256sum
//
// # Paths
//
// A path is the same on every device, so the rules of all file systems hold at
// once, at publishing and again at opening: UTF-8; at most sealift.MaxPath
// bytes, and sealift.MaxPathElement in each element; relative, with no empty
// element, no "." and no ".."; no control character; none of \ < > : " | ? *;
// no element that ends in a dot or a space or names a device on Windows (CON,
// aux.js, COM1 and so on), although few bundles ever go there: a name that is
// refused today can be allowed later, the reverse would strand what was
// published.
//
// No two paths may collide, nor a file with a folder, when letter case
// (simple folding), Unicode normalization and invisible format characters are
// disregarded. Files and folders together are at most sealift.MaxFiles.
//
// # Full blob
//
// The archive is compressed and then sealed. Compression is zstd (RFC 8878),
// one or more frames without checksum, dictionary or skippable frames between
// or after them, windows of at most sealift.MaxZstdWindow bytes; at most
// length + length/1024 + 4,096 bytes for an archive of that length.
//
// Sealing is Tink's AES256_GCM_HKDF_1MB:
//
//	header    1 byte 40 | 32 bytes salt | 7 bytes nonce prefix
//	key       HKDF-SHA256 (RFC 5869) of the content key, salt, info = associated data; 32 bytes
//	segments  AES-256-GCM of 1 MiB, tag included; the first is shorter by the header, the last as it comes
//	nonce     nonce prefix | 32-bit number of the segment | 1 in the last segment, else 0
//
// The associated data names kind, app, archive and base: five fields, each as
// its length in 4 bytes (big-endian) and its bytes: "sealift/bundle/v1",
// "full", the app's id, the 32 bytes of the archive's SHA-256, and nothing.
//
// AES-GCM does not commit to its key: one ciphertext can open under two keys
// to two plaintexts. It does not matter here, because the blob's and the
// archive's SHA-256 are signed, and both are checked.
//
// # Patch blob
//
// A patch is the archive, compressed against an older archive, its base, and
// sealed as above with the kind "patch" and, in the last field, the base's
// SHA-256. Its plaintext is a sequence of pairs, and both of each are frames of
// zstd (RFC 8878):
//
//	head   a skippable frame, magic 0x184D2A50, of unsigned LEB128 numbers:
//	       the bytes that the frame decodes to, the bytes of the frame, and
//	       for each piece its offset in the base and its length
//	frame  a frame without checksum and dictionary id, whose raw dictionary is
//	       the base | the archive so far | the pieces in the head's order
//
// The base is there whole, and so is what was decoded: nothing is out of reach.
// The pieces are there again, at the end, where a match costs least and an
// encoder looks first: they are what the frame's files most likely were before,
// under whatever name. Which ones is the publisher's choice and needs no
// agreement. A frame against the pieces alone is one against all, since offsets
// count from the end.
//
// A frame decodes to at most sealift.MaxPatchFrame bytes, and each but the last
// to sealift.MinPatchFrame or more; its pieces have at most twice its length, its
// head at most sealift.MaxPatchHead bytes, and no archive more than
// sealift.MaxPatchArchive. So a device needs both archives' lengths and 24 MiB of
// memory, and an afternoon's work cannot be hidden in a kilobyte.
//
// # Keys
//
// Content and epoch keys are sealed by HPKE in base mode (RFC 9180, section
// 5.1.1) without associated data; what is stored is enc followed by the
// ciphertext. info is a list of fields as above:
//
//	"sealift/content-key/v1", app, channel, epoch (8 bytes), archive SHA-256 (32 bytes)
//	"sealift/epoch-key/v1", vault, app, device, channel, epoch (8 bytes)
//
// A content key is sealed as its 32 bytes; an epoch key as KEM, KDF and AEAD (2
// bytes each) and its 32-byte seed. Two suites are allowed, see [ParseSuite].
//
// # What this defends against
//
// Open takes for granted that the caller compared the blob's length and
// SHA-256 with signed ones. It nevertheless bounds what it reads, writes,
// remembers and allocates, whoever made the blob: every enrolled device knows
// the content key. What it refuses it refuses with KindIntegrity and a Reason,
// see [Open]. Until Open returns nil, nothing that the Sink got may be used.
package bundle
