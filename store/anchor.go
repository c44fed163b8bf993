// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const (
	slotSize  = 8192
	slotMagic = "ANCHOR1\n"
	slotHead  = len(slotMagic) + 8 + 4
)

// anchor is a small file that is overwritten in place, so that an old secret
// does not stay behind in a free block. Generation g is in slot g%2:
//
//	"ANCHOR1\n" | generation u64 | length u32 | an age file to the recipients
type anchor struct{ f *os.File }

// createAnchor lays the file down as real blocks, not as a hole.
func createAnchor(path string) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return filing("creating", path, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	avoidCopyOnWrite(f)
	if _, err := f.Write(make([]byte, 2*slotSize)); err != nil {
		return filing("writing", path, err)
	}
	if err := f.Sync(); err != nil {
		return filing("syncing", path, err)
	}
	return nil
}

func openAnchor(path string) (*anchor, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, missing("opening", path, err)
	}
	return &anchor{f}, nil
}

func (a *anchor) close() error { return a.f.Close() }

// write puts a sealed secret into the slot of its generation.
func (a *anchor) write(gen uint64, sealed []byte) error {
	var b [slotSize]byte
	copy(b[:], slotMagic)
	binary.BigEndian.PutUint64(b[8:], gen)
	binary.BigEndian.PutUint32(b[16:], uint32(len(sealed))) //nolint:gosec // bounded by the next line
	if copy(b[slotHead:], sealed) < len(sealed) {
		return fmt.Errorf("a secret of %d bytes does not fit into the anchor", len(sealed))
	}
	return a.put(gen, b[:])
}

// scrub overwrites the slot of a generation with random bytes.
func (a *anchor) scrub(gen uint64) error {
	var b [slotSize]byte
	_, _ = rand.Read(b[:])
	b[0] = 0
	return a.put(gen, b[:])
}

func (a *anchor) put(gen uint64, b []byte) error {
	if _, err := a.f.WriteAt(b, int64(gen%2)*slotSize); err != nil {
		return filing("writing", a.f.Name(), err)
	}
	if err := a.f.Sync(); err != nil {
		return filing("syncing", a.f.Name(), err)
	}
	return nil
}

// read returns the sealed secret of a slot, nil when it holds none.
func (a *anchor) read(slot uint64) (gen uint64, sealed []byte, err error) {
	var b [slotSize]byte
	if _, err := a.f.ReadAt(b[:], int64(slot%2)*slotSize); err != nil {
		return 0, nil, fmt.Errorf("%w: %s is too short: %w; restore the store from a backup", ErrDamaged, a.f.Name(), err)
	}
	n := binary.BigEndian.Uint32(b[16:])
	gen = binary.BigEndian.Uint64(b[8:])
	if string(b[:8]) != slotMagic || int(n) > slotSize-slotHead || gen%2 != slot {
		return 0, nil, nil
	}
	return gen, b[slotHead:][:n:n], nil
}

// missing is filing for a file without which the store is not whole.
func missing(doing, path string, err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: %s is missing; restore it with the rest of the store from a backup", ErrDamaged, path)
	}
	return filing(doing, path, err)
}

// writeFile writes a whole file and waits until it is on disk.
func writeFile(path string, b []byte) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return filing("creating", path, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(b); err != nil {
		return filing("writing", path, err)
	}
	if err := f.Sync(); err != nil {
		return filing("syncing", path, err)
	}
	return nil
}

// syncDir makes names in a directory durable.
func syncDir(dir string) (err error) {
	f, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return filing("opening", dir, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Sync(); err != nil {
		return filing("syncing", dir, err)
	}
	return nil
}
