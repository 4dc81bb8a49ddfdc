package postgrestest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// immediate is PostgreSQL's "immediate shutdown".
const immediate = syscall.SIGQUIT

// nobody returns whom the server is to run as: PostgreSQL refuses root.
func nobody() (id *syscall.Credential, err error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, lookup := user.Lookup(name)
		if lookup != nil {
			err = lookup
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("user %s has the numbers %s and %s", name, u.Uid, u.Gid)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, err
}

// giveAway lets the server's user have a folder.
func giveAway(dir string) error {
	if os.Getuid() != 0 {
		return nil
	}
	id, err := nobody()
	if err != nil {
		return err
	}
	return os.Chown(dir, int(id.Uid), int(id.Gid))
}

// asNobody has root run a command as another user.
func asNobody(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential, _ = nobody() // giveAway has found one
	}
}

// withUs has the kernel stop a command when this process ends, however it ends.
func withUs(cmd *exec.Cmd) { cmd.SysProcAttr.Pdeathsig = immediate }
