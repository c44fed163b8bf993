// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"kith/store"
)

// retryAfter is how long a daily backup that failed waits for its next attempt.
const retryAfter = 30 * time.Minute

// due tells whether a daily backup is to be made now: the time of day has come since the last one.
func (p *Place) due(now time.Time) bool {
	at, err := time.Parse(dailyPattern, p.Daily)
	if p.Daily == "" || err != nil {
		return false
	}
	now = now.UTC()
	slot := time.Date(now.Year(), now.Month(), now.Day(), at.Hour(), at.Minute(), 0, 0, time.UTC)
	if now.Before(slot) {
		slot = slot.AddDate(0, 0, -1)
	}
	return p.Last.At.Before(slot) && (p.Failed == "" || now.Sub(p.Tried) >= retryAfter || now.Before(p.Tried))
}

// runDue makes the backups whose time has come.
func (s *Service) runDue(ctx context.Context) {
	all, err := s.Places(ctx)
	if err != nil {
		return // the next look says the same
	}
	for i := range all {
		if ctx.Err() != nil || !all[i].due(s.now()) {
			continue
		}
		r, err := s.Make(ctx, &all[i])
		if err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "a daily backup failed; it is tried again", "place", all[i].Where, "error", err)
		} else if err == nil {
			s.log.InfoContext(ctx, "a backup was made and restored as a test", "place", all[i].Where, "name", r.Name,
				"bytes", r.Size, "records", r.Records)
		}
	}
}

// Make makes a backup in a place, restores it as a test and removes those that are no longer kept.
func (s *Service) Make(ctx context.Context, p *Place) (Outcome, error) {
	s.making.Lock()
	defer s.making.Unlock()
	out, err := s.make(ctx, p)
	if ctx.Err() != nil {
		return out, ctx.Err()
	}
	nerr := s.note(ctx, p.ID, func(p *Place) {
		if p.Tried, p.Failed = s.now().UTC(), ""; err != nil {
			p.Failed = err.Error()
		}
	})
	return out, errors.Join(err, nerr)
}

func (s *Service) make(ctx context.Context, p *Place) (out Outcome, err error) {
	t := p.Target(s.client)
	src := Source(s.db)
	if p.S3 != nil {
		src = Spooled(s.db, s.db.Dir())
	}
	r, err := Write(ctx, src, t, p.Names(s.db.Instance(), s.now()), store.BackupOptions{Recipients: p.Recipients, Witness: true})
	if err != nil {
		return out, fmt.Errorf("making a backup in %s: %w", p.Where, err)
	}
	out = OutcomeOf(&r, s.now())
	err = s.note(ctx, p.ID, func(p *Place) {
		p.Last, p.Refused = out, ""
		p.Generation = max(p.Generation, r.Generation)
	})
	if err != nil {
		return out, err
	}
	if out, err = s.verify(ctx, t, &r, out); err != nil {
		return out, fmt.Errorf("restoring the backup in %s as a test: %w", p.Where, err)
	}
	if err := s.note(ctx, p.ID, func(p *Place) { p.Verified = out }); err != nil {
		return out, err
	}
	return out, s.prune(ctx, t, p)
}

// OutcomeOf is what is remembered of a backup.
func OutcomeOf(r *Result, at time.Time) Outcome {
	return Outcome{
		At: at.UTC().Truncate(time.Second), Name: r.Names.File, Size: r.Size, Records: r.Contents.Records,
		Sum: r.Contents.Sum, Missing: len(r.Contents.Missing),
	}
}

// Noted remembers a backup that somebody made by hand.
func (s *Service) Noted(ctx context.Context, id uint64, out Outcome, generation uint64, verified bool) error {
	return s.note(ctx, id, func(p *Place) {
		p.Last, p.Refused, p.Failed, p.Tried = out, "", "", out.At
		if p.Generation = max(p.Generation, generation); verified {
			p.Verified = out
		}
	})
}

// room is what stays free on the disk of the store while a backup is unpacked there.
const room = 1 << 30

// verify reads a backup back and restores it as a test, on the disk of the store if there is room.
func (s *Service) verify(ctx context.Context, t Target, r *Result, out Outcome) (Outcome, error) {
	f, err := t.Open(ctx, r.Names.File)
	if err != nil {
		return out, err
	}
	defer func() { _ = f.Close() }() // it was only read
	out.Streamed = !Room(s.db.Dir(), r.Size)
	back, err := s.db.Trial(ctx, f, store.CheckOptions{Witness: r.Witness}, out.Streamed)
	if err != nil {
		return out, err
	}
	out.Damaged = back.Damaged
	if back.Contents.Sum != r.Contents.Sum || back.Contents.Records != r.Contents.Records {
		return out, fmt.Errorf("%w: it does not hold the records that were backed up", store.ErrDamaged)
	}
	return out, nil
}

// prune removes backups that are no longer kept. The newest always stays.
func (s *Service) prune(ctx context.Context, t Target, p *Place) error {
	if p.Daily == "" || p.File {
		return nil
	}
	files, err := t.List(ctx)
	if err != nil {
		return fmt.Errorf("listing %s: %w", p.Where, err)
	}
	oldest := s.now().AddDate(0, 0, -p.KeepDays)
	for i, f := range s.ours(files) {
		at, _ := takenAt(f.Name, s.db.Instance())
		if i == 0 || (i < p.Keep && !at.Before(oldest)) {
			continue
		}
		if err := t.Remove(ctx, f.Name); err != nil {
			return fmt.Errorf("removing an old backup in %s: %w", p.Where, err)
		}
	}
	return nil
}

// Spooled is a source whose backups go to a file in dir first, at the speed of its disk: a slow network would hold on
// to old pages of the store for hours. The file has no name: nothing of it is left after a crash. Without room for it
// the backup goes out directly.
func Spooled(src Source, dir string) Source { return &spooled{src, dir} }

type spooled struct {
	Source
	dir string
}

// Backup implements Source.
func (s *spooled) Backup(ctx context.Context, w io.Writer, o store.BackupOptions) (store.Manifest, *store.Witness, error) {
	f, err := os.CreateTemp(s.dir, "backup-*.tmp")
	if err != nil {
		return s.Source.Backup(ctx, w, o)
	}
	defer func() { _ = f.Close() }() // it has no name and is gone with that
	if err := os.Remove(f.Name()); err != nil {
		return store.Manifest{}, nil, filing("removing", f.Name(), err)
	}
	m, witness, err := s.Source.Backup(ctx, &roomy{paced{f: f}, filepath.Clean(s.dir)}, o)
	if errors.Is(err, errNoRoom) {
		_ = f.Close()
		return s.Source.Backup(ctx, w, o)
	}
	if err != nil {
		return m, nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return m, nil, filing("reading", f.Name(), err)
	}
	_, err = io.Copy(w, f)
	return m, witness, err
}

var errNoRoom = errors.New("there is no room to keep the backup here first")

// roomy is a file that leaves some room on its disk.
type roomy struct {
	paced
	dir string
}

// Write implements io.Writer.
func (r *roomy) Write(p []byte) (int, error) {
	if left := free(r.dir); r.at == r.synced && left >= 0 && left < room {
		return 0, errNoRoom
	}
	return r.paced.Write(p)
}
