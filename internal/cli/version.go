package cli

import (
	"fmt"
	"io"
)

type versionCmd struct{}

// Run implements the command.
func (c *versionCmd) Run(std *IO) error { return runVersion(std) }

func runVersion(std *IO) error {
	b := std.Build
	return std.Print(b, func(w io.Writer) error {
		version, commit := b.Version, ""
		if version == "" {
			version = "of unknown version"
		}
		if b.Commit != "" {
			commit = " commit " + b.Commit
		}
		if b.Modified {
			commit += " (modified)"
		}
		_, err := fmt.Fprintf(w, "sealift %s%s %s %s/%s\n", version, commit, b.Go, b.OS, b.Arch)
		return err
	})
}
