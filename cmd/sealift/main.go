// Command sealift delivers over-the-air updates: the publisher's commands, the
// server, the device agent and the offline verifier in one program.
//
// "sealift --help" lists the commands; package internal/cli has them.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/sealift/sealift/internal/cli"
)

// version and commit are set by the linker (-X main.version=v1.2.3) in builds
// by scripts/build.sh; a build by "go install" or "go build" knows its own.
var version, commit string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once: the first may wait for something.
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Main(ctx, os.Args[1:], cli.IO{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Env: os.LookupEnv, Environ: os.Environ(), Now: time.Now, Build: build(),
	}))
}

func build() cli.Build {
	b := cli.Build{
		Version: version, Commit: commit, Modified: strings.HasSuffix(version, "-dirty"),
		Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if b.Version == "" && info.Main.Version != "(devel)" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}
