// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"crypto/subtle"
	"fmt"
	"strconv"
	"time"

	"kith/app"
	"kith/store"
)

// InviteLasts is how long the link of an invitation is worth something.
const InviteLasts = 72 * time.Hour

// invitation lets a person choose their password, once. The link itself is never stored.
type invitation struct {
	Agent app.AgentID `cbor:"1,keyasint"`
	Hash  [32]byte    `cbor:"2,keyasint"`
	Until app.Instant `cbor:"3,keyasint"`
}

var invitations = store.NewTable[invitation]("invitations", func(i *invitation) store.Subject { return i.Agent })

// newInvitation writes an invitation and returns its token, "agent.0.secret".
func newInvitation(tx *store.Tx, id app.AgentID) (string, error) {
	token := fmt.Sprintf("%s.0.%s", strconv.FormatUint(uint64(id), 36), secret())
	row := &invitation{Agent: id, Hash: sum(token), Until: app.InstantOf(tx.Now().Add(InviteLasts))}
	return token, invitations.Put(tx, 0, row)
}

// Invite adds a person and returns the token of the link with which they come in, for the only time.
func (a *Auth) Invite(ctx context.Context, by app.Actor, n app.NewAgent) (p *app.Agent, token string, err error) {
	n.Also = func(tx *store.Tx, id app.AgentID) error {
		token, err = newInvitation(tx, id)
		return err
	}
	if p, err = a.desk.AddAgent(ctx, by, n); err != nil {
		return nil, "", err
	}
	return p, token, nil
}

// InviteAgain returns a new link for a person who lost the first one, or the password; the older link is worth nothing.
// Their sessions and their second factor stay.
func (a *Auth) InviteAgain(ctx context.Context, by app.Actor, id app.AgentID) (token string, err error) {
	if err := a.mayManage(ctx, by, id); err != nil {
		return "", err
	}
	err = a.desk.Act(ctx, by, app.MayAgents, app.AuditInvited, func(tx *store.Tx, e *app.AuditEvent) error {
		e.Subject = id
		token, err = newInvitation(tx, id)
		return err
	})
	return token, err
}

// Invited returns the person whom the token invites, or an app.ErrNotFound that says what to do.
func (a *Auth) Invited(ctx context.Context, token string) (p *app.Agent, err error) {
	gone := &app.Problem{
		Kind: app.ErrNotFound, Key: "problem.invite_used",
		Text: "This invitation is not valid any more: it lasts three days and works once. Ask for a new one.",
	}
	id, _, ok := parted(token)
	if !ok {
		return nil, gone
	}
	var row *invitation
	err = a.db.View(ctx, func(tx *store.Tx) (err error) {
		row, err = invitations.Get(tx, app.AgentID(id), 0) //nolint:gosec // parted read 32 bits
		return missing(err)
	})
	if err != nil {
		return nil, err
	}
	got := sum(token)
	if row == nil || subtle.ConstantTimeCompare(row.Hash[:], got[:]) != 1 || !a.now().Before(row.Until.Time()) {
		return nil, gone
	}
	if p, err = a.agent(ctx, row.Agent); err != nil {
		return nil, gone
	}
	return p, nil
}

// Accept gives the invited person the name and the password that they chose and lets them in.
func (a *Auth) Accept(ctx context.Context, token, name, pw string, v Visitor) (session string, err error) {
	p, err := a.Invited(ctx, token)
	if err != nil {
		return "", err
	}
	phc, err := a.newHash(ctx, p, pw)
	if err != nil {
		return "", err
	}
	used := sum(token)
	p, err = a.desk.ChangeAgent(ctx, actor(p), p.ID, app.AgentChange{Name: &name, Also: func(tx *store.Tx) error {
		row, err := invitations.Get(tx, p.ID, 0)
		if err != nil || row.Hash != used {
			return unknown(err)
		}
		return replacePassword(tx, p.ID, phc, 0)
	}})
	if err != nil {
		return "", err
	}
	a.forget(p.ID)
	return a.enter(ctx, p, v)
}

// Pending returns when the invitation of each person ends who has not come in yet.
func (a *Auth) Pending(ctx context.Context, by app.Actor) (out map[app.AgentID]time.Time, err error) {
	out = map[app.AgentID]time.Time{}
	err = a.desk.Look(ctx, by, app.MayAgents, func(tx *store.Tx) error {
		return invitations.Every(tx, 0, func(s store.Subject, _ uint64, i *invitation) error {
			out[s] = i.Until.Time()
			return nil
		})
	})
	return out, err
}
