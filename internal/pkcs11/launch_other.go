//go:build !unix

package pkcs11

import (
	"errors"
	"net"
	"os/exec"
)

// launch has no way to hand a socket to a process here; vaults run on Unix.
func (h *helper) launch() (net.Conn, *exec.Cmd, error) {
	return nil, nil, errors.New("PKCS#11 tokens are supported on Unix systems only")
}
