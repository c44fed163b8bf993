// SPDX-License-Identifier: Apache-2.0

// Package app is the Desk: the nouns of customer messaging, their rules, and what can be done to them. Every act by a
// person, a key or the machine passes one gate, which asks whether the actor may, opens one transaction, and writes the
// audit entry into the same transaction as the change.
package app

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"time"

	"kith/store"
)

// Desk is everything that can be done to the records of one installation. Its methods open a transaction each; it is
// safe for concurrent use.
type Desk struct {
	db      *store.DB
	rules   map[string]Rules
	log     *slog.Logger
	inboxes inboxCache
	names   nameIndex
	grants  grants
	reads   readLog
	alarms  alarms
	held    func(ContactID) bool // whose records a hold keeps; nil = nobody's
}

// Rules are what a kind of inbox allows to be written; the channel declares them.
type Rules struct {
	Window       time.Duration // how long after the customer's last message free text is allowed; 0 = always
	TextLength   int           // characters; 0 = no limit
	CaptionLimit int           // characters
	// File returns the largest size in bytes of a file, or an error that says what is allowed.
	File func(t MessageType, mime string) (int64, error)
}

// Options configure a Desk.
type Options struct {
	Rules map[string]Rules // by kind of inbox
	Log   *slog.Logger     // nil = none
	// Held tells whose records a legal hold keeps; nil = nobody's.
	Held func(ContactID) bool
}

// NewDesk returns a desk over db, which stays the caller's to close.
func NewDesk(db *store.DB, o Options) *Desk {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Desk{db: db, rules: o.Rules, log: o.Log, held: o.Held}
}

// Ready returns nil while the store takes writes, else an error that says why not.
func (d *Desk) Ready() error { return d.db.Ready() }

// Full reports whether the disk is full: only what makes room is stored then.
func (d *Desk) Full() bool { return d.db.Full() }

// act is the single gate: it asks whether a may p, runs fn in one transaction and writes the audit entry that fn
// completed into the same transaction.
func (d *Desk) act(ctx context.Context, a Actor, p Permission, kind AuditKind,
	fn func(tx *store.Tx, e *AuditEvent) error,
) error {
	if _, err := d.ask(ctx, a, p); err != nil {
		return err
	}
	var e AuditEvent
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		e = AuditEvent{Kind: kind, Actor: a}
		if err := fn(tx, &e); err != nil {
			return err
		}
		return appendAudit(tx, &e)
	})
	if err == nil {
		d.alarms.count(&e)
	}
	return err
}

// Act is the gate for rooms above app whose records are their own, such as app/auth: it asks whether a may p, runs fn in
// one transaction and writes the audit entry that fn completed into the same transaction.
func (d *Desk) Act(ctx context.Context, a Actor, p Permission, kind AuditKind,
	fn func(tx *store.Tx, e *AuditEvent) error,
) error {
	return d.act(ctx, a, p, kind, fn)
}

// Look runs fn in a read transaction when a may p; it is for the same rooms.
func (d *Desk) Look(ctx context.Context, a Actor, p Permission, fn func(tx *store.Tx) error) error {
	return d.look(ctx, a, p, fn)
}

// look runs fn in a read transaction when a may p.
func (d *Desk) look(ctx context.Context, a Actor, p Permission, fn func(tx *store.Tx) error) error {
	if _, err := d.ask(ctx, a, p); err != nil {
		return err
	}
	return d.db.View(ctx, fn)
}

// Instant is a point in time in Unix milliseconds; 0 is none.
type Instant int64

// InstantOf returns the instant of t; the zero time is 0.
func InstantOf(t time.Time) Instant {
	if t.IsZero() {
		return 0
	}
	return Instant(t.UnixMilli())
}

// Time returns the instant in UTC, the zero time for 0.
func (i Instant) Time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(i)).UTC()
}

// digest is the short hash by which duplicates are recognised.
func digest(parts ...string) [16]byte {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return [16]byte(h.Sum(nil)[:16])
}
