package sealift

// What a release may have for devices that run Capgo's plugin. Sizes are in bytes.
const (
	// MaxCapgoFiles bounds the files of such a release. The vault encodes two hashes
	// of each with RSA-2048, a millisecond a hash and core, in the transaction that
	// publishes: all of 4,096 files hold up others for five seconds on two cores. An
	// Angular app with every icon of Ionic's has 1,400.
	MaxCapgoFiles = 4096
	// MaxCapgoFile bounds one of its files, which is compressed in memory, and
	// MaxCapgoZip its zip: phones keep it beside what is unpacked from it.
	MaxCapgoFile = 64 << 20
	MaxCapgoZip  = 512 << 20
	// MaxCapgoDocument bounds the document about it: some 1,100 bytes a file, and
	// the names. In base64 it fits a backup's part beside 4 MiB of other rows.
	MaxCapgoDocument = 8 << 20
	// MaxCapgoSubmission bounds a submission that has such a release: some 190 bytes
	// a file, and the names.
	MaxCapgoSubmission = 4 << 20
	// MaxCapacitorConfig bounds an app's capacitor.config.json, of which large ones
	// have 10 KiB.
	MaxCapacitorConfig = 256 << 10
)
