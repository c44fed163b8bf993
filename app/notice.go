// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"encoding/hex"
	"slices"

	"kith/store"
)

// InboxNotice is a notice as it was stored.
type InboxNotice struct {
	ID     uint64  `cbor:"-"`
	Inbox  InboxID `cbor:"1,keyasint"`
	Notice Notice  `cbor:"2,keyasint"`
}

// Unreadable is a signed webhook, or a part of one, that kith could not read. It is kept for seven days.
type Unreadable struct {
	ID     MessageID `cbor:"-"`
	Inbox  InboxID   `cbor:"1,keyasint"`
	Reason string    `cbor:"2,keyasint"`
	Raw    []byte    `cbor:"3,keyasint"`
	At     Instant   `cbor:"4,keyasint"`
}

var (
	notices    = store.NewDayTable[InboxNotice]("notices", func(*InboxNotice) store.Subject { return store.Nobody })
	noticeIDs  = store.NewDayLookup("notice_ids")
	unreadable = store.NewDayTable[Unreadable]("unreadable", func(*Unreadable) store.Subject { return store.Nobody })
	rawIDs     = store.NewDayLookup("unreadable_ids")
)

// notice stores a notice once.
func (r *receiver) notice(n *Notice) error {
	key, _ := r.day(n.At)
	ident := providerKey(r.in, hex.EncodeToString(n.Digest[:]))
	_, dup, err := noticeIDs.Find(r.tx, key.Class, key.Day, 8, ident)
	if dup || err != nil {
		return err
	}
	id := r.tx.NextID()
	if err := noticeIDs.Set(r.tx, key, ident, uint64(r.in), id); err != nil {
		return err
	}
	row := &InboxNotice{Inbox: r.in, Notice: *n}
	row.Notice.At = r.instant(n.At).Time() // not every kind tells when it happened
	if err := notices.Put(r.tx, store.Ref{DayKey: key, Group: uint64(r.in), Seq: id}, row); err != nil {
		return err
	}
	return emit(r.tx, Event{Kind: NoticeAdded, Inbox: r.in})
}

// Notices returns the newest notices of an inbox, newest first.
func (d *Desk) Notices(ctx context.Context, a Actor, in InboxID, limit int) (out []InboxNotice, err error) {
	err = d.look(ctx, a, MaySeeChannels, func(tx *store.Tx) error {
		g, err := d.grant(tx, a)
		if err != nil {
			return err
		}
		if !g.reaches(in) {
			return inboxMissing()
		}
		return notices.Back(tx, uint64(in), newestFirst(notices.Days(tx)), 0, func(ref store.Ref, n *InboxNotice) error {
			if len(out) == limit {
				return store.ErrStop
			}
			n.ID = ref.Seq
			out = append(out, *n)
			return nil
		})
	})
	return out, err
}

// KeepUnreadable stores what was signed but not understood.
func (d *Desk) KeepUnreadable(ctx context.Context, in InboxID, u Unread) error {
	return d.db.Update(ctx, func(tx *store.Tx) error { return keepUnreadable(tx, in, u) })
}

func keepUnreadable(tx *store.Tx, in InboxID, u Unread) error {
	key := today(tx, store.Ingress)
	sum := digest(string(u.Raw))
	ident := providerKey(in, hex.EncodeToString(sum[:]))
	_, dup, err := rawIDs.Find(tx, key.Class, key.Day, 8, ident)
	if dup || err != nil {
		return err
	}
	ref := store.Ref{DayKey: key, Group: uint64(in), Seq: tx.NextID()}
	if err := rawIDs.Set(tx, key, ident, ref.Group, ref.Seq); err != nil {
		return err
	}
	row := &Unreadable{Inbox: in, Reason: u.Reason, Raw: u.Raw, At: InstantOf(tx.Now())}
	if err := unreadable.Put(tx, ref, row); err != nil {
		return err
	}
	return emit(tx, Event{Kind: UnreadableAdded, Inbox: in})
}

// Unreadable lists what could not be read, newest first.
func (d *Desk) Unreadable(ctx context.Context, a Actor, in InboxID, limit int) (out []Unreadable, err error) {
	err = d.look(ctx, a, MaySeeChannels, func(tx *store.Tx) error {
		g, err := d.grant(tx, a)
		if err != nil {
			return err
		}
		if !g.reaches(in) {
			return inboxMissing()
		}
		return unreadable.Back(tx, uint64(in), newestFirst(unreadable.Days(tx)), 0, func(ref store.Ref, u *Unreadable) error {
			if len(out) == limit {
				return store.ErrStop
			}
			u.ID = MessageID(ref)
			if g.masks != (Masks{}) {
				u.Raw = nil // it holds everything that is masked elsewhere
			}
			out = append(out, *u)
			return nil
		})
	})
	return out, err
}

// Replay reads something unreadable again with read and stores what it says; the entry is gone when that worked.
func (d *Desk) Replay(ctx context.Context, a Actor, id MessageID, read func(raw []byte) (Inbound, error)) error {
	var raw Unreadable
	err := d.look(ctx, a, MayInboxes, func(tx *store.Tx) error {
		g, err := d.grant(tx, a)
		if err != nil {
			return err
		}
		if !g.reaches(InboxID(id.Group)) {
			return missing("problem.unreadable_missing", "This entry is not here any more.")
		}
		u, err := unreadable.Get(tx, store.Ref(id))
		if err != nil {
			return found(err, "problem.unreadable_missing", "This entry is not here any more.")
		}
		raw = *u
		return nil
	})
	if err != nil {
		return err
	}
	what, err := read(raw.Raw)
	if err == nil && len(what.Unreadable) > 0 {
		err = invalid("", "problem.still_unreadable", what.Unreadable[0].Reason)
	}
	if err != nil {
		return &Problem{
			Kind: ErrInvalid, Key: "problem.still_unreadable", Args: []any{err.Error()},
			Text: "It still cannot be read: " + err.Error(),
		}
	}
	return d.act(ctx, a, MayInboxes, AuditReplayed, func(tx *store.Tx, e *AuditEvent) error {
		e.Object = uint64(raw.Inbox)
		if err := (&receiver{tx: tx, in: raw.Inbox}).all(&what); err != nil {
			return err
		}
		if err := unreadable.Delete(tx, store.Ref(id)); err != nil {
			return err
		}
		return emit(tx, Event{Kind: UnreadableAdded, Inbox: raw.Inbox})
	})
}

// newestFirst orders days as Back wants them.
func newestFirst(days []store.DayKey) []store.DayKey {
	slices.SortFunc(days, func(a, b store.DayKey) int { return int(packDay(b)) - int(packDay(a)) })
	return days
}
