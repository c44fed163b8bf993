// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kith/app"
	"kith/store"
)

// Place is where backups are kept, and what became of them there. Numbers of fields are never used again.
type Place struct {
	ID    uint64 `cbor:"-"`
	Where string `cbor:"1,keyasint"`           // a directory, a file or s3://bucket/prefix
	File  bool   `cbor:"2,keyasint,omitempty"` // Where is one file, overwritten each time
	S3    *S3    `cbor:"3,keyasint,omitempty"`
	// Recipients open the backups instead of the machine and the recovery key.
	Recipients []string `cbor:"4,keyasint,omitempty"`
	// Daily is when a backup is made each day, as "03:15" in UTC; "" = by hand. The newest Keep stay, of any age up to
	// KeepDays.
	Daily    string `cbor:"5,keyasint,omitempty"`
	Keep     int    `cbor:"6,keyasint,omitempty"`
	KeepDays int    `cbor:"7,keyasint,omitempty"`

	// Generation is that of the keyring of which the copy there is; Refused says why it is not the newest.
	Generation uint64 `cbor:"8,keyasint,omitempty"`
	Refused    string `cbor:"9,keyasint,omitempty"`
	// Last is the last backup that was made, Verified the last one that was restored as a test, Tried the last attempt.
	Last     Outcome   `cbor:"10,keyasint,omitzero"`
	Verified Outcome   `cbor:"11,keyasint,omitzero"`
	Tried    time.Time `cbor:"12,keyasint,omitzero"`
	Failed   string    `cbor:"13,keyasint,omitempty"` // why the last attempt failed
}

// Outcome is a backup that was made.
type Outcome struct {
	At      time.Time `cbor:"1,keyasint,omitzero"`
	Name    string    `cbor:"2,keyasint,omitempty"`
	Size    int64     `cbor:"3,keyasint,omitempty"`
	Records uint64    `cbor:"4,keyasint,omitempty"`
	Sum     string    `cbor:"5,keyasint,omitempty"`
	// Streamed says that a test checked the file only, for want of space to unpack it. Damaged counts records that do
	// not open, Missing attachments that were lost before.
	Streamed bool `cbor:"6,keyasint,omitempty"`
	Damaged  int  `cbor:"7,keyasint,omitempty"`
	Missing  int  `cbor:"8,keyasint,omitempty"`
}

// The bounds of what is kept. Erased people are gone from backups, too, since those open only with keys that are
// destroyed; KeepDays bounds how long what was merely deleted stays.
const (
	DefaultKeep  = 7
	MaxKeepDays  = 90
	maxKeep      = 1000
	dailyPattern = "15:04"
)

var places = store.NewTable[Place]("backup places", func(*Place) store.Subject { return store.Nobody })

// At completes a place from what an operator typed: a directory, a file in one, or s3://bucket/prefix.
func At(where string) (Place, error) {
	if rest, ok := strings.CutPrefix(where, "s3://"); ok {
		bucket, prefix, _ := strings.Cut(rest, "/")
		if bucket == "" || strings.ContainsAny(bucket, "?#% ") {
			return Place{}, invalid("%q names no bucket; write s3://bucket/prefix", where)
		}
		prefix = strings.Trim(prefix, "/")
		return Place{Where: strings.TrimRight("s3://"+bucket+"/"+prefix, "/"), S3: &S3{Bucket: bucket, Prefix: prefix}}, nil
	}
	if where == "" {
		return Place{}, invalid("say where to; write a directory, a file or s3://bucket/prefix")
	}
	abs, err := filepath.Abs(where)
	if err != nil {
		return Place{}, fmt.Errorf("finding %s: %w", where, err)
	}
	p := Place{Where: abs}
	info, err := os.Stat(abs)
	switch {
	case err == nil && info.IsDir():
		return p, nil
	case strings.HasSuffix(where, "/"):
		return p, invalid("there is no directory %s; make it, or mount its disk", abs)
	}
	if info, err := os.Stat(filepath.Dir(abs)); err != nil || !info.IsDir() {
		return p, invalid("there is no directory %s; make it, or mount its disk", filepath.Dir(abs))
	}
	p.File = true
	return p, nil
}

// check completes the schedule and finds what cannot be.
func (p *Place) check() error {
	if err := store.CheckRecipients(p.Recipients); err != nil {
		return err
	}
	if s := p.S3; s != nil && (s.Access == "" || s.Secret == "") {
		return invalid("an S3 place needs its access key and secret")
	}
	if p.Daily == "" {
		return nil
	}
	if _, err := time.Parse(dailyPattern, p.Daily); err != nil || len(p.Daily) != len(dailyPattern) {
		return invalid("%q is no time of day; write it as 03:15, in UTC", p.Daily)
	}
	if p.File {
		return invalid("a daily backup needs a place for several files; name a directory or s3://bucket/prefix")
	}
	if p.Keep == 0 {
		p.Keep = DefaultKeep
	}
	if p.KeepDays == 0 {
		p.KeepDays = MaxKeepDays
	}
	if p.Keep < 1 || p.Keep > maxKeep || p.KeepDays < 1 || p.KeepDays > MaxKeepDays {
		return invalid("keep between 1 and %d backups, for 1 to %d days", maxKeep, MaxKeepDays)
	}
	return nil
}

// Names of the backup that is made there at an instant.
func (p *Place) Names(instance string, at time.Time) Names {
	if p.File {
		return fileNames(filepath.Base(p.Where))
	}
	return datedNames(instance, at)
}

// Target returns what keeps the files of the place. client makes the calls of a storage.
func (p *Place) Target(client func(S3) Doer) Target {
	switch {
	case p.S3 != nil:
		return NewBucket(*p.S3, client(*p.S3))
	case p.File:
		return Directory(filepath.Dir(p.Where))
	}
	return Directory(p.Where)
}

// Pending tells whether the copy of the keys there still has keys that generation lacks.
func (p *Place) Pending(generation uint64) bool { return p.Generation < generation }

// Places lists all places, the oldest first.
func (s *Service) Places(ctx context.Context) (all []Place, err error) {
	err = s.db.View(ctx, func(tx *store.Tx) error {
		return places.Each(tx, store.Nobody, func(id uint64, p *Place) error {
			p.ID = id
			all = append(all, *p)
			return nil
		})
	})
	return all, err
}

// take changes what was said anew; a backup made by hand leaves the schedule as it is.
func (p *Place) take(from *Place) {
	p.S3 = from.S3
	if len(from.Recipients) > 0 {
		p.Recipients = from.Recipients
	}
	if from.Daily != "" {
		p.Daily, p.Keep, p.KeepDays = from.Daily, from.Keep, from.KeepDays
	}
}

// Save adds a place, or changes the schedule, the recipients and the access key of the one of the same name as far as
// they are said anew.
func (s *Service) Save(ctx context.Context, a app.Actor, p Place) (Place, error) {
	if err := p.check(); err != nil {
		return p, err
	}
	err := s.desk.Act(ctx, a, app.MayAgents, app.AuditSettingChanged, func(tx *store.Tx, _ *app.AuditEvent) error {
		if known, err := find(tx, p.Where); err != nil {
			return err
		} else if known != nil {
			known.take(&p)
			p = *known
		} else {
			p.ID = tx.NextID()
		}
		return places.Put(tx, p.ID, &p)
	})
	return p, err
}

// Forget takes a place off the list. Nothing there is removed: what lies there is the operator's to destroy.
func (s *Service) Forget(ctx context.Context, a app.Actor, where string) error {
	return s.desk.Act(ctx, a, app.MayAgents, app.AuditSettingChanged, func(tx *store.Tx, _ *app.AuditEvent) error {
		p, err := find(tx, where)
		if err != nil {
			return err
		}
		if p == nil {
			return invalid("no backup was made to %s; kith backup status lists the places", where)
		}
		return places.Delete(tx, store.Nobody, p.ID)
	})
}

// ForgetAll takes every place off the list and returns how many there were. It is for a store that was restored: while
// nobody has said that it takes over, the places belong to the installation that made the backup.
func ForgetAll(ctx context.Context, db *store.DB) (n int, err error) {
	err = db.Update(ctx, func(tx *store.Tx) error {
		var ids []uint64
		err := places.Each(tx, store.Nobody, func(id uint64, _ *Place) error {
			ids = append(ids, id)
			return nil
		})
		for _, id := range ids {
			err = errors.Join(err, places.Delete(tx, store.Nobody, id))
		}
		n = len(ids)
		return err
	})
	return n, err
}

// find returns the place of that name, nil when there is none.
func find(tx *store.Tx, where string) (found *Place, err error) {
	err = places.Each(tx, store.Nobody, func(id uint64, p *Place) error {
		if p.Where != where {
			return nil
		}
		found, p.ID = p, id
		return store.ErrStop
	})
	return found, err
}

// note changes what is known of a place, unless it was forgotten meanwhile.
func (s *Service) note(ctx context.Context, id uint64, change func(*Place)) error {
	return s.db.Update(ctx, func(tx *store.Tx) error {
		p, err := places.Get(tx, store.Nobody, id)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		change(p)
		return places.Put(tx, id, p)
	})
}

// ours lists the backups of this installation in a place, the newest first.
func (s *Service) ours(files []File) (mine []File) {
	for _, f := range files {
		if at, ok := takenAt(f.Name, s.db.Instance()); ok && !at.IsZero() {
			mine = append(mine, f)
		}
	}
	slices.SortFunc(mine, func(a, b File) int { return strings.Compare(b.Name, a.Name) })
	return mine
}

// takenAt reads the instant out of the name of a backup.
func takenAt(name, instance string) (time.Time, bool) {
	text, ok := strings.CutPrefix(name, series(instance)+"-")
	if !ok || !strings.HasSuffix(text, fileSuffix) {
		return time.Time{}, false
	}
	at, err := time.Parse(stamp, strings.TrimSuffix(text, fileSuffix))
	return at, err == nil
}
