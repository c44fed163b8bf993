// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"kith/app"
	"kith/store"
)

// Service makes backups on schedule and keeps the copies of the keys in all places in step with the keyring.
type Service struct {
	db     *store.DB
	desk   *app.Desk
	client func(S3) Doer
	log    *slog.Logger
	now    func() time.Time
	wake   chan struct{}
	making sync.Mutex // one backup at a time: each pins the pages of its moment
	asking sync.Mutex // one refresh at a time
}

// Options configure a Service.
type Options struct {
	Client func(S3) Doer // makes the calls of a storage
	Log    *slog.Logger  // nil = none
	Now    func() time.Time
}

// New returns the service of an open store. It listens for keys that are destroyed from now on.
func New(db *store.DB, desk *app.Desk, o Options) *Service {
	s := &Service{db: db, desk: desk, client: o.Client, log: o.Log, now: o.Now, wake: make(chan struct{}, 1)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	db.OnGeneration(func(uint64) {
		select {
		case s.wake <- struct{}{}:
		default: // it is awake already
		}
	})
	db.OnPending(s.pending)
	return s
}

// How long the service waits: between two looks at the clock and at places that could not be reached, for a place to
// answer when somebody waits for a certificate, and when the process is about to end.
const (
	lookEvery   = time.Minute
	pendingWait = 10 * time.Second
)

// Run keeps copies and schedules until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := s.Refresh(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "a copy of the keys could not be brought to date; it is tried again", "error", err)
		}
		s.runDue(ctx)
		select {
		case <-tick.C:
		case <-s.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// Refresh brings the copies of keys and ledger to date in every place where they are older than the keyring.
func (s *Service) Refresh(ctx context.Context) error {
	s.asking.Lock()
	defer s.asking.Unlock()
	all, err := s.Places(ctx)
	if err != nil {
		return err
	}
	for i := range all {
		if p := &all[i]; p.Pending(s.db.Generation()) {
			err = errors.Join(err, s.refresh(ctx, p))
		}
	}
	return err
}

func (s *Service) refresh(ctx context.Context, p *Place) error {
	if p.File && isGone(p.Where) {
		s.log.InfoContext(ctx, "a backup was taken away; the copy of its keys is no longer brought to date", "place", p.Where)
		return s.db.Update(ctx, func(tx *store.Tx) error { return places.Delete(tx, store.Nobody, p.ID) })
	}
	generation, err := Beside(ctx, s.db, p.Target(s.client), p.Names(s.db.Instance(), s.now()))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	nerr := s.note(ctx, p.ID, func(p *Place) {
		if p.Refused = ""; err != nil {
			p.Refused = err.Error()
		} else {
			p.Generation = max(p.Generation, generation)
		}
	})
	return errors.Join(err, nerr)
}

// isGone tells whether both a backup and the copy of its keys were taken away from a directory that is there.
func isGone(file string) bool {
	missing := func(path string) bool {
		_, err := os.Lstat(path)
		return errors.Is(err, os.ErrNotExist)
	}
	return !missing(filepath.Dir(file)) && missing(file) && missing(file+keysSuffix)
}

// pending names the places whose copy of the keys still has what generation lacks, after an attempt to bring them to
// date.
func (s *Service) pending(generation uint64) (names []string) {
	ctx, cancel := context.WithTimeout(context.Background(), pendingWait)
	defer cancel()
	if err := s.Refresh(ctx); err != nil {
		s.log.WarnContext(ctx, "a copy of the keys could not be brought to date; it is tried again", "error", err)
	}
	all, err := s.Places(context.WithoutCancel(ctx))
	if err != nil {
		return []string{"the places of backups"}
	}
	for i := range all {
		if all[i].Pending(generation) {
			names = append(names, "copy of the keys in "+all[i].Where)
		}
	}
	return names
}

// Settle gives the copies of the keys a last chance before the process ends.
func (s *Service) Settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pendingWait)
	defer cancel()
	return s.Refresh(ctx)
}
