// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"errors"

	"kith/app"
	"kith/store"
)

var errSignIn = refused("", "problem.signin_wrong", "The e-mail address or the password is not right.")

// SignIn is Enter for a caller of whom only the address is known.
func (a *Auth) SignIn(ctx context.Context, email, pw, from string) (token string, err error) {
	return a.Enter(ctx, email, pw, Visitor{Address: from})
}

// Enter returns the token of a new session for the right e-mail address and password. A wrong address and a wrong
// password do the same work and give the same answer. The session may lack a second factor: then Authenticate says
// ErrHalfway.
func (a *Auth) Enter(ctx context.Context, email, pw string, v Visitor) (token string, err error) {
	email, err = app.NormalEmail(email)
	if err != nil {
		return "", err
	}
	attempt, err := a.slowed(ctx, email, v.Address)
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
		if err := a.failed(ctx, idOf(p), email); err != nil {
			return "", err
		}
		return "", errSignIn
	}
	a.slow.succeed(attempt)
	if outdated {
		if err := a.rehash(ctx, p.ID, phc, pw); err != nil {
			a.log.WarnContext(ctx, "a password could not be hashed anew", "agent", p.ID, "error", err)
		}
	}
	return a.enter(ctx, p, v)
}

func idOf(p *app.Agent) app.AgentID {
	if p == nil {
		return 0
	}
	return p.ID
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
	phc, err = a.hashOf(ctx, p.ID)
	return p, phc, err
}

// hashOf returns the hash of a person's password, "" when they have none: nobody can sign in as them yet.
func (a *Auth) hashOf(ctx context.Context, id app.AgentID) (phc string, err error) {
	err = a.db.View(ctx, func(tx *store.Tx) error {
		c, err := passwords.Get(tx, id, 0)
		if err == nil {
			phc = c.PHC
		}
		return missing(err)
	})
	return phc, err
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

// AddAgent makes an agent; with pw "" nobody can sign in as that person until SetPassword or an invitation.
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
	return a.ChangePassword(ctx, by, id, pw, "")
}

// ChangePassword is SetPassword that spares the session which keep holds.
func (a *Auth) ChangePassword(ctx context.Context, by app.Actor, id app.AgentID, pw, keep string) error {
	if err := a.mayManage(ctx, by, id); err != nil {
		return err
	}
	p, err := a.desk.Agent(ctx, id)
	if err != nil {
		return err
	}
	phc, err := a.newHash(ctx, p, pw)
	if err != nil {
		return err
	}
	_, spared, _ := parted(keep)
	err = a.desk.Act(ctx, by, app.MayOwnAccount, app.AuditPasswordSet, func(tx *store.Tx, e *app.AuditEvent) error {
		e.Subject = id
		return replacePassword(tx, id, phc, spared)
	})
	a.forget(id)
	return err
}

// newHash checks a new password of the person and returns its hash.
func (a *Auth) newHash(ctx context.Context, p *app.Agent, pw string) (string, error) {
	if err := checkPassword(pw, p.Email, p.Name); err != nil {
		return "", err
	}
	return a.hash.make(ctx, pw)
}

// replacePassword keeps a new hash, voids invitations, ends the sessions but one, and tells the person if they had a
// password before.
func replacePassword(tx *store.Tx, id app.AgentID, phc string, spared uint64) error {
	_, err := passwords.Get(tx, id, 0)
	had := err == nil
	if missing(err) != nil {
		return err
	}
	row := &password{Agent: id, PHC: phc, ChangedAt: app.InstantOf(tx.Now())}
	if err := passwords.Put(tx, 0, row); err != nil {
		return err
	}
	if err := invitations.Delete(tx, id, 0); err != nil {
		return err
	}
	if had {
		if err := tell(tx, &News{Agent: id, Kind: app.AuditPasswordSet}); err != nil {
			return err
		}
	}
	return endSessions(tx, id, func(n uint64, _ *Session) bool { return n != spared })
}

// Fresh reports whether the person proved who they are within the last minutes, as what is dangerous asks for.
func (a *Auth) Fresh(s *Session) bool { return a.now().Sub(s.ProvedAt.Time()) <= FreshFor }

// Prove asks somebody who is signed in to prove again who they are: word is what the authenticator app shows, or the
// password. It returns the token that replaces the session's.
func (a *Auth) Prove(ctx context.Context, token, word string, v Visitor) (next string, err error) {
	p, s, err := a.Holder(ctx, token)
	if err != nil {
		return "", err
	}
	if s.Stage != Whole {
		return "", ErrHalfway
	}
	if isTOTP(word) {
		return a.withFactor(ctx, p, s, word, app.AuditProved, v)
	}
	attempt, err := a.slowed(ctx, p.Email, v.Address)
	if err != nil {
		return "", err
	}
	phc, err := a.hashOf(ctx, p.ID)
	if err != nil {
		return "", err
	}
	right, _, err := a.hash.check(ctx, phc, word)
	if err != nil {
		return "", err
	}
	if !right {
		if err := a.failed(ctx, p.ID, p.Email); err != nil {
			return "", err
		}
		return "", refused("word", "problem.prove_wrong", "This is neither your password nor the newest code.")
	}
	a.slow.succeed(attempt)
	err = a.desk.Act(store.Freeing(ctx), actor(p), app.MayOwnAccount, app.AuditProved, func(tx *store.Tx, e *app.AuditEvent) error {
		e.Subject = p.ID
		if err := forgive(tx, p.Email); err != nil {
			return err
		}
		next, err = a.renew(tx, s, none)
		return err
	})
	a.forget(p.ID)
	return next, err
}
