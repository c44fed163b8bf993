// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"errors"

	"kith/app"
	"kith/store"
)

// SignIn returns the token of a new session for the right e-mail address and password. A wrong address and a wrong
// password take as long and give the same answer. from is the address of the caller.
func (a *Auth) SignIn(ctx context.Context, email, pw, from string) (token string, err error) {
	email, err = app.NormalEmail(email)
	if err != nil {
		return "", err
	}
	attempt, err := a.slow.begin(a.now(), email, from)
	if err != nil {
		return "", err
	}
	p, phc, err := a.credential(ctx, email)
	if err != nil {
		return "", err
	}
	right, outdated, err := a.hash.check(ctx, phc, pw)
	if err != nil {
		return "", err
	}
	if !right || p.Disabled {
		a.log.InfoContext(ctx, "a sign-in was refused")
		return "", refused("", "problem.signin_wrong", "The e-mail address or the password is not right.")
	}
	a.slow.succeed(attempt)
	if outdated {
		if err := a.rehash(ctx, p.ID, phc, pw); err != nil {
			a.log.WarnContext(ctx, "a password could not be hashed anew", "agent", p.ID, "error", err)
		}
	}
	return a.begin(ctx, p)
}

// credential returns the person with the address and the hash of their password, nil and "" when there is none.
func (a *Auth) credential(ctx context.Context, email string) (p *app.Agent, phc string, err error) {
	p, err = a.desk.AgentByEmail(ctx, email)
	if errors.Is(err, app.ErrNotFound) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	err = a.db.View(ctx, func(tx *store.Tx) error {
		c, err := passwords.Get(tx, p.ID, 0)
		if err == nil {
			phc = c.PHC
		}
		if errors.Is(err, store.ErrNotFound) {
			return nil // added without a password: nobody can sign in as this person yet
		}
		return err
	})
	return p, phc, err
}

// rehash replaces a hash of older costs, unless the password was changed meanwhile.
func (a *Auth) rehash(ctx context.Context, id app.AgentID, old, pw string) error {
	phc, err := a.hash.make(ctx, pw)
	if err != nil {
		return err
	}
	return a.db.Update(ctx, func(tx *store.Tx) error {
		c, err := passwords.Get(tx, id, 0)
		if err != nil || c.PHC != old {
			return err
		}
		c.PHC = phc
		return passwords.Put(tx, 0, c)
	})
}

// AddAgent makes an agent; with pw "" nobody can sign in as that person until SetPassword.
func (a *Auth) AddAgent(ctx context.Context, by app.Actor, n app.NewAgent, pw string) (*app.Agent, error) {
	if pw == "" {
		return a.desk.AddAgent(ctx, by, n)
	}
	if err := checkPassword(pw, n.Email, n.Name); err != nil {
		return nil, err
	}
	phc, err := a.hash.make(ctx, pw)
	if err != nil {
		return nil, err
	}
	n.Also = func(tx *store.Tx, id app.AgentID) error {
		return passwords.Put(tx, 0, &password{Agent: id, PHC: phc, ChangedAt: app.InstantOf(tx.Now())})
	}
	return a.desk.AddAgent(ctx, by, n)
}

// SetPassword gives a person a new password and ends all their sessions.
func (a *Auth) SetPassword(ctx context.Context, by app.Actor, id app.AgentID, pw string) error {
	if err := mayManage(by, id); err != nil {
		return err
	}
	p, err := a.desk.Agent(ctx, id)
	if err != nil {
		return err
	}
	if err := checkPassword(pw, p.Email, p.Name); err != nil {
		return err
	}
	phc, err := a.hash.make(ctx, pw)
	if err != nil {
		return err
	}
	err = a.desk.Act(ctx, by, app.MayOwnAccount, app.AuditPasswordSet, func(tx *store.Tx, e *app.AuditEvent) error {
		e.Subject = id
		row := &password{Agent: id, PHC: phc, ChangedAt: app.InstantOf(tx.Now())}
		if err := passwords.Put(tx, 0, row); err != nil {
			return err
		}
		return endSessions(tx, id, func(uint64) bool { return true })
	})
	a.known.forget(id)
	return err
}
