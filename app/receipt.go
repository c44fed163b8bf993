// SPDX-License-Identifier: Apache-2.0

package app

import (
	"errors"

	"kith/store"
)

// receipt moves the status of one of our messages up. News of a message that is not known yet waits for it.
func (r *receiver) receipt(rc *Receipt) error {
	m, err := r.subjectOf(rc)
	if err != nil {
		return err
	}
	if m == nil {
		return r.early(rc)
	}
	if old, err := r.overtaken(m, rc); old || err != nil {
		return err
	}
	return r.applyReceipt(m, rc)
}

// overtaken reports whether the news is about an attempt that failed before a person sent the message again. Only that
// it got there after all still matters.
func (r *receiver) overtaken(m *Message, rc *Receipt) (bool, error) {
	if rc.ExternalID == "" || rc.ExternalID == m.ExternalID || (rc.Status >= StatusDelivered && rc.Status <= StatusPlayed) {
		return false, nil
	}
	_, _, known, err := providerIDs.Get(r.tx, m.ID.DayKey, providerKey(r.in, rc.ExternalID))
	return known, err
}

func (r *receiver) subjectOf(rc *Receipt) (*Message, error) {
	if id, err := ParseMessageID(rc.Callback); err == nil {
		m, err := messageOf(r.tx, id)
		if err == nil && m.Direction == Out && (m.ExternalID == "" || m.ExternalID == rc.ExternalID) {
			return m, nil
		}
		if ignoreMissing(err) != nil {
			return nil, err
		}
	}
	m, ok, err := r.find(rc.ExternalID, rc.At)
	if err != nil || !ok {
		return nil, err
	}
	return m, nil
}

func (r *receiver) applyReceipt(m *Message, rc *Receipt) error {
	before := *m
	m.Status = m.Status.after(rc.Status)
	at := r.instant(rc.At)
	switch rc.Status {
	case StatusDelivered:
		m.DeliveredAt = at
	case StatusRead, StatusPlayed:
		m.ReadAt = at
	case StatusFailed:
		if m.Status == StatusFailed {
			m.Failure = rc.Failure
		}
	default:
	}
	if rc.Pricing != nil {
		m.Pricing = rc.Pricing
	}
	if m.Status != StatusFailed {
		m.Failure = nil
	}
	if m.ExternalID == "" && rc.ExternalID != "" {
		m.ExternalID = rc.ExternalID
		if err := providerIDs.Set(r.tx, m.ID.DayKey, providerKey(r.in, rc.ExternalID), m.ID.Group, m.ID.Seq); err != nil {
			return err
		}
	}
	if before.Status == m.Status && before.ExternalID == m.ExternalID && before.DeliveredAt == m.DeliveredAt &&
		before.ReadAt == m.ReadAt && before.Pricing == m.Pricing {
		return nil
	}
	if err := settleJob(r.tx, m); err != nil {
		return err
	}
	if err := markFailed(r.tx, m); err != nil {
		return err
	}
	return changeMessage(r.tx, m, r.in)
}

// markFailed keeps the conversation's failed mark in step with our newest message.
func markFailed(tx *store.Tx, m *Message) error {
	conv, err := conversationOf(tx, m.ID.Conversation())
	if err != nil {
		return ignoreMissing(err)
	}
	failed := m.Status == StatusFailed || m.Status == StatusUnknown
	if conv.Failed == failed || (conv.LastSeq != m.ID.Seq && !failed) {
		return nil
	}
	conv.Failed = failed
	return saveConversation(tx, &conv)
}

// earlyReceipt is news of a message whose network id kith does not know (yet): the answer to the request that sent it
// may be on its way, or another program uses the same number.
type earlyReceipt struct {
	Receipt Receipt `cbor:"1,keyasint"`
}

var (
	earlyReceipts = store.NewDayTable[earlyReceipt]("early_receipts", func(*earlyReceipt) store.Subject { return store.Nobody })
	earlyIDs      = store.NewDayLookup("early_ids")
)

func (r *receiver) early(rc *Receipt) error {
	key := today(r.tx, store.Ingress)
	ident := providerKey(r.in, rc.ExternalID)
	ref, have, err := earlyIDs.Find(r.tx, key.Class, key.Day, 2, ident)
	if err != nil {
		return err
	}
	if have {
		old, err := earlyReceipts.Get(r.tx, ref)
		if err == nil && old.Receipt.Status.after(rc.Status) == old.Receipt.Status {
			return nil
		}
		if ignoreMissing(err) != nil {
			return err
		}
	}
	ref = store.Ref{DayKey: key, Group: uint64(r.in), Seq: r.tx.NextID()}
	if err := earlyReceipts.Put(r.tx, ref, &earlyReceipt{Receipt: *rc}); err != nil {
		return err
	}
	return earlyIDs.Set(r.tx, key, ident, ref.Group, ref.Seq)
}

// catchUp applies the news that came before the network's id of m was known.
func catchUp(tx *store.Tx, in InboxID, m *Message) error {
	ref, ok, err := earlyIDs.Find(tx, store.Ingress, today(tx, store.Ingress).Day, 2, providerKey(in, m.ExternalID))
	if err != nil || !ok {
		return err
	}
	e, err := earlyReceipts.Get(tx, ref)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return (&receiver{tx: tx, in: in}).applyReceipt(m, &e.Receipt)
}
