// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"filippo.io/age"
)

// FollowState is where the op log of a server stands.
type FollowState struct {
	Instance string `json:"instance"`
	Epoch    uint64 `json:"epoch"`
	Chain    string `json:"chain"`
	Next     uint64 `json:"next"` // the segment that is not written yet
}

// ErrResync says that what a standby has does not lead to what is to come: it
// needs a copy of the store first.
var ErrResync = errors.New("the op log does not go back that far; start from a copy")

// ErrFenced says that another server was made the primary.
var ErrFenced = errors.New("another server was made the primary in the place of this one")

// Feed is what one standby gets to see of a store.
type Feed struct {
	db *DB
	id uint64
	r  replica
}

// Feed opens the feed of the standby that a token belongs to: ErrToken when there
// is none. recipient is its public key; the first one that comes stays. epoch is
// the newest that it knows of: a server that hears of a newer one than its own
// stops writing.
func (db *DB) Feed(ctx context.Context, token, recipient string, epoch uint64) (*Feed, error) {
	id, r, err := db.replicaOf(token)
	if err != nil {
		return nil, err
	}
	if epoch > db.epoch {
		return nil, db.fence(ctx, epoch)
	}
	if recipient, err = ParseRecipient(recipient); err != nil {
		return nil, err
	}
	switch r.Recipient {
	case recipient:
	case "":
		if err := db.saveReplica(ctx, id, func(r *replica) { r.Recipient = recipient }); err != nil {
			return nil, err
		}
		r.Recipient = recipient
		if err := db.openOplog(ctx); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%w: another server joined with it already", ErrToken)
	}
	return &Feed{db, id, r}, nil
}

// State tells where the op log stands.
func (f *Feed) State() FollowState {
	o := f.db.oplog
	o.mu.Lock()
	defer o.mu.Unlock()
	return FollowState{f.db.Instance(), f.db.epoch, fmt.Sprintf("%x", o.at.Chain), o.at.Next}
}

// baseHead begins a copy of the store for a standby; data.db follows.
type baseHead struct {
	Format   int       `cbor:"1,keyasint"`
	Instance []byte    `cbor:"2,keyasint"`
	Epoch    uint64    `cbor:"3,keyasint"`
	Replica  uint64    `cbor:"4,keyasint"`
	At       baseChain `cbor:"5,keyasint"`
	Body     ringBody  `cbor:"6,keyasint"` // the keyring, handed over
	Size     int64     `cbor:"7,keyasint"`
}

// baseChain is the segment that comes behind a copy.
type baseChain struct {
	Chain chainID  `cbor:"1,keyasint"`
	Next  uint64   `cbor:"2,keyasint"`
	Prev  [32]byte `cbor:"3,keyasint"`
}

// Base writes a copy of the store for the standby and for nobody else: an age
// file with the keyring and data.db. Everybody goes on meanwhile.
func (f *Feed) Base(ctx context.Context, w io.Writer) (err error) {
	to, err := parseRecipients([]string{f.r.Recipient})
	if err != nil {
		return err
	}
	head := baseHead{Format: oplogFormat, Instance: f.db.instanceID[:], Epoch: f.db.epoch, Replica: f.id}
	var view *heldView
	err = f.db.between(ctx, func() (err error) {
		f.db.oplog.seal()
		f.db.oplog.mu.Lock()
		at := f.db.oplog.at
		f.db.oplog.mu.Unlock()
		head.At = baseChain{at.Chain, at.Next, at.Prev}
		view, err = f.db.bolt.hold()
		return err
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, view.end()) }()
	head.Body, head.Size = *f.db.currentRing(), view.tx.Size()
	out, err := age.Encrypt(w, to...)
	if err != nil {
		return fmt.Errorf("sealing a copy: %w", err)
	}
	b, err := encoding.Marshal(&head)
	if err != nil {
		return err
	}
	if _, err := out.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)); err != nil { //nolint:gosec // some megabytes
		return err
	}
	if _, err := view.tx.WriteTo(out); err != nil {
		return err
	}
	return out.Close()
}

// Segment opens segment n of a chain, and waits for it until ctx ends: then the
// error is that of ctx. ErrResync says that it will never come.
func (f *Feed) Segment(ctx context.Context, chain string, n uint64) (io.ReadCloser, error) {
	o := f.db.oplog
	f.note(n)
	for {
		cut := o.cut.watch()
		o.mu.Lock()
		at, on := o.at, o.on
		o.mu.Unlock()
		if !on || fmt.Sprintf("%x", at.Chain) != chain || n < at.Oldest || n > at.Next {
			return nil, ErrResync
		}
		if n < at.Next {
			file, err := os.Open(o.path(n))
			if errors.Is(err, os.ErrNotExist) {
				return nil, ErrResync
			}
			return file, err
		}
		select {
		case <-cut:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-f.db.life.Done():
			return nil, ErrClosed
		}
	}
}

// note remembers how far the standby is and forgets segments that nobody needs.
func (f *Feed) note(next uint64) {
	f.db.standbys.mu.Lock()
	least := next
	for id, s := range f.db.standbys.known {
		if id == f.id {
			s.next = next
		}
		if s.r.Recipient != "" {
			least = min(least, s.next)
		}
	}
	f.db.standbys.mu.Unlock()
	f.db.oplog.mu.Lock()
	defer f.db.oplog.mu.Unlock()
	f.db.oplog.forget(least)
}

// Ack notes that the standby has destroyed what generation gen of the keyring
// destroyed.
func (f *Feed) Ack(ctx context.Context, gen uint64) error {
	if gen <= f.r.Ring {
		return nil
	}
	f.r.Ring = gen
	return f.db.saveReplica(ctx, f.id, func(r *replica) { r.Ring = max(r.Ring, gen) })
}

// BlobFile opens the file of an attachment as it lies on the disk, sealed.
func (f *Feed) BlobFile(id [16]byte) (io.ReadCloser, error) {
	file, err := os.Open(f.db.blobPath(id))
	if errors.Is(err, os.ErrNotExist) {
		return nil, blobs.missing
	}
	return file, err
}
