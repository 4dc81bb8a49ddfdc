package sqlite

import (
	"testing"

	"github.com/sealift/sealift/internal/vault/vaulttest"
)

// TestNoRoomForTheLog bounds the file in place of the disk.
func TestNoRoomForTheLog(t *testing.T) {
	db := openHere(t)
	vaulttest.TestNoRoomForTheLog(t, db,
		func() { exec(t, db.writer, "PRAGMA max_page_count = "+pragma(t, db.writer, "page_count")) },
		func() { exec(t, db.writer, "PRAGMA max_page_count = 100000") })
}
