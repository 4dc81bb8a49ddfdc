//go:build !linux

package postgrestest

import (
	"os"
	"os/exec"
)

// immediate ends the server without a word to it.
var immediate = os.Kill

// Elsewhere than on Linux the tests run as an ordinary user.
func giveAway(string) error { return nil }

func asNobody(*exec.Cmd) {}

func withUs(*exec.Cmd) {}
