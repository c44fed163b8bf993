// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"kith/store"
)

// auditOrigin is the name under which checkpoints are signed, and their first line.
const auditOrigin = "kith-audit"

// auditKey signs checkpoints. It lies in the store: who has the store can sign anew, which is why checkpoints are worth
// most when they are kept elsewhere.
type auditKey struct {
	Signer   string `cbor:"1,keyasint"`
	Verifier string `cbor:"2,keyasint"`
}

// auditDay is the trail as it was at the end of a day: where the next one goes on, also when the days before are
// destroyed by then.
type auditDay struct {
	Tree  auditTree `cbor:"1,keyasint"`
	Chain [32]byte  `cbor:"2,keyasint"` // hash of the newest entry
	Seq   uint64    `cbor:"3,keyasint"`
}

// Checkpoint is a signed statement of how many entries the trail has and what they are.
type Checkpoint struct {
	Size uint64  `cbor:"-"`
	Note string  `cbor:"1,keyasint"` // the signed note
	At   Instant `cbor:"2,keyasint"`
}

var (
	auditKeys        = store.NewTable[auditKey]("audit_keys", func(*auditKey) store.Subject { return store.Nobody })
	auditDays        = store.NewTable[auditDay]("audit_days", func(*auditDay) store.Subject { return store.Nobody })
	auditCheckpoints = store.NewTable[Checkpoint]("audit_checkpoints", func(*Checkpoint) store.Subject { return store.Nobody })
)

// Checkpoint signs the trail as it is now, unless nothing was added since the newest checkpoint, and remembers how it
// was at the end of each day.
func (d *Desk) Checkpoint(ctx context.Context, a Actor) (c Checkpoint, err error) {
	if _, err := d.ask(ctx, a, MayAudit); err != nil {
		return c, err
	}
	key, err := d.auditKey(ctx)
	if err != nil {
		return c, err
	}
	var w *auditWalk
	var known bool
	err = d.db.View(ctx, func(tx *store.Tx) error { // nobody waits for the walk
		if w, err = walkAudit(tx, nil); err != nil {
			return err
		}
		c = Checkpoint{Size: w.at.Tree.Size, At: InstantOf(tx.Now())}
		old, err := auditCheckpoints.Get(tx, store.Nobody, c.Size)
		if known = err == nil; known {
			c.Note, c.At = old.Note, old.At
		}
		return ignoreMissing(err)
	})
	if err != nil || known && len(w.ends) == 0 {
		return c, err
	}
	if c.Note == "" {
		if c.Note, err = signed(&w.at, key.Signer); err != nil {
			return c, err
		}
	}
	err = d.db.Update(ctx, func(tx *store.Tx) error {
		for day, at := range w.ends {
			if err := auditDays.Put(tx, uint64(day), &at); err != nil {
				return err
			}
		}
		return auditCheckpoints.Put(tx, c.Size, &c)
	})
	return c, err
}

// auditRhythm is how often the trail is signed while kith runs.
const auditRhythm = time.Hour

// KeepAudit signs the trail every hour until ctx ends.
func (d *Desk) KeepAudit(ctx context.Context) error {
	tick := time.NewTicker(auditRhythm)
	defer tick.Stop()
	for {
		if _, err := d.Checkpoint(ctx, Host()); err != nil && ctx.Err() == nil {
			d.log.ErrorContext(ctx, "the audit trail could not be signed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// AuditKey returns the public key with which checkpoints are verified. It should be kept where the store is not.
func (d *Desk) AuditKey(ctx context.Context, a Actor) (string, error) {
	if _, err := d.ask(ctx, a, MayAudit); err != nil {
		return "", err
	}
	key, err := d.auditKey(ctx)
	if err != nil {
		return "", err
	}
	return key.Verifier, nil
}

func (d *Desk) auditKey(ctx context.Context) (key *auditKey, err error) {
	read := func(tx *store.Tx) error {
		key, err = auditKeys.Get(tx, store.Nobody, 0)
		return ignoreMissing(err)
	}
	if err := d.db.View(ctx, read); err != nil || key != nil {
		return key, err
	}
	err = d.db.Update(ctx, func(tx *store.Tx) error {
		if err := read(tx); err != nil || key != nil {
			return err
		}
		signer, verifier, err := note.GenerateKey(rand.Reader, auditOrigin)
		if err != nil {
			return fmt.Errorf("making the key of the audit trail: %w", err)
		}
		key = &auditKey{signer, verifier}
		return auditKeys.Put(tx, 0, key)
	})
	return key, err
}

// auditWalk is a walk along the trail, from where the last finished day ended.
type auditWalk struct {
	base auditDay // before the first entry that was read
	at   auditDay // after the newest one
	ends map[store.Day]auditDay
}

// walkAudit reads the trail from the end of the newest finished day that is known, or, when fn wants every entry, from
// the first that is there.
func walkAudit(tx *store.Tx, fn func(e *AuditEvent) error) (*auditWalk, error) {
	days := ascending(auditTrail.Days(tx))
	w := &auditWalk{ends: map[store.Day]auditDay{}}
	var err error
	if days, w.base, err = auditBase(tx, days, fn != nil); err != nil {
		return nil, err
	}
	w.at = auditDay{w.base.Tree.copied(), w.base.Chain, w.base.Seq}
	for _, day := range days {
		err := auditTrail.Every(tx, day, func(ref store.Ref, e *AuditEvent) error {
			e.Seq = ref.Seq
			if err := w.at.follow(e); err != nil {
				return err
			}
			if fn != nil {
				return fn(e)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if day.Day < store.DayOf(tx.Now()) {
			w.ends[day.Day] = auditDay{w.at.Tree.copied(), w.at.Chain, w.at.Seq}
		}
	}
	tip, err := auditHead.Get(tx, store.Nobody, 0)
	if err == nil && (tip.Hash != w.at.Chain || tip.Seq != w.at.Seq) {
		err = errors.New("the newest audit entry is not the one on record")
	}
	return w, ignoreMissing(err)
}

// auditBase returns how the trail was before the first day to be read, and the days from there on.
func auditBase(tx *store.Tx, days []store.DayKey, all bool) (left []store.DayKey, base auditDay, err error) {
	first := store.Day(0)
	if len(days) > 0 {
		first = days[0].Day
	}
	last := store.Day(0)
	err = auditDays.Each(tx, store.Nobody, func(id uint64, at *auditDay) error {
		day := store.Day(id) //nolint:gosec // put there as a day
		if all && day >= first {
			return store.ErrStop
		}
		base, last = *at, day
		return nil
	})
	if err != nil {
		return nil, base, err
	}
	left = slices.DeleteFunc(days, func(k store.DayKey) bool { return k.Day <= last && last != 0 })
	return left, base, nil
}

// follow takes the next entry of the trail.
func (w *auditDay) follow(e *AuditEvent) error {
	switch {
	case e.Prev != w.Chain && (w.Tree.Size != 0 || w.Seq != 0):
		return fmt.Errorf("audit entry %d does not follow the entry before it", e.Seq)
	case e.Seq <= w.Seq:
		return fmt.Errorf("audit entry %d is out of order", e.Seq)
	}
	w.Chain, w.Seq = e.hash(), e.Seq
	w.Tree.add(w.Chain)
	return nil
}

// signed writes and signs a checkpoint: origin, size, root of the tree, and the hash of the newest entry.
func signed(at *auditDay, key string) (string, error) {
	signer, err := note.NewSigner(key)
	if err != nil {
		return "", fmt.Errorf("reading the key of the audit trail: %w", err)
	}
	root := at.Tree.root()
	text := fmt.Sprintf("%s\n%d\n%s\nchain %s\n", auditOrigin, at.Tree.Size, base64.StdEncoding.EncodeToString(root[:]),
		base64.StdEncoding.EncodeToString(at.Chain[:]))
	out, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return "", fmt.Errorf("signing a checkpoint of the audit trail: %w", err)
	}
	return string(out), nil
}

// opened is what a checkpoint says.
type opened struct {
	size  uint64
	root  tlog.Hash
	chain string
}

// openCheckpoint checks the signature of a checkpoint and reads it.
func openCheckpoint(text, key string) (o opened, err error) {
	v, err := note.NewVerifier(key)
	if err != nil {
		return o, fmt.Errorf("the key cannot be read: %w", err)
	}
	n, err := note.Open([]byte(text), note.VerifierList(v))
	if err != nil {
		return o, fmt.Errorf("the checkpoint is not signed with this key: %w", err)
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 5 || lines[0] != auditOrigin {
		return o, errors.New("the checkpoint is not one of an audit trail")
	}
	size, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil {
		return o, errors.New("the checkpoint names no size")
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return o, errors.New("the checkpoint names no root")
	}
	return opened{size, tlog.Hash(root), strings.TrimPrefix(lines[3], "chain ")}, nil
}
