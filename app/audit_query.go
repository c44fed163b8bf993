// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"

	"kith/store"
)

// AuditQuery selects entries of the audit trail. Zero members select everything.
type AuditQuery struct {
	Kind    AuditKind
	Actor   uint64 // agent or key
	Subject store.Subject
	From    store.Day // the first day, in UTC
	To      store.Day // the last one
	After   AuditMark // the cursor of the last page
	Limit   int
}

// AuditMark is a place in the trail.
type AuditMark struct {
	Day store.Day
	Seq uint64
}

// auditStep bounds how many entries one page of a filtered trail looks at.
const auditStep = 50_000

// Audit returns the entries that q selects, newest first; next is the zero mark on the last page. A page may be short
// and still have a next one.
func (d *Desk) Audit(ctx context.Context, a Actor, q AuditQuery) (out []AuditEvent, next AuditMark, err error) {
	looked, last := 0, AuditMark{}
	err = d.look(ctx, a, MayAudit, func(tx *store.Tx) error {
		days, before := q.days(newestFirst(auditTrail.Days(tx)))
		return auditTrail.Back(tx, 0, days, before, func(ref store.Ref, e *AuditEvent) error {
			e.Seq = ref.Seq
			looked++
			if q.selects(e) {
				if len(out) == q.Limit {
					next = last
					return store.ErrStop
				}
				out, last = append(out, *e), AuditMark{ref.Day, ref.Seq}
			}
			if looked == auditStep {
				next = AuditMark{ref.Day, ref.Seq}
				return store.ErrStop
			}
			return nil
		})
	})
	return out, next, err
}

// days leaves the days that q asks for, and says where in the first of them it begins.
func (q *AuditQuery) days(all []store.DayKey) (days []store.DayKey, before uint64) {
	for _, k := range all {
		switch {
		case q.To != 0 && k.Day > q.To, q.From != 0 && k.Day < q.From, q.After.Seq != 0 && k.Day > q.After.Day:
		default:
			days = append(days, k)
		}
	}
	if q.After.Seq != 0 && len(days) > 0 && days[0].Day == q.After.Day {
		before = q.After.Seq
	}
	return days, before
}

func (q *AuditQuery) selects(e *AuditEvent) bool {
	return (q.Kind == 0 || e.Kind == q.Kind) && (q.Subject == 0 || e.Subject == q.Subject) &&
		(q.Actor == 0 || e.Actor.ID == q.Actor)
}

// Hash returns the entry's place in the chain: it covers every member and the hash of the entry before.
func (e *AuditEvent) Hash() [32]byte { return e.hash() }
