// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	bolt "go.etcd.io/bbolt"
)

// bulk copies buckets into another file, a part per transaction.
type bulk struct {
	ctx    context.Context //nolint:containedctx // lives as long as one copy
	to     *bolt.DB
	tx     *bolt.Tx
	size   int
	report func(bytes int64)
}

// bucket copies what is in b to the bucket that path leads to.
func (w *bulk) bucket(path [][]byte, b *bolt.Bucket) error {
	into, err := w.open(path)
	if err != nil {
		return err
	}
	c := b.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if v == nil {
			if err := w.bucket(append(slices.Clip(path), k), b.Bucket(k)); err != nil {
				return err
			}
			into = nil
			continue
		}
		if w.size > compactStep {
			if err := w.end(); err != nil {
				return err
			}
			into = nil
		}
		if into == nil {
			if into, err = w.open(path); err != nil {
				return err
			}
		}
		if err := into.Put(k, v); err != nil {
			return err
		}
		w.size += len(k) + len(v)
	}
	return nil
}

// open finds a bucket in the current transaction and makes it where it is not.
func (w *bulk) open(path [][]byte) (*bolt.Bucket, error) {
	if w.tx == nil {
		var err error
		if err := w.ctx.Err(); err != nil {
			return nil, err
		}
		if w.tx, err = w.to.Begin(true); err != nil {
			return nil, err
		}
	}
	b, err := w.tx.CreateBucketIfNotExists(path[0])
	for _, name := range path[1:] {
		if err != nil {
			return nil, err
		}
		b, err = b.CreateBucketIfNotExists(name)
	}
	if err != nil {
		return nil, err
	}
	b.FillPercent = compactFill
	return b, nil
}

// end commits what was copied since the last time.
func (w *bulk) end() error {
	if w.tx == nil {
		return nil
	}
	tx, size := w.tx, w.size
	w.tx, w.size = nil, 0
	if err := tx.Commit(); err != nil {
		return errors.Join(err, ignoreClosed(tx.Rollback()))
	}
	w.report(int64(size))
	return nil
}

// tail notes commits in a file that has no name: memory does not grow with what
// is written during a compaction, and a crash leaves nothing behind. Each commit
// is its length u32 and a commitRecord.
type tail struct {
	mu      sync.Mutex
	f       *os.File
	w       *bufio.Writer
	written int64
	read    int64
	err     error
	scratch []changeRecord
}

func newTail(dir string) (*tail, error) {
	f, err := os.CreateTemp(dir, "data.db.tail-*")
	if err != nil {
		return nil, filing("creating a file in", dir, err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(filing("removing", f.Name(), err), f.Close())
	}
	return &tail{f: f, w: bufio.NewWriterSize(f, 256<<10)}, nil
}

// add runs in the committer.
func (t *tail) add(c *committed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return
	}
	record := c.record(t.scratch[:0])
	t.scratch = record.Changes
	b, err := encoding.Marshal(&record)
	if err == nil {
		_, err = t.w.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b)))) //nolint:gosec // a commit is far smaller
	}
	if err == nil {
		_, err = t.w.Write(b)
	}
	t.written += int64(4 + len(b))
	t.err = err
	clear(t.scratch)
}

// flush returns where what was noted ends.
func (t *tail) flush() (end int64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = t.w.Flush()
	}
	if t.err != nil {
		return 0, filing("writing beside", t.f.Name(), t.err)
	}
	return t.written, nil
}

// replay makes what was noted so far in another file and returns how many bytes
// came in meanwhile.
func (t *tail) replay(ctx context.Context, to *bolt.DB) (left int64, err error) {
	end, err := t.flush()
	if err != nil {
		return 0, err
	}
	for t.read < end {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		from := io.NewSectionReader(t.f, t.read, end-t.read)
		n, err := replayStep(bufio.NewReaderSize(from, 1<<20), to)
		if err != nil {
			return 0, err
		}
		t.read += n
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.written - t.read, nil
}

// replayStep applies about as much as belongs into one transaction.
func replayStep(r io.Reader, to *bolt.DB) (n int64, err error) {
	err = to.Update(func(tx *bolt.Tx) error {
		for n < compactStep {
			size, err := replayOne(r, tx)
			if errors.Is(err, io.EOF) && n > 0 {
				return nil
			}
			if err != nil {
				return err
			}
			n += size
		}
		return nil
	})
	return n, err
}

func replayOne(r io.Reader, tx *bolt.Tx) (int64, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, err
	}
	b := make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := io.ReadFull(r, b); err != nil {
		return 0, fmt.Errorf("reading a commit: %w", errors.Join(io.ErrUnexpectedEOF, err))
	}
	var record commitRecord
	if err := decoding.Unmarshal(b, &record); err != nil {
		return 0, fmt.Errorf("%w: a commit that was noted: %w", ErrDamaged, err)
	}
	return int64(4 + len(b)), record.apply(tx)
}

func (t *tail) close() error { return t.f.Close() }
