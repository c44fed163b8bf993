// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"
	bolt "go.etcd.io/bbolt"
)

// Source is the server that a standby follows, however it is reached. Its errors
// wrap ErrResync, ErrFenced and ErrToken where they mean that.
type Source interface {
	// Base opens a copy of the store for the standby.
	Base(ctx context.Context, me Follower) (io.ReadCloser, error)
	// Segment opens a segment of the op log; nil when there is none yet.
	Segment(ctx context.Context, me Follower, chain string, n uint64) (io.ReadCloser, error)
	// Blob opens the file of an attachment; ErrNotFound when it is gone.
	Blob(ctx context.Context, me Follower, id string) (io.ReadCloser, error)
	// Ack says which generation of the keyring the standby has.
	Ack(ctx context.Context, me Follower, ring uint64) error
}

// Follower is what a standby says of itself.
type Follower struct {
	Recipient string // its public key
	Epoch     uint64 // the newest it knows of
}

// followed is how far a standby has come. It is written in the transaction of
// what was applied.
type followed struct {
	Chain   chainID  `cbor:"1,keyasint"`
	Next    uint64   `cbor:"2,keyasint"`
	Prev    [32]byte `cbor:"3,keyasint"`
	Epoch   uint64   `cbor:"4,keyasint"`
	Replica uint64   `cbor:"5,keyasint"`
}

// Standby is a store that follows another one: it holds the same records and
// keys, destroys what is destroyed there, and serves nobody until it is promoted.
type Standby struct {
	dir     string
	log     *slog.Logger
	lock    *os.File
	id      *age.HybridIdentity
	bolt    *bolt.DB // nil before the first copy came
	ring    *ring
	trees   trees
	at      followed
	acked   uint64
	missing map[[16]byte]bool // attachments whose files are still to be fetched
	now     func() time.Time
}

// OpenStandby opens the standby in dir and makes one where there is none. note is
// kept in the directory for the promotion: where the primary is.
func OpenStandby(dir string, o Options, note []byte) (s *Standby, err error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("finding %s: %w", dir, err)
	}
	s = &Standby{dir: abs, log: o.Log, now: o.Now, missing: map[[16]byte]bool{}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if err := os.MkdirAll(abs, 0o700); err != nil { //nolint:gosec // the operator names it
		return nil, filing("making", abs, err)
	}
	if s.lock, err = lock(abs); err != nil {
		return nil, err
	}
	if err := s.open(&o, note); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Standby) path(name string) string { return filepath.Join(s.dir, name) }

func (s *Standby) open(o *Options, note []byte) error {
	if _, err := os.Stat(s.path(standbyFile)); errors.Is(err, os.ErrNotExist) {
		if _, err := os.Stat(s.path(dataFile)); err == nil {
			return fmt.Errorf("%w: %s holds a store that follows nobody; a standby begins with an empty directory", ErrPermission, s.dir)
		}
	}
	if err := errors.Join(writeFile(s.path(standbyFile), note), syncDir(s.dir)); err != nil {
		return err
	}
	k, err := findIdentity(s.dir, o)
	if err != nil {
		return err
	}
	if _, err := os.Stat(k.path); errors.Is(err, os.ErrNotExist) {
		s.id, err = k.create(o.Passphrase, s.log)
		if err != nil {
			return err
		}
	} else if s.id, err = k.read(o.Passphrase, s.log); err != nil {
		return err
	}
	for _, name := range []string{dataFile + newSuffix, compactFile} {
		if err := ignoreMissing(os.Remove(s.path(name))); err != nil {
			return filing("removing", s.path(name), err)
		}
	}
	if _, err := os.Stat(s.path(dataFile)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return s.reopen()
}

// reopen opens what earlier runs brought.
func (s *Standby) reopen() (err error) {
	if s.ring, err = openRing(s.dir, s.id); err != nil {
		return err
	}
	if err := checkFile(s.path(dataFile)); err != nil {
		return err
	}
	if s.bolt, err = openBolt(s.path(dataFile), 0); err != nil {
		return boltOpening(s.path(dataFile), err)
	}
	return s.begin()
}

// begin reads how far the records are and what goes with them.
func (s *Standby) begin() error {
	ks, err := s.ring.body.keys()
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamaged, s.path(keyringFile), err)
	}
	s.trees = ks.trees
	return s.bolt.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(metaBin.name).Get([]byte(followKey))
		if err := decoding.Unmarshal(b, &s.at); err != nil {
			return fmt.Errorf("%w: the standby does not know how far it came; empty %s", ErrDamaged, s.dir)
		}
		s.missing = s.absent(tx)
		return nil
	})
}

// absent lists the attachments whose files are not here.
func (s *Standby) absent(tx *bolt.Tx) map[[16]byte]bool {
	missing := map[[16]byte]bool{}
	eachBlob(tx, func(id [16]byte) {
		if _, err := os.Stat(blobPathIn(s.dir, id)); err != nil {
			missing[id] = true
		}
	})
	return missing
}

// eachBlob calls fn with the attachments that belong to a store.
func eachBlob(tx *bolt.Tx, fn func(id [16]byte)) {
	b := tx.Bucket(blobs.name)
	if b == nil {
		return
	}
	_ = b.ForEachBucket(func(day []byte) error {
		c := b.Bucket(day).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			if len(k) == 4+16 {
				fn([16]byte(k[4:]))
			}
		}
		return nil
	})
}

// Close gives the directory back.
func (s *Standby) Close() error {
	var err error
	if s.bolt != nil {
		err = s.bolt.Close()
	}
	return errors.Join(err, s.lock.Close())
}

// Me is what the standby says of itself.
func (s *Standby) Me() Follower { return Follower{s.id.Recipient().String(), s.at.Epoch} }

// Checksum is that of the records that the standby has.
func (s *Standby) Checksum(ctx context.Context) (c Checksum, err error) {
	if s.bolt == nil {
		return c, nil
	}
	err = s.bolt.View(func(tx *bolt.Tx) error {
		c, err = checksumOf(ctx, tx)
		return err
	})
	return c, err
}

// Follow takes what the primary writes until ctx ends. An error says that it
// could not go on for now, and may be tried again; ErrFenced and ErrToken stay.
func (s *Standby) Follow(ctx context.Context, from Source) error {
	if s.bolt == nil {
		if err := s.copy(ctx, from); err != nil {
			return err
		}
	}
	for {
		if err := s.acknowledge(ctx, from); err != nil {
			return err
		}
		if err := s.fetchBlobs(ctx, from); err != nil {
			return err
		}
		took, err := s.step(ctx, from)
		switch {
		case errors.Is(err, ErrResync):
			s.log.Info("the primary began a new op log; a copy of it is fetched")
			err = s.copy(ctx, from)
		case err == nil && !took:
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// step takes one segment; false when there was none.
func (s *Standby) step(ctx context.Context, from Source) (bool, error) {
	r, err := from.Segment(ctx, s.Me(), fmt.Sprintf("%x", s.at.Chain), s.at.Next)
	if err != nil || r == nil {
		return false, err
	}
	sealed, err := io.ReadAll(io.LimitReader(r, maxSegmentRead))
	if err = errors.Join(err, r.Close()); err != nil {
		return false, fmt.Errorf("reading a segment: %w", err)
	}
	return true, s.apply(sealed)
}

// maxSegmentRead bounds what is read of a segment: a commit may be larger than
// the size at which a segment is closed.
const maxSegmentRead = 1 << 30

func (s *Standby) acknowledge(ctx context.Context, from Source) error {
	if s.acked == s.ring.gen {
		return nil
	}
	if err := from.Ack(ctx, s.Me(), s.ring.gen); err != nil {
		return err
	}
	s.acked = s.ring.gen
	return nil
}

// fetchBlobs fetches the attachments that are missing, as they lie on the disk of
// the primary: sealed.
func (s *Standby) fetchBlobs(ctx context.Context, from Source) error {
	for id := range s.missing {
		r, err := from.Blob(ctx, s.Me(), fmt.Sprintf("%x", id))
		switch {
		case errors.Is(err, ErrNotFound): // removed meanwhile; a segment will say so
		case err != nil:
			return err
		default:
			if err := s.keepBlob(id, r); err != nil {
				return err
			}
		}
		delete(s.missing, id)
	}
	return nil
}

func (s *Standby) keepBlob(id [16]byte, r io.ReadCloser) (err error) {
	defer func() { err = errors.Join(err, r.Close()) }()
	path := blobPathIn(s.dir, id)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return filing("making", filepath.Dir(path), err)
	}
	f, err := os.OpenFile(filepath.Clean(path+newSuffix), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return filing("creating", path, err)
	}
	_, err = io.Copy(f, r)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return filing("writing", path, err)
	}
	return errors.Join(os.Rename(path+newSuffix, path), syncDir(filepath.Dir(path)))
}
