// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"sync"
	"time"

	"kith/store"
)

// readLog knows what was read in this hour and is in the audit trail already: one entry for each actor, record and hour
// is enough to tell who has seen what, and makes reading cost a write once.
type readLog struct {
	mu   sync.Mutex
	hour int64
	done map[readKey]*readMark
}

// mostReads bounds what is remembered; beyond it an hour may have a second entry of the same.
const mostReads = 1 << 17

type readKey struct {
	actor   Actor
	kind    AuditKind
	subject store.Subject
	object  uint64
}

// readMark is an entry that is being written, or was.
type readMark struct {
	written chan struct{}
	err     error
}

// take returns the mark of a reading; first is true for the one who has to write the entry.
func (l *readLog) take(now time.Time, key readKey) (m *readMark, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if hour := now.Unix() / 3600; hour != l.hour || l.done == nil || len(l.done) >= mostReads {
		l.hour, l.done = hour, map[readKey]*readMark{}
	}
	if m = l.done[key]; m != nil {
		return m, false
	}
	m = &readMark{written: make(chan struct{})}
	l.done[key] = m
	return m, true
}

// settle ends the writing. One that did not work is tried again by the next reader.
func (l *readLog) settle(key readKey, m *readMark, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m.err = err; err != nil && l.done[key] == m {
		delete(l.done, key)
	}
	if also := (readKey{key.actor, AuditContactRead, key.subject, 0}); err == nil && key.kind == AuditConversationRead {
		l.done[also] = m // whoever reads the conversation sees whose it is
	}
	close(m.written)
}

// read writes into the audit trail that a person or a key has seen something. What cannot be written down is not shown.
func (d *Desk) read(ctx context.Context, a Actor, kind AuditKind, subject store.Subject, object uint64) error {
	if a.Kind != ActorAgent && a.Kind != ActorKey {
		return nil
	}
	a.grant = nil
	var now time.Time
	err := d.db.View(ctx, func(tx *store.Tx) error {
		now = tx.Now()
		return nil
	})
	if err != nil {
		return err
	}
	key := readKey{a, kind, subject, object}
	m, first := d.reads.take(now, key)
	if !first {
		select {
		case <-m.written:
			return m.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	e := AuditEvent{Kind: kind, Actor: a, Subject: subject, Object: object}
	err = d.db.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error { return appendAudit(tx, &e) })
	d.reads.settle(key, m, err)
	if err == nil {
		d.alarms.count(&e)
	}
	return err
}

// turnedAway says no and writes that down, once an hour for each actor and permission.
func (d *Desk) turnedAway(ctx context.Context, a Actor, p Permission) error {
	if err := d.read(ctx, a, AuditRefused, 0, uint64(p)); err != nil {
		d.log.WarnContext(ctx, "a refusal could not be written into the audit trail", "permission", p.String(), "error", err)
	}
	return a.forbidden()
}
