// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"

	bolt "go.etcd.io/bbolt"
)

// VerifyOptions say how much Verify looks at.
type VerifyOptions struct {
	// AtRest also proves that nothing readable lies in the directory: every value
	// and every file is an age file or holds plain numbers only.
	AtRest bool
	// Days leaves out partitions of other days, and the files; nil means all.
	Days func(DayKey) bool
	// Progress is told how far it is, at most a few times a second; nil means nobody.
	Progress func(Progress)
}

// Verified is what Verify found.
type Verified struct {
	Pages    bool     `json:"pages_checked"` // false for a large file while kith runs: that would hold writers up
	Records  uint64   `json:"records"`       // opened
	Numbers  uint64   `json:"numbers"`       // entries of indexes and logs
	Erased   uint64   `json:"erased"`        // whose key is destroyed, about to be removed
	Blobs    uint64   `json:"attachments"`
	Orphans  uint64   `json:"orphans"`  // files that nothing refers to yet, or any more; no damage
	Files    uint64   `json:"files"`    // looked at for AtRest
	Damaged  []Damage `json:"damaged"`  // records and attachments that cannot be read
	Problems []string `json:"problems"` // everything else that is wrong, in sentences
	AtRest   bool     `json:"at_rest"`  // whether that was asked for
	Partial  bool     `json:"partial,omitempty"`
}

// Fine tells whether nothing is wrong.
func (v *Verified) Fine() bool { return len(v.Damaged) == 0 && len(v.Problems) == 0 }

// Limits of what one report lists.
const (
	maxProblems = 200
	smallFile   = 256 << 20 // the pages of a file up to this are checked in an instant
)

// Verify reads everything that the store holds and says what is wrong: the pages
// of data.db, the seal of every record, the indexes against the tables, the
// attachments against the records that refer to them. It runs beside writers.
func (db *DB) Verify(ctx context.Context, o VerifyOptions) (*Verified, error) {
	leave, err := db.stay()
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx, cancel := db.until(ctx)
	defer cancel()
	v := &verification{db: db, o: o, out: Verified{AtRest: o.AtRest, Partial: o.Days != nil, Damaged: []Damage{}, Problems: []string{}}}
	if v.o.Progress == nil {
		v.o.Progress = func(Progress) {}
	}
	steps := []func(context.Context) error{v.records, v.queues, v.rows}
	if o.Days == nil {
		steps = append(steps, v.attachments, v.pages)
	}
	if o.AtRest {
		steps = append(steps, v.files)
	}
	for _, step := range steps {
		if err := errors.Join(ctx.Err(), step(ctx)); err != nil {
			return nil, err
		}
	}
	for _, d := range v.found {
		v.out.Damaged = append(v.out.Damaged, d)
	}
	sortDamages(v.out.Damaged)
	return &v.out, nil
}

// verification is one run of Verify.
type verification struct {
	db    *DB
	o     VerifyOptions
	mu    sync.Mutex
	out   Verified
	found map[string]Damage
	total int64
	done  int64
	lost  bool // pages that do not lead where they should
}

// astray notes that pages do not lead where they should.
func (v *verification) astray() {
	v.damaged([]byte(dataFile+"\x00"), "a page cannot be read")
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lost = true
}

// damaged lists a record, for the report and for the store.
func (v *verification) damaged(where []byte, reason string) {
	v.db.damaged(where, reason)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.found == nil {
		v.found = map[string]Damage{}
	}
	if len(v.found) < maxDamages {
		v.found[string(where)] = damageAt(where, reason)
	}
}

func (v *verification) problem(format string, a ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.out.Problems) < maxProblems {
		v.out.Problems = append(v.out.Problems, fmt.Sprintf(format, a...))
	}
}

// add counts, and tells how far it is.
func (v *verification) add(n tally) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.out.Records += n.records
	v.out.Numbers += n.numbers
	v.out.Erased += n.erased
	v.done += int64(n.records + n.numbers + n.erased) //nolint:gosec // counts
	v.o.Progress(Progress{"opening the records", v.done, v.total})
}

// tally counts what one worker looked at.
type tally struct{ records, numbers, erased uint64 }

// pages lets bbolt check how the pages hang together, in a transaction of a
// writer: only there does the list of free pages stand still. It comes last: on
// pages that led astray bbolt would end the process, from a goroutine of its own.
func (v *verification) pages(context.Context) (err error) {
	if v.lost {
		v.problem("the pages of %s do not fit together", dataFile)
		return nil
	}
	info, err := os.Stat(v.db.path(dataFile))
	if err != nil {
		return filing("looking at", v.db.path(dataFile), err)
	}
	if info.Size() > smallFile && !v.o.AtRest {
		return nil
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer recovered(&err)
	v.o.Progress(Progress{Step: "checking the pages"})
	b, err := v.db.bolt.now().Begin(true)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer func() { _ = b.Rollback() }()
	for err := range b.Check() {
		v.problem("the pages of %s do not fit together: %v", dataFile, err)
	}
	v.out.Pages = true
	return nil
}

// records opens every record, part by part on as many cores as there are.
func (v *verification) records(ctx context.Context) error {
	var parts []bucketPath
	err := v.view(func(tx *bolt.Tx) error {
		parts = allParts(tx)
		return nil
	})
	if err != nil {
		return err
	}
	kinds := sealedNames()
	next := make(chan bucketPath)
	errs := make([]error, max(runtime.GOMAXPROCS(0), 1))
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			for p := range next {
				errs[i] = errors.Join(errs[i], v.view(func(tx *bolt.Tx) error { return v.part(ctx, tx, p, kinds) }))
			}
		})
	}
	for _, p := range parts {
		if day, ok := parseDayKey(p.part); v.o.Days == nil || ok && v.o.Days(day) {
			next <- p
		}
	}
	close(next)
	wg.Wait()
	return errors.Join(errs...)
}

// view reads pages, which may panic or fault when they make no sense.
func (v *verification) view(fn func(*bolt.Tx) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			if err = v.db.unreadable(p); err == nil {
				panic(p)
			}
			v.astray()
			err = nil // the other parts may be readable
		}
	}()
	return v.db.bolt.View(fn)
}
