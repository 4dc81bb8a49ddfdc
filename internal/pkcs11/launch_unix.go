//go:build unix

package pkcs11

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"syscall"
)

// launch starts the helper with one end of a socket pair, so that nobody else
// can ever connect to it, and returns the other end. The helper is in a process
// group of its own: Ctrl-C at the terminal ends the program first, which may have
// something to sign yet.
func (h *helper) launch() (net.Conn, *exec.Cmd, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, nil, err
	}
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	if err := errors.Join(err, ours.Close()); err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(h.program, "--module", h.module)
	cmd.Env = h.env
	cmd.ExtraFiles = []*os.File{theirs} // becomes Descriptor
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	return conn, cmd, nil
}

func socketPair() (ours, theirs *os.File, err error) {
	syscall.ForkLock.RLock() // no other child may inherit the pair
	defer syscall.ForkLock.RUnlock()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, err
	}
	for _, fd := range pair {
		syscall.CloseOnExec(fd)
	}
	return os.NewFile(uintptr(pair[0]), "helper"), os.NewFile(uintptr(pair[1]), "helper's end"), nil
}
