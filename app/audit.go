// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"kith/store"
)

// AuditKind says what was done.
type AuditKind uint16

// Every audited act. Their numbers are stored: append only.
const (
	AuditAgentAdded AuditKind = iota + 1
	AuditInboxAdded
	AuditInboxChanged
	AuditReplied
	AuditNoted
	AuditConversationChanged
	AuditContactAdded
	AuditContactChanged
	AuditContactErased
	AuditReacted
	AuditResent
	AuditCancelled
	AuditLabelAdded
	AuditReplayed
	AuditSignedIn
	AuditKeyAdded
	AuditSettingChanged
	AuditMarkedRead
	AuditSignedOut
	AuditPasswordSet
	AuditKeyRemoved
	AuditSignInFailed     // a wrong password or second factor; the subject is the person, if there is one
	AuditSecondFactor     // a second factor was proved: the session is whole
	AuditFactorAdded      // a second factor or passkey was set up
	AuditFactorRemoved    // one was taken away
	AuditRecoveryMade     // new recovery codes
	AuditRecoveryUsed     // one of them was used up
	AuditProved           // somebody proved anew who they are, before a dangerous act
	AuditInvited          // a link was made with which a person sets their password
	AuditAgentChanged     // name, address, role or another field of a person
	AuditAgentDisabled    // a person was shut out
	AuditAgentEnabled     // and let in again
	AuditTeamChanged      // a team was made, changed or removed
	AuditAccountTaken     // somebody exported their own account
	AuditDeletionAsked    // somebody asked that their account be deleted
	AuditNewDevice        // a sign-in from a browser that the person had not used before
	AuditRetentionRun     // days were destroyed; the object is the class and the first day kept, the message the ledger's number
	AuditConversationRead // a conversation was opened; once per actor and hour
	AuditContactRead      // a contact was opened; once per actor and hour
	AuditContactsListed   // contacts were listed or searched; once per actor and hour
	AuditSearched         // messages were searched; once per actor and hour
	AuditRevealed         // a masked contact was shown in full
	AuditExported         // data left in bulk
	AuditRefused          // an act that the role does not allow; the object is the permission; once per actor and hour
	AuditRoleChanged      // a role was made, changed or removed
	AuditScopeChanged     // a person or key was limited to inboxes, or not any more
	AuditMaskChanged      // what a role sees masked
	AuditKeptFor          // how long the trail itself is kept
)

// AuditEvent says who did what to which record, and when. It holds numbers only. Prev is the hash of the entry before,
// so that an entry cannot be changed or left out unnoticed.
type AuditEvent struct {
	Seq     uint64        `cbor:"-"`
	Kind    AuditKind     `cbor:"1,keyasint"`
	Actor   Actor         `cbor:"2,keyasint"`
	At      Instant       `cbor:"3,keyasint"`
	Subject store.Subject `cbor:"4,keyasint,omitempty"` // contact or agent acted upon
	Object  uint64        `cbor:"5,keyasint,omitempty"` // conversation, inbox, label, key
	Message uint64        `cbor:"6,keyasint,omitempty"` // sequence number of the message
	Prev    [32]byte      `cbor:"7,keyasint"`
}

var (
	auditTrail = store.NewDayTable[AuditEvent]("audit", func(*AuditEvent) store.Subject { return store.Nobody })
	auditHead  = store.NewTable[auditTip]("audit_head", func(*auditTip) store.Subject { return store.Nobody })
)

// auditTip is the newest entry's place and hash.
type auditTip struct {
	Hash [32]byte `cbor:"1,keyasint"`
	Seq  uint64   `cbor:"2,keyasint"`
	Day  uint32   `cbor:"3,keyasint"`
}

// appendAudit chains e to the trail.
func appendAudit(tx *store.Tx, e *AuditEvent) error {
	tip, err := auditHead.Get(tx, store.Nobody, 0)
	if errors.Is(err, store.ErrNotFound) {
		tip, err = &auditTip{}, nil
	}
	if err != nil {
		return fmt.Errorf("reading the head of the audit trail: %w", err)
	}
	e.Seq, e.At, e.Prev = tx.NextID(), InstantOf(tx.Now()), tip.Hash
	key := today(tx, store.Audit)
	if err := auditTrail.Put(tx, store.Ref{DayKey: key, Seq: e.Seq}, e); err != nil {
		return err
	}
	return auditHead.Put(tx, 0, &auditTip{Hash: e.hash(), Seq: e.Seq, Day: packDay(key)})
}

// hash covers every field in a fixed layout: kind, actor, instant, subject, object, message, sequence, prev.
func (e *AuditEvent) hash() [32]byte {
	b := make([]byte, 0, 96)
	b = binary.BigEndian.AppendUint16(b, uint16(e.Kind))
	b = append(b, byte(e.Actor.Kind), byte(e.Actor.Role))
	for _, n := range [...]uint64{
		e.Actor.ID, uint64(e.At), uint64(e.Subject), e.Object, e.Message, e.Seq, //nolint:gosec // bits are bits
	} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return sha256.Sum256(append(b, e.Prev[:]...))
}

// AuditTrail returns the newest entries, newest first, at most limit.
func (d *Desk) AuditTrail(ctx context.Context, a Actor, limit int) ([]AuditEvent, error) {
	var out []AuditEvent
	err := d.look(ctx, a, MayAudit, func(tx *store.Tx) error {
		return auditTrail.Back(tx, 0, newestFirst(auditTrail.Days(tx)), 0, func(ref store.Ref, e *AuditEvent) error {
			if len(out) == limit {
				return store.ErrStop
			}
			e.Seq = ref.Seq
			out = append(out, *e)
			return nil
		})
	})
	return out, err
}

// CheckAudit walks the whole trail and returns an error that names the first entry whose chain is broken.
func (d *Desk) CheckAudit(ctx context.Context, a Actor) (entries int, err error) {
	err = d.look(ctx, a, MayAudit, func(tx *store.Tx) error {
		w, err := walkAudit(tx, func(*AuditEvent) error {
			entries++
			return nil
		})
		if err == nil && w.at.Seq == 0 {
			err = missing("problem.audit_empty", "No audit entry exists yet.")
		}
		return err
	})
	return entries, err
}
