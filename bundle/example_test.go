package bundle_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing/fstest"

	"github.com/sealift/sealift/bundle"
)

// printer is a Sink that prints what it gets.
type printer struct{ bytes.Buffer }

func (p *printer) Create(path string, size int64, executable bool) (io.WriteCloser, error) {
	fmt.Println(path, size, executable)
	return p, nil
}

func (p *printer) Close() error {
	fmt.Print(p.String())
	return nil
}

func Example() {
	ctx := context.Background()
	source, err := bundle.OpenSource(fstest.MapFS{"a": {Data: []byte("hi\n")}})
	if err != nil {
		fmt.Println(err)
		return
	}
	id, err := source.Digest(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(id.Length, id.Digest)

	var blob bytes.Buffer
	key := bundle.NewContentKey()
	if _, err := bundle.Seal(ctx, &blob, source, id, "com.acme.shop", key, nil); err != nil {
		fmt.Println(err)
		return
	}
	if err := bundle.Open(ctx, &blob, id, "com.acme.shop", key, new(printer), nil); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 2048 b01c7b576ea416304df4a6813db01f189f67a0dabc7b53e67743254e464e447c
	// a 3 false
	// hi
}
