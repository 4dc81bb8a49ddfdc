//go:build !cgo

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "error: this sealift-pkcs11 was built without cgo and can load no module\nhint: build it with a C compiler: CGO_ENABLED=1 go build ./cmd/sealift-pkcs11")
	os.Exit(1)
}
