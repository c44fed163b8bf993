// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Space is where the bytes are.
type Space struct {
	File      int64 `json:"file"`       // data.db
	Free      int64 `json:"free"`       // of that, free pages: used again before the file grows
	Blobs     int64 `json:"blobs"`      // attachments, as counted at most an hour ago
	DiskFree  int64 `json:"disk_free"`  // what kith may still write
	DiskTotal int64 `json:"disk_total"` // 0 where it is not known
}

// Space tells where the bytes are.
func (db *DB) Space() Space {
	s := Space{File: sizeOf(db.path(dataFile)), Blobs: db.blobBytes()}
	_ = db.bolt.View(func(tx *bolt.Tx) error { // the view keeps the file from being closed; a closed store has no free pages
		stats := tx.DB().Stats()
		s.Free = int64(stats.FreePageN+stats.PendingPageN) * int64(tx.DB().Info().PageSize)
		return nil
	})
	s.DiskFree, s.DiskTotal = diskSpace(db.dir)
	return s
}

const blobCountAge = time.Hour

// blobBytes counts the attachments anew when the last count is old.
func (db *DB) blobBytes() int64 {
	db.blobCount.Lock()
	defer db.blobCount.Unlock()
	if now := db.now(); db.blobCount.at.IsZero() || now.Sub(db.blobCount.at) > blobCountAge {
		db.blobCount.at, db.blobCount.bytes = now, treeSize(db.path(blobDir))
	}
	return db.blobCount.bytes
}

// treeSize adds up the files below a directory; what goes away meanwhile does not
// count.
func treeSize(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // a gauge: what cannot be looked at is left out
		}
		if info, err := d.Info(); err == nil {
			n += info.Size()
		}
		return nil
	})
	return n
}

// A compaction is worth its while when more than half of the file is free, and
// that is a good deal.
const worthFree = 64 << 20

// WorthCompacting tells whether a compaction would give a good deal back.
func (s Space) WorthCompacting() bool { return s.Free > worthFree && s.Free > s.File/2 }

// roomFor refuses a compaction that would fill the disk.
func (db *DB) roomFor(s Space) error {
	need := (s.File-s.Free)/8*9 + compactStep
	if s.DiskTotal > 0 && s.DiskFree < need {
		return fmt.Errorf("%w: a compaction needs %d MB on that disk and %d MB are free; free some space", ErrFull, need>>20, s.DiskFree>>20)
	}
	return nil
}

// tidyEvery is how often the store looks whether a compaction is worth it;
// tidyHour is the hour of the night, in local time, in which it does it.
const (
	tidyEvery = 30 * time.Minute
	tidyHour  = 3
)

// CompactSoon asks for a look whether a compaction is worth it, as after an
// erasure or an expiry, at whatever hour.
func (db *DB) CompactSoon() {
	select {
	case db.tidySoon <- struct{}{}:
	default:
	}
}

// tidy compacts when it is worth it: after what destroyed much, else at night.
func (db *DB) tidy(ctx context.Context) {
	every := time.NewTicker(tidyEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-db.tidySoon:
		case <-every.C:
			if db.now().Local().Hour() != tidyHour {
				continue
			}
		}
		if !db.Space().WorthCompacting() {
			continue
		}
		done, err := db.Compact(ctx, nil)
		switch {
		case err == nil:
			db.log.Info("compacted data.db", "bytes_before", done.Before, "bytes_after", done.After)
		case ctx.Err() == nil && !errors.Is(err, ErrLocked):
			db.log.Warn("data.db could not be compacted", "error", err)
		}
	}
}
