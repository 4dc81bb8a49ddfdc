//go:build !unix

package client

import (
	"errors"
	"os"
)

// lockFile has no lock to take here: two processes in one folder would undo
// each other's work, so none may start.
func lockFile(*os.File) error { return errors.ErrUnsupported }
