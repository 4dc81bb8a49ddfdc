//go:build cgo

package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"

	p11 "github.com/miekg/pkcs11"

	"github.com/sealift/sealift/internal/pkcs11"
)

// version is set by the linker in builds by scripts/build.sh.
var version string

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(args []string, out, errs io.Writer) error {
	flags := flag.NewFlagSet("sealift-pkcs11", flag.ContinueOnError)
	flags.SetOutput(errs)
	modulePath := flags.String("module", "", "the vendor's PKCS#11 library, an absolute path")
	showVersion := flags.Bool("version", false, "print the version and the protocol's")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *showVersion {
		_, err := fmt.Fprintf(out, "sealift-pkcs11 %s protocol %d\n", buildVersion(), pkcs11.Protocol)
		return err
	}
	socket, err := parent()
	if err != nil {
		return fmt.Errorf("this program is started by sealift, with a socket: %w", err)
	}
	defer socket.Close()
	m, err := load(*modulePath)
	if err != nil {
		return pkcs11.WriteFrame(socket, pkcs11.Greeting{Protocol: pkcs11.Protocol, Error: err.Error()})
	}
	return m.serve(socket)
}

func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "unknown"
}

// load loads the module and initialises it.
func load(path string) (*module, error) {
	if err := checkModule(path); err != nil {
		return nil, err
	}
	ctx := p11.New(path)
	if ctx == nil {
		return nil, fmt.Errorf("%s is no PKCS#11 module for this machine", path)
	}
	if err := ctx.Initialize(); err != nil {
		return nil, fmt.Errorf("initialising %s: %w", path, err)
	}
	info, err := ctx.GetInfo()
	if err != nil {
		return nil, fmt.Errorf("asking %s what it is: %w", path, err)
	}
	library := fmt.Sprintf("%s %s %d.%d", trim(info.ManufacturerID), trim(info.LibraryDescription), info.LibraryVersion.Major, info.LibraryVersion.Minor)
	return &module{ctx: ctx, library: clean(library), slots: map[uint]*slot{}}, nil
}

// checkModule refuses code that others than its owner and root may exchange.
func checkModule(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("the module's path %.80q is not absolute", path)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no file", path)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("others may change %s (mode %04o)", path, info.Mode().Perm())
	}
	return nil
}
