package sealifttest

import (
	"crypto/rand"
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// log is a tlog in memory.
type log struct {
	size   int64
	hashes []tlog.Hash
}

// ReadHashes implements tlog.HashReader.
func (l *log) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		out[i] = l.hashes[index]
	}
	return out, nil
}

func (l *log) append(record []byte) (index int64, err error) {
	hashes, err := tlog.StoredHashes(l.size, record, l)
	if err != nil {
		return 0, err
	}
	l.hashes = append(l.hashes, hashes...)
	l.size++
	return l.size - 1, nil
}

// newLogKey makes a key of a vault's log, and its verifier key.
func newLogKey(vault sealift.VaultID) (key note.Signer, public string, err error) {
	private, public, err := note.GenerateKey(rand.Reader, trust.LogOrigin(vault))
	if err != nil {
		return nil, "", err
	}
	key, err = note.NewSigner(private)
	return key, public, err
}

// AppendLog adds records to the log, as a vault at work does, and publishes a
// checkpoint with its tiles.
func (w *World) AppendLog(records ...[]byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, record := range records {
		if _, err := w.log.append(record); err != nil {
			return err
		}
	}
	_, err := w.checkpoint()
	return err
}

// LogSize returns how many records the log has.
func (w *World) LogSize() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.size
}

// ForkLog makes the log forget all but its first size records: a thief of the
// log key who shows another history.
func (w *World) ForkLog(size int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log.size = size
	w.log.hashes = w.log.hashes[:tlog.StoredHashCount(size)]
}

// proof logs record and proves it under a new checkpoint.
func (w *World) proof(record []byte) ([]byte, error) {
	index, err := w.log.append(record)
	if err != nil {
		return nil, err
	}
	checkpoint, err := w.checkpoint()
	if err != nil {
		return nil, err
	}
	hashes, err := tlog.ProveRecord(w.log.size, index, &w.log)
	if err != nil {
		return nil, err
	}
	proof := trust.Proof{Index: index, Hashes: hashes, Checkpoint: checkpoint}
	return proof.Encode(), nil
}

func (w *World) checkpoint() ([]byte, error) {
	root, err := tlog.TreeHash(w.log.size, &w.log)
	if err != nil {
		return nil, err
	}
	c := trust.Checkpoint{Origin: trust.LogOrigin(w.Vault), Tree: tlog.Tree{N: w.log.size, Hash: root}}
	signed, err := note.Sign(&note.Note{Text: c.Text()}, append([]note.Signer{w.LogKey}, w.Cosigners...)...)
	if err != nil {
		return nil, err
	}
	for _, tile := range tlog.NewTiles(trust.TileHeight, 0, w.log.size) {
		data, err := tlog.ReadTileData(tile, &w.log)
		if err != nil {
			return nil, fmt.Errorf("reading tile: %w", err)
		}
		w.files[trust.TilePath(tile)] = data
	}
	w.files[trust.CheckpointPath] = signed
	return signed, nil
}
