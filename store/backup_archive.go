// SPDX-License-Identifier: Apache-2.0

package store

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"
)

// archiveWriter writes the entries of a backup and remembers their sums.
type archiveWriter struct {
	tar         *tar.Writer
	key         [32]byte
	sums        bytes.Buffer
	progress    func(done, total int64)
	done, total int64
}

func newArchiveWriter(w io.Writer, key [32]byte, progress func(done, total int64)) *archiveWriter {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	return &archiveWriter{tar: tar.NewWriter(w), key: key, progress: progress}
}

// entry writes one entry of a size that is known; fill writes its contents.
func (a *archiveWriter) entry(name string, size int64, at time.Time, fill func(io.Writer) error) error {
	sum, err := a.plain(name, size, at, fill)
	if err == nil {
		fmt.Fprintf(&a.sums, "%x  %s\n", sum, name)
	}
	return err
}

// plain is entry without a line in the sums.
func (a *archiveWriter) plain(name string, size int64, at time.Time, fill func(io.Writer) error) (sum [32]byte, err error) {
	h := &tar.Header{Name: name, Size: size, Mode: 0o600, ModTime: at.Truncate(time.Second), Typeflag: tar.TypeReg}
	if err := a.tar.WriteHeader(h); err != nil {
		return sum, fmt.Errorf("writing the backup: %w", err)
	}
	b := newBlocks(a)
	if err := fill(b); err != nil {
		return sum, fmt.Errorf("writing %s into the backup: %w", name, err)
	}
	if err := b.flush(); err != nil {
		return sum, fmt.Errorf("writing the backup: %w", err)
	}
	if err := a.tar.Flush(); err != nil { // complains of contents that are too short
		return sum, fmt.Errorf("writing %s into the backup: %w", name, err)
	}
	return b.sum(), nil
}

// file writes an entry from a file, which must not change.
func (a *archiveWriter) file(name string, f *os.File, at time.Time) error {
	info, err := f.Stat()
	if err != nil {
		return filing("looking at", f.Name(), err)
	}
	a.total += info.Size()
	return a.entry(name, info.Size(), at, func(w io.Writer) error {
		_, err := io.Copy(w, onlyReader{f})
		return err
	})
}

func (a *archiveWriter) json(name string, v any, at time.Time) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return a.bytes(name, append(text, '\n'), at)
}

func (a *archiveWriter) bytes(name string, b []byte, at time.Time) error {
	a.total += int64(len(b))
	return a.entry(name, int64(len(b)), at, func(w io.Writer) error { _, err := w.Write(b); return err })
}

// finish writes the sums, and what the whole was found to hold under a seal.
func (a *archiveWriter) finish(m *Manifest) error {
	sums := bytes.Clone(a.sums.Bytes())
	if err := a.bytes(sumsName, sums, m.Taken); err != nil {
		return err
	}
	seal, err := sealOf(a.key, sums, m.Contents)
	if err != nil {
		return err
	}
	m.Contents.Seal = hex.EncodeToString(seal[:])
	if err := a.json(endName, m.Contents, m.Taken); err != nil {
		return err
	}
	if err := a.tar.Close(); err != nil {
		return fmt.Errorf("writing the backup: %w", err)
	}
	return nil
}

// sealOf is what proves that sums and contents were written by the holder of the
// keyring: anybody can encrypt to a recipient.
func sealOf(key [32]byte, sums []byte, c Contents) ([32]byte, error) {
	c.Seal = ""
	text, err := json.Marshal(c)
	if err != nil {
		return [32]byte{}, fmt.Errorf("sealing the backup: %w", err)
	}
	a, b := sha256.Sum256(sums), sha256.Sum256(text)
	return mac(key[:], a[:], b[:]), nil
}

// blocks writes an entry in large blocks, and adds each to its sum while it is
// being encrypted.
type blocks struct {
	a    *archiveWriter
	buf  []byte
	hash interface {
		io.Writer
		Sum([]byte) []byte
	}
}

const blockSize = 1 << 20

func newBlocks(a *archiveWriter) *blocks {
	return &blocks{a: a, hash: sha256.New()}
}

// Write implements io.Writer.
func (b *blocks) Write(p []byte) (n int, err error) {
	for n < len(p) {
		if b.buf == nil {
			b.buf = make([]byte, 0, min(blockSize, max(len(p), 32<<10)))
		}
		if len(b.buf) == cap(b.buf) && cap(b.buf) < blockSize {
			b.buf = append(make([]byte, 0, min(2*cap(b.buf), blockSize)), b.buf...)
		}
		take := min(len(p)-n, cap(b.buf)-len(b.buf))
		b.buf = append(b.buf, p[n:n+take]...)
		n += take
		if len(b.buf) == blockSize {
			if err := b.flush(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

func (b *blocks) flush() error {
	if len(b.buf) == 0 {
		return nil
	}
	hashed := make(chan struct{})
	go func() {
		_, _ = b.hash.Write(b.buf) // a hash takes everything
		close(hashed)
	}()
	_, err := b.a.tar.Write(b.buf)
	<-hashed
	if b.a.done += int64(len(b.buf)); err == nil {
		b.a.progress(b.a.done, b.a.total)
	}
	b.buf = b.buf[:0]
	return err
}

func (b *blocks) sum() [32]byte { return [32]byte(b.hash.Sum(nil)) }
