// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bberrors "go.etcd.io/bbolt/errors"
)

const (
	// formatVersion is the newest layout of data.db that this program knows.
	formatVersion = 1
	formatKey     = "format"
	countersKey   = "counters"
)

// boltOptions: the free list is written at a clean stop only, since writing it
// with every commit costs most of the speed; the map is large enough that it
// never has to be made anew, which would wait for every reader.
func boltOptions(maxSize int64) *bolt.Options {
	o := &bolt.Options{
		Timeout:        lockWait,
		NoFreelistSync: true,
		FreelistType:   bolt.FreelistArrayType,
		MaxSize:        int(maxSize),
	}
	if bits.UintSize == 64 {
		o.InitialMmapSize = 64 << 30
	}
	return o
}

// openBolt opens a file of bbolt. Where the address space is limited it does with
// a small map, and writers wait for readers when that has to grow.
func openBolt(path string, maxSize int64) (*bolt.DB, error) {
	o := boltOptions(maxSize)
	b, err := bolt.Open(path, 0o600, o)
	if errors.Is(err, syscall.ENOMEM) {
		o.InitialMmapSize = 0
		b, err = bolt.Open(path, 0o600, o)
	}
	return b, err
}

// createData makes data.db under another name first: bbolt's own first write is
// not safe against a loss of power.
func createData(path string, now time.Time) error {
	b, err := openBolt(path+newSuffix, 0)
	if err != nil {
		return filing("creating", path+newSuffix, err)
	}
	err = b.Update(func(tx *bolt.Tx) error {
		meta, err := tx.CreateBucket([]byte(metaBucket))
		if err != nil {
			return err
		}
		first := counters{Now: max(now.UnixNano(), 0)}
		return errors.Join(
			meta.Put([]byte(formatKey), binary.BigEndian.AppendUint32(nil, formatVersion)),
			meta.Put([]byte(countersKey), first.bytes()),
		)
	})
	if err = errors.Join(err, b.Sync(), b.Close()); err != nil {
		return filing("writing", path+newSuffix, err)
	}
	if err := os.Rename(path+newSuffix, path); err != nil {
		return filing("renaming to", path, err)
	}
	return syncDir(filepath.Dir(path))
}

// syncAbove makes the name of a directory durable, and those of the directories
// around it, some of which may be as new. What may not be opened was there.
func syncAbove(dir string) error {
	for up := filepath.Dir(dir); up != dir; dir, up = up, filepath.Dir(up) {
		err := syncDir(up)
		if err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
			return err
		}
	}
	return nil
}

// openData opens data.db and reads what it says about itself.
func (db *DB) openData(maxSize int64) error {
	path := db.path(dataFile)
	if err := ignoreMissing(os.Remove(db.path(compactFile))); err != nil {
		return filing("removing", db.path(compactFile), err)
	}
	if err := checkFile(path); err != nil {
		return err
	}
	_, err := os.Stat(db.path(cleanFile))
	clean := err == nil
	if !clean {
		if err := preread(path); err != nil {
			return err
		}
	}
	b, err := openBolt(path, maxSize)
	if err != nil {
		return boltOpening(path, err)
	}
	if maxSize > 0 {
		b.AllocSize = int(min(int64(b.AllocSize), maxSize/16))
	}
	db.bolt, db.maxSize = newBoltFile(b), maxSize
	if clean {
		if err := os.Remove(db.path(cleanFile)); err != nil {
			return filing("removing", db.path(cleanFile), err)
		}
		if err := syncDir(db.dir); err != nil {
			return err
		}
	}
	migrated, err := migrate(b, path, migrations, nil)
	if err != nil {
		return err
	}
	if err := db.bolt.View(db.readMeta); err != nil || migrated || !clean {
		return err
	}
	return forgetBefore(path)
}

func boltOpening(path string, err error) error {
	switch {
	case errors.Is(err, bberrors.ErrTimeout):
		return fmt.Errorf("%w: %s is held; stop the other program", ErrLocked, path)
	case errors.Is(err, bberrors.ErrInvalid), errors.Is(err, bberrors.ErrChecksum), errors.Is(err, bberrors.ErrVersionMismatch):
		return fmt.Errorf("%w: %s: %w; restore it from a backup", ErrDamaged, path, err)
	}
	return filing("opening", path, err)
}

func (db *DB) readMeta(tx *bolt.Tx) error {
	meta := tx.Bucket([]byte(metaBucket))
	if meta == nil {
		return fmt.Errorf("%w: %s was not made by kith; give kith its own data directory", ErrDamaged, db.path(dataFile))
	}
	format := meta.Get([]byte(formatKey))
	if len(format) != 4 {
		return fmt.Errorf("%w: %s does not say its format; restore it from a backup", ErrDamaged, db.path(dataFile))
	}
	if v := binary.BigEndian.Uint32(format); v > formatVersion {
		return fmt.Errorf("%w: %s has format %d and this kith knows %d; install the kith that wrote it", ErrNewer, db.path(dataFile), v, formatVersion)
	}
	var err error
	if db.counters, err = parseCounters(meta.Get([]byte(countersKey))); err != nil {
		return err
	}
	db.saved = db.counters
	db.lastNow.Store(db.counters.Now)
	return nil
}

// load builds the rows in RAM and gives back the memory that took.
func (db *DB) load() error {
	_, residents := declared.all()
	for _, r := range residents {
		db.rows = append(db.rows, r.newRows())
	}
	for _, r := range db.rows {
		if err := r.load(db); err != nil {
			return err
		}
	}
	if info, err := os.Stat(db.path(dataFile)); err == nil {
		forgetPages(db.bolt.now().Info().Data, info.Size())
	}
	debug.FreeOSMemory()
	return nil
}

// The start of a meta page of bbolt, in the byte order of the machine:
//
//	page header 16 | magic u32 | version u32 | page size u32 | flags u32
//	| root u64, sequence u64 | freelist u64 | high water u64 | txid u64 | FNV-64a u64
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2
	metaAt      = 16
	metaSumAt   = metaAt + 56
	metaLen     = metaSumAt + 8
)

// checkFile holds the length of the file against what its meta pages say: a file
// that was cut off would fault when it is read.
func checkFile(path string) error {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return filing("opening", path, err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return filing("looking at", path, err)
	}
	var newest, need uint64
	for at := int64(0); at <= 64<<10; at = max(4096, at*2) {
		page, txid, end, ok := readBoltMeta(f, at)
		if ok && (at == 0 || at == page) && txid >= newest {
			newest, need = txid, end
		}
	}
	if need == 0 {
		return fmt.Errorf("%w: %s has no valid start; restore it from a backup", ErrDamaged, path)
	}
	if uint64(info.Size()) < need { //nolint:gosec // sizes are never negative
		return fmt.Errorf("%w: %s was cut off at %d of %d bytes; restore it from a backup", ErrDamaged, path, info.Size(), need)
	}
	return nil
}

func readBoltMeta(f io.ReaderAt, at int64) (page int64, txid, end uint64, ok bool) {
	var b [metaLen]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		return 0, 0, 0, false
	}
	u32 := func(i int) uint32 { return binary.NativeEndian.Uint32(b[metaAt+i:]) }
	u64 := func(i int) uint64 { return binary.NativeEndian.Uint64(b[metaAt+i:]) }
	sum := fnv.New64a()
	_, _ = sum.Write(b[metaAt:metaSumAt])
	if u32(0) != boltMagic || u32(4) != boltVersion || u64(56) != sum.Sum64() {
		return 0, 0, 0, false
	}
	size := uint64(u32(8))
	return int64(size), u64(48), u64(40) * size, true //nolint:gosec // a page size
}
