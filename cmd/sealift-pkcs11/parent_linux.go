//go:build cgo

package main

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/internal/pkcs11"
)

// parent returns the socket to the program that started this one, after a look
// at whose it is (SO_PEERCRED), and forbids dumps and tracing of this process: a
// PIN passes through it.
func parent() (*net.UnixConn, error) {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("forbidding dumps: %w", err)
	}
	unix.CloseOnExec(pkcs11.Descriptor)
	peer, err := unix.GetsockoptUcred(pkcs11.Descriptor, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d: %w", pkcs11.Descriptor, err)
	}
	if int(peer.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("its other end is of user %d, this one of %d", peer.Uid, os.Geteuid())
	}
	return socket()
}

func socket() (*net.UnixConn, error) {
	f := os.NewFile(pkcs11.Descriptor, "socket")
	conn, err := net.FileConn(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("descriptor %d is no Unix socket", pkcs11.Descriptor), conn.Close())
	}
	return unixConn, nil
}
