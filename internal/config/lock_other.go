//go:build !unix

package config

import "os"

// tryLock does nothing where there is no flock; servers run on Unix.
func tryLock(*os.File) error { return nil }
