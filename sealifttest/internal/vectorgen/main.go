// Command vectorgen writes sealifttest's vectors anew, one file each, into the
// folder that is its argument. It is run by: go generate ./sealifttest
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sealift/sealift/sealifttest"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: vectorgen FOLDER")
	}
	all, err := sealifttest.MakeVectors(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	if err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(args[0], "*.json"))
	if err != nil {
		return err
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	for _, v := range all {
		data, err := json.MarshalIndent(v, "", " ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(args[0], v.Name+".json"), append(data, '\n'), 0o644); err != nil {
			return err
		}
	}
	return nil
}
