// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"filippo.io/age"
	bolt "go.etcd.io/bbolt"
)

// copy replaces all the standby has with a copy of the primary. A crash at any
// point leaves what was there, or a directory to which the copy is fetched again:
// the records come last.
func (s *Standby) copy(ctx context.Context, from Source) error {
	r, err := from.Base(ctx, s.Me())
	if err != nil {
		return err
	}
	err = s.receive(r)
	return errors.Join(err, r.Close())
}

func (s *Standby) receive(sealed io.Reader) error {
	r, err := age.Decrypt(sealed, s.id)
	if err != nil {
		return fmt.Errorf("%w: the copy is for another standby: %w", ErrWrongKey, err)
	}
	var n [4]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return fmt.Errorf("reading the copy: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(r, int64(binary.BigEndian.Uint32(n[:]))))
	if err != nil {
		return fmt.Errorf("reading the copy: %w", err)
	}
	var head baseHead
	if err := decoding.Unmarshal(b, &head); err != nil {
		return fmt.Errorf("%w: the start of the copy: %w", ErrDamaged, err)
	}
	if head.Format > oplogFormat {
		return fmt.Errorf("%w: the copy has format %d; install the same kith on both servers", ErrNewer, head.Format)
	}
	if head.Epoch < s.at.Epoch {
		return fmt.Errorf("%w: it is in epoch %d and this standby knows of %d", ErrFenced, head.Epoch, s.at.Epoch)
	}
	if err := s.writeData(r, &head); err != nil {
		return err
	}
	return s.install(&head)
}

// writeData writes the records of a copy beside those that are here.
func (s *Standby) writeData(r io.Reader, head *baseHead) error {
	path := s.path(dataFile + newSuffix)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return filing("creating", path, err)
	}
	size, err := io.Copy(f, r)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return filing("writing", path, err)
	}
	if size != head.Size {
		return fmt.Errorf("%w: the copy has %d of %d bytes", ErrDamaged, size, head.Size)
	}
	b, err := openBolt(path, 0)
	if err != nil {
		return boltOpening(path, err)
	}
	at := followed{head.At.Chain, head.At.Next, head.At.Prev, head.Epoch, head.Replica}
	err = b.Update(func(tx *bolt.Tx) error { return putFollowed(tx, &at) })
	return errors.Join(err, b.Close())
}

func putFollowed(tx *bolt.Tx, at *followed) error {
	b, err := encoding.Marshal(at)
	if err != nil {
		return err
	}
	return tx.Bucket(metaBin.name).Put([]byte(followKey), b)
}

// install puts the copy in place: the records of before go first, then the
// keyring is written, then the new records come.
func (s *Standby) install(head *baseHead) error {
	if s.bolt != nil {
		if err := s.bolt.Close(); err != nil {
			return filing("closing", s.path(dataFile), err)
		}
		s.bolt = nil
	}
	for _, name := range []string{dataFile, keyringFile, keyringFile + newSuffix, anchorFile} {
		if err := s.destroyFile(name); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(s.path(blobDir), 0o700); err != nil {
		return filing("making", s.path(blobDir), err)
	}
	if err := createAnchor(s.path(anchorFile)); err != nil {
		return err
	}
	body := moveTo(&head.Body, s.id.Recipient().String(), s.now().Unix())
	s.ring = &ring{dir: s.dir, gen: head.Body.Gen - 1}
	if _, err := s.ring.commit(body); err != nil {
		return err
	}
	if err := os.Rename(s.path(dataFile+newSuffix), s.path(dataFile)); err != nil {
		return filing("renaming to", s.path(dataFile), err)
	}
	if err := syncDir(s.dir); err != nil {
		return err
	}
	s.acked = 0
	return s.reopen()
}

// destroyFile removes a file; the anchor is overwritten before.
func (s *Standby) destroyFile(name string) error {
	path := s.path(name)
	if name == anchorFile {
		if a, err := openAnchor(path); err == nil {
			if err := errors.Join(a.scrub(0), a.scrub(1), a.close()); err != nil {
				return err
			}
		}
	}
	if err := ignoreMissing(os.Remove(path)); err != nil {
		return filing("removing", path, err)
	}
	return nil
}

// apply makes the changes of a segment. Keys are destroyed first and in the order
// of their generations; should the records not follow, the segment is applied
// once more and finds that done.
func (s *Standby) apply(sealed []byte) error {
	head, commits, rings, err := s.read(sealed)
	if err != nil {
		return err
	}
	for _, r := range rings {
		if err := s.applyRing(r); err != nil {
			return err
		}
	}
	next := followed{head.Chain, head.Number + 1, sha256.Sum256(sealed), head.Epoch, s.at.Replica}
	gone, came := map[[16]byte]bool{}, map[[16]byte]bool{}
	err = s.bolt.Update(func(tx *bolt.Tx) error {
		for _, c := range commits {
			c.blobs(tx, gone, came)
			if err := c.apply(tx); err != nil {
				return err
			}
		}
		return putFollowed(tx, &next)
	})
	if err != nil {
		return filing("writing", s.path(dataFile), err)
	}
	s.at = next
	s.settleBlobs(gone, came)
	return nil
}

// read opens a segment, which must be the one that follows.
func (s *Standby) read(sealed []byte) (head segmentHead, commits []*commitRecord, rings []*ringRecord, err error) {
	head, err = readSegment(bytes.NewReader(sealed), s.id, func(head *segmentHead, r *logRecord) error {
		if head.Chain != s.at.Chain || head.Number != s.at.Next || head.Prev != s.at.Prev {
			return fmt.Errorf("%w: segment %d does not follow what is here", ErrResync, head.Number)
		}
		if head.Epoch < s.at.Epoch {
			return ErrFenced
		}
		if r.Ring != nil {
			rings = append(rings, r.Ring)
		}
		if r.Commit == nil {
			return nil
		}
		c, err := r.Commit.record()
		commits = append(commits, c)
		return err
	})
	return head, commits, rings, err
}

// applyRing commits the next generation of the keyring.
func (s *Standby) applyRing(r *ringRecord) error {
	if r.Body.Gen <= s.ring.gen {
		return nil
	}
	if r.Body.Gen != s.ring.gen+1 {
		return fmt.Errorf("%w: the keyring is at generation %d and %d is to come", ErrResync, s.ring.gen, r.Body.Gen)
	}
	t := s.trees.clone()
	for i, c := range []*cover{t.subjects, t.days, t.segments} {
		if err := r.Trees[i].apply(c); err != nil {
			return fmt.Errorf("%w: %w", ErrResync, err)
		}
	}
	body := r.Body
	body.Recipients, body.Notes = s.ring.body.Recipients, s.ring.body.Notes
	body.setTrees(t)
	renamed, err := s.ring.commit(body)
	if renamed {
		s.trees = t
	}
	return err
}

// blobs notes which attachments a commit removes and brings; it runs before the
// commit is applied.
func (r *commitRecord) blobs(tx *bolt.Tx, gone, came map[[16]byte]bool) {
	for i := range r.Changes {
		c := &r.Changes[i]
		if !bytes.Equal(c.Table, blobs.name) {
			continue
		}
		switch c.What {
		case changePut, changePacked, changeDelete: // packed ones were unpacked before
			if len(c.Key) != 4+16 {
				continue
			}
			id := [16]byte(c.Key[4:])
			gone[id], came[id] = c.What == changeDelete, c.What != changeDelete
		case changeDrop:
			if b := tx.Bucket(blobs.name); b != nil && b.Bucket(c.Part) != nil {
				cur := b.Bucket(c.Part).Cursor()
				for k, _ := cur.First(); len(k) == 4+16; k, _ = cur.Next() {
					gone[[16]byte(k[4:])], came[[16]byte(k[4:])] = true, false
				}
			}
		}
	}
}

// settleBlobs removes the files of attachments that are gone and notes those that
// are to be fetched.
func (s *Standby) settleBlobs(gone, came map[[16]byte]bool) {
	for id, is := range gone {
		if is {
			delete(s.missing, id)
			if err := ignoreMissing(os.Remove(blobPathIn(s.dir, id))); err != nil {
				s.log.Warn("the file of an attachment stays behind until the promotion", "error", err)
			}
		}
	}
	for id, is := range came {
		if !is {
			continue
		}
		if _, err := os.Stat(filepath.Clean(blobPathIn(s.dir, id))); err != nil {
			s.missing[id] = true
		}
	}
}

// Promote makes the standby in dir the primary: it begins a new epoch and opens
// like any other store from then on. It returns the note that OpenStandby was
// given.
func Promote(dir string) (note []byte, epoch uint64, err error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, 0, fmt.Errorf("finding %s: %w", dir, err)
	}
	s := &Standby{dir: abs}
	note, err = os.ReadFile(s.path(standbyFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, 0, fmt.Errorf("%w: %s is no standby; there is nothing to promote", ErrPermission, dir)
	}
	if err != nil {
		return nil, 0, filing("reading", s.path(standbyFile), err)
	}
	if s.lock, err = lock(abs); err != nil {
		return nil, 0, fmt.Errorf("%w; stop the standby first", err)
	}
	defer func() { err = errors.Join(err, s.lock.Close()) }()
	if _, err := os.Stat(s.path(dataFile)); err != nil {
		return nil, 0, fmt.Errorf("%w: the standby in %s has no records yet; wait until it has a copy of its primary", ErrDamaged, dir)
	}
	if epoch, err = s.reign(); err != nil {
		return nil, 0, err
	}
	if err := errors.Join(os.Remove(s.path(standbyFile)), syncDir(abs)); err != nil {
		return nil, 0, filing("removing", s.path(standbyFile), err)
	}
	return note, epoch, nil
}

// reign writes the new epoch and takes the server itself off the list of those
// who follow.
func (s *Standby) reign() (epoch uint64, err error) {
	b, err := openBolt(s.path(dataFile), 0)
	if err != nil {
		return 0, boltOpening(s.path(dataFile), err)
	}
	err = b.Update(func(tx *bolt.Tx) error {
		meta := tx.Bucket(metaBin.name)
		raw := meta.Get([]byte(followKey))
		if raw == nil { // a promotion that was cut short
			epoch = binary.BigEndian.Uint64(meta.Get([]byte(epochKey)))
			return nil
		}
		if err := decoding.Unmarshal(raw, &s.at); err != nil {
			return fmt.Errorf("%w: the standby does not know how far it came", ErrDamaged)
		}
		epoch = s.at.Epoch + 1
		if list := tx.Bucket(replicas.name); list != nil {
			key := new(Tx).subjectKey(Nobody, s.at.Replica)
			if err := list.Delete(key); err != nil {
				return err
			}
		}
		return errors.Join(meta.Delete([]byte(followKey)), meta.Delete([]byte(fencedKey)),
			meta.Put([]byte(epochKey), binary.BigEndian.AppendUint64(nil, epoch)))
	})
	return epoch, errors.Join(err, b.Close())
}
