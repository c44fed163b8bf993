// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"kith/store"
)

// Alarm says that something happens too often to be honest work.
type Alarm struct {
	Kind  string // a key of the catalogues: "sign_in_failed"
	Actor Actor  // who did it; the zero Actor when nobody in particular did
	About store.Subject
	Count int
	Since Instant
	Last  Instant
}

// alarmRules say how many entries of a kind within how long are too many. By is whose entries are counted together:
// the actor's, or those about one subject.
var alarmRules = []struct {
	kind  string
	of    []AuditKind
	most  int
	in    time.Duration
	about bool
}{
	{kind: "sign_in_failed", of: []AuditKind{AuditSignInFailed}, most: 10, in: 10 * time.Minute, about: true},
	{kind: "reveal", of: []AuditKind{AuditRevealed}, most: 20, in: 10 * time.Minute},
	{kind: "export", of: []AuditKind{AuditExported}, most: 5, in: time.Hour},
	{kind: "mass_read", of: []AuditKind{AuditContactRead, AuditConversationRead}, most: 500, in: time.Hour},
	{kind: "refused", of: []AuditKind{AuditRefused}, most: 5, in: time.Hour},
	{kind: "new_device", of: []AuditKind{AuditNewDevice}, most: 3, in: 24 * time.Hour, about: true},
}

// alarmLasts is how long an alarm is shown after the last time.
const alarmLasts = 24 * time.Hour

// mostTallies bounds what is counted at the same time.
const mostTallies = 10_000

// alarms count audit entries in memory. They are a warning, not a record: the record is the audit trail.
type alarms struct {
	mu     sync.Mutex
	counts map[alarmKey]*alarmCount
}

type alarmKey struct {
	rule  int
	actor Actor
	about store.Subject
}

// alarmCount is what happened in the current window, and the alarm that it became.
type alarmCount struct {
	since, last Instant
	n           int
	raised      *Alarm
}

// count takes note of an entry that was written.
func (s *alarms) count(e *AuditEvent) {
	for i := range alarmRules {
		if slices.Contains(alarmRules[i].of, e.Kind) {
			s.add(i, e)
		}
	}
}

func (s *alarms) add(rule int, e *AuditEvent) {
	r := &alarmRules[rule]
	key := alarmKey{rule: rule, actor: Actor{Kind: e.Actor.Kind, ID: e.Actor.ID}}
	if r.about {
		key = alarmKey{rule: rule, about: e.Subject}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts == nil {
		s.counts = map[alarmKey]*alarmCount{}
	}
	if len(s.counts) >= mostTallies {
		s.drop(e.At)
	}
	c := s.counts[key]
	if c == nil {
		c = &alarmCount{since: e.At}
		s.counts[key] = c
	}
	if e.At.Time().Sub(c.since.Time()) > r.in {
		c.since, c.n = e.At, 0
	}
	c.n++
	c.last = e.At
	if c.n < r.most {
		return
	}
	if c.raised == nil || e.At.Time().Sub(c.raised.Last.Time()) > alarmLasts {
		c.raised = &Alarm{Kind: r.kind, Actor: key.actor, About: key.about, Count: c.n - 1, Since: c.since}
	}
	c.raised.Count++
	c.raised.Last = e.At
}

// drop forgets what is long ago; when everything is recent, what did not become an alarm.
func (s *alarms) drop(now Instant) {
	for key, c := range s.counts {
		if c.raised == nil || now.Time().Sub(c.last.Time()) > alarmLasts {
			delete(s.counts, key)
		}
	}
}

// Alarms returns what happens too often now, the newest first.
func (d *Desk) Alarms(ctx context.Context, a Actor) (out []Alarm, err error) {
	err = d.look(ctx, a, MayAudit, func(tx *store.Tx) error {
		out = d.alarms.raised(tx.Now())
		return nil
	})
	return out, err
}

func (s *alarms) raised(now time.Time) (out []Alarm) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.counts {
		if c.raised != nil && now.Sub(c.raised.Last.Time()) <= alarmLasts {
			out = append(out, *c.raised)
		}
	}
	slices.SortFunc(out, func(a, b Alarm) int {
		return cmp.Or(cmp.Compare(b.Last, a.Last), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Actor.ID, b.Actor.ID))
	})
	return out
}
