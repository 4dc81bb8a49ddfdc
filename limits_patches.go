package sealift

// What making and taking a patch may cost. Sizes are in bytes.
const (
	// MaxPatchArchive bounds the archives on both sides of a patch: the device
	// holds both in memory, and a phone gives an app 300 MiB at the least.
	MaxPatchArchive = 128 << 20
	// MaxPatchFrame bounds what one frame of a patch decodes to, which the device
	// holds a second time until it is whole.
	MaxPatchFrame = 8 << 20
	// MinPatchFrame is what every frame of a patch but the last decodes to, so that
	// there are at most 2,048: a decoder is made for each.
	MinPatchFrame = 64 << 10
	// MaxPatchHead bounds the list of pieces of the older archive before a frame: a
	// frame of 1 MiB holds 1,024 files, and a piece takes 8 bytes at the most.
	MaxPatchHead = 16 << 10
	// MaxPatches bounds against how many older releases a new one has patches, and
	// DefaultPatches is how many where nobody says: each costs its publisher seconds,
	// the vault its opening, and the release two lines.
	MaxPatches     = 8
	DefaultPatches = 3
	// DefaultPatchLimit is how long an archive may be that is patched where nobody
	// says otherwise, up to MaxPatchArchive: both in memory are 128 MiB, which
	// phones of ten years ago give.
	DefaultPatchLimit = 64 << 20
)
