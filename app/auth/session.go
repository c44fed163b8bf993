// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"strconv"
	"time"

	"kith/app"
	"kith/store"
)

// How long a session lasts unless the policy says otherwise: Idle after its last use, Absolute after its beginning; less
// for owners and admins. The last use is written down at most once in touchEvery, so that a page costs no write.
const (
	Idle           = 12 * time.Hour
	Absolute       = 30 * 24 * time.Hour
	StrictIdle     = 2 * time.Hour
	StrictAbsolute = 7 * 24 * time.Hour

	touchEvery = 10 * time.Minute
	halfway    = 15 * time.Minute // to prove or set up a second factor
	// FreshFor is how long after proving who they are people may do what is dangerous.
	FreshFor = 10 * time.Minute
)

// Stage says how far somebody came in.
type Stage uint8

// The stages. Their numbers are stored.
const (
	Whole       Stage = iota // signed in
	NeedsFactor              // the second factor is still to be proved
	MustEnrol                // a second factor is still to be set up
)

// Session is a browser that somebody signed in with.
type Session struct {
	ID        uint64      `cbor:"-"`
	Agent     app.AgentID `cbor:"1,keyasint"`
	Hash      [32]byte    `cbor:"2,keyasint"` // SHA-256 of the token; the token itself is never stored
	CreatedAt app.Instant `cbor:"3,keyasint"`
	SeenAt    app.Instant `cbor:"4,keyasint"`
	Device    string      `cbor:"5,keyasint,omitempty"` // browser and system, such as "Firefox · Linux"
	Address   string      `cbor:"6,keyasint,omitempty"` // from where it was last used
	Stage     Stage       `cbor:"7,keyasint,omitempty"`
	ProvedAt  app.Instant `cbor:"8,keyasint,omitempty"`  // when the person last proved who they are
	Idle      uint32      `cbor:"9,keyasint,omitempty"`  // minutes; 0 = Idle
	Absolute  uint32      `cbor:"10,keyasint,omitempty"` // minutes; 0 = Absolute
}

var sessions = store.NewTable[Session]("sessions", func(s *Session) store.Subject { return s.Agent })

// Expires returns when the session ends unless it is used before.
func (s *Session) Expires() time.Time {
	idle, most := Idle, Absolute
	if s.Idle != 0 {
		idle = time.Duration(s.Idle) * time.Minute
	}
	if s.Absolute != 0 {
		most = time.Duration(s.Absolute) * time.Minute
	}
	if s.Stage != Whole {
		most = halfway
	}
	last, end := s.SeenAt.Time().Add(idle), s.CreatedAt.Time().Add(most)
	if last.Before(end) {
		return last
	}
	return end
}

func (s *Session) over(now time.Time) bool { return now.After(s.Expires()) }

// seal gives the session a new number and a new token, "agent.session.secret": the numbers find the record, the secret
// proves. Whoever knew the token before knows nothing now.
func (s *Session) seal(tx *store.Tx) (token string, err error) {
	s.ID = tx.NextID()
	token = fmt.Sprintf("%s.%s.%s", strconv.FormatUint(uint64(s.Agent), 36), strconv.FormatUint(s.ID, 36), secret())
	s.Hash = sum(token)
	return token, sessions.Put(tx, s.ID, s)
}

// enter makes a session for somebody whose password was right and returns its token. What it may depends on whether a
// second factor is set up, or has to be. The session that the browser had before ends.
func (a *Auth) enter(ctx context.Context, p *app.Agent, v Visitor) (token string, err error) {
	// To make room on a full disk somebody has to get in.
	err = a.desk.Act(store.Freeing(ctx), actor(p), app.MayOwnAccount, app.AuditSignedIn, func(tx *store.Tx, e *app.AuditEvent) error {
		e.Subject = p.ID
		s, err := a.newSession(tx, p, v)
		if err != nil {
			return err
		}
		if err := a.dropOld(tx, p.ID, v); err != nil {
			return err
		}
		if err := forgive(tx, p.Email); err != nil {
			return err
		}
		if token, err = s.seal(tx); err != nil {
			return err
		}
		e.Object = s.ID
		if s.Stage != Whole {
			return nil
		}
		return welcome(tx, s)
	})
	if v.Token != "" {
		a.forget(p.ID)
	}
	return token, err
}

// newSession fills in what a new session of the person is and may.
func (a *Auth) newSession(tx *store.Tx, p *app.Agent, v Visitor) (*Session, error) {
	policy, err := policyOf(tx)
	if err != nil {
		return nil, err
	}
	have, err := hasFactor(tx, p.ID)
	if err != nil {
		return nil, err
	}
	now := app.InstantOf(tx.Now())
	s := &Session{Agent: p.ID, CreatedAt: now, SeenAt: now, ProvedAt: now, Device: v.device(), Address: v.Address}
	s.Idle, s.Absolute = policy.limits(p.Role)
	switch {
	case have:
		s.Stage = NeedsFactor
	case policy.demands(p.Role, a.insist.Load()):
		s.Stage = MustEnrol
	}
	return s, nil
}

// dropOld removes the person's sessions that are over, and the one that the browser had.
func (a *Auth) dropOld(tx *store.Tx, id app.AgentID, v Visitor) error {
	_, had, _ := parted(v.Token)
	was := sum(v.Token)
	return endSessions(tx, id, func(n uint64, s *Session) bool {
		return s.over(tx.Now()) || n == had && s.Hash == was
	})
}

// Authenticate returns who holds the token of a session, ErrHalfway while a second factor is missing, or
// ErrUnauthenticated. Role and existence of the person are read anew each time.
func (a *Auth) Authenticate(ctx context.Context, token string) (app.Actor, *Session, error) {
	p, s, err := a.Holder(ctx, token)
	if err != nil {
		return app.Actor{}, nil, err
	}
	if s.Stage != Whole {
		return app.Actor{}, nil, ErrHalfway
	}
	return actor(p), s, nil
}

// Holder returns who holds the token, at whatever stage.
func (a *Auth) Holder(ctx context.Context, token string) (*app.Agent, *Session, error) {
	s, err := a.session(ctx, token, true)
	if err != nil {
		return nil, nil, err
	}
	p, err := a.agent(ctx, s.Agent)
	if err != nil {
		return nil, nil, err
	}
	return p, &s, nil
}

// Still returns nil while the token opens what it opened before. Asking is no use of the session: a page that is only
// left open ends in its time.
func (a *Auth) Still(ctx context.Context, token string) error {
	s, err := a.session(ctx, token, false)
	if err != nil {
		return err
	}
	if s.Stage != Whole {
		return ErrHalfway
	}
	_, err = a.agent(ctx, s.Agent)
	return err
}

// session finds the session of a token; used says that the person does something.
func (a *Auth) session(ctx context.Context, token string, used bool) (Session, error) {
	agent, id, ok := parted(token)
	if !ok {
		return Session{}, ErrUnauthenticated
	}
	hash, now := sum(token), a.now()
	s, known, since := a.known.get(hash)
	if !known {
		err := a.db.View(ctx, func(tx *store.Tx) error {
			stored, err := sessions.Get(tx, app.AgentID(agent), id)
			if err == nil {
				s, s.ID = *stored, id
			}
			return unknown(err)
		})
		if err != nil {
			return s, err
		}
	}
	if subtle.ConstantTimeCompare(hash[:], s.Hash[:]) != 1 || s.over(now) {
		return s, ErrUnauthenticated
	}
	if used && now.Sub(s.SeenAt.Time()) >= touchEvery {
		seen, err := a.touch(ctx, s)
		if err != nil {
			return s, err
		}
		s = seen
	} else if known {
		return s, nil
	}
	a.known.put(s, since)
	return s, nil
}

// touch writes down that a session is in use. A store that takes no writes ends no session.
func (a *Auth) touch(ctx context.Context, s Session) (Session, error) {
	err := a.db.Update(ctx, func(tx *store.Tx) error {
		stored, err := sessions.Get(tx, s.Agent, s.ID)
		if err != nil {
			return unknown(err)
		}
		stored.SeenAt = max(stored.SeenAt, app.InstantOf(tx.Now()))
		s.SeenAt = stored.SeenAt
		return sessions.Put(tx, s.ID, stored)
	})
	if err != nil && a.desk.Ready() != nil && ctx.Err() == nil {
		a.log.WarnContext(ctx, "the use of a session could not be written down", "error", err)
		return s, nil
	}
	return s, err
}

// SignOut ends the session of the token. A token of no session is fine.
func (a *Auth) SignOut(ctx context.Context, token string) error {
	p, s, err := a.Holder(ctx, token)
	if errors.Is(err, ErrUnauthenticated) {
		return nil
	}
	if err != nil {
		return err
	}
	return a.end(ctx, actor(p), s.Agent, func(id uint64) bool { return id == s.ID })
}

// SignOutEverywhere ends every session of a person except the one that keep holds ("" = none).
func (a *Auth) SignOutEverywhere(ctx context.Context, by app.Actor, id app.AgentID, keep string) error {
	_, spared, _ := parted(keep)
	return a.end(ctx, by, id, func(n uint64) bool { return n != spared })
}

// EndSession ends one session of a person. One that is over already is fine.
func (a *Auth) EndSession(ctx context.Context, by app.Actor, id app.AgentID, session uint64) error {
	return a.end(ctx, by, id, func(n uint64) bool { return n == session })
}

func (a *Auth) end(ctx context.Context, by app.Actor, id app.AgentID, which func(uint64) bool) error {
	if err := a.mayManage(ctx, by, id); err != nil {
		return err
	}
	err := a.desk.Act(store.Freeing(ctx), by, app.MayOwnAccount, app.AuditSignedOut, func(tx *store.Tx, e *app.AuditEvent) error {
		e.Subject = id
		return endSessions(tx, id, func(n uint64, _ *Session) bool { return which(n) })
	})
	a.forget(id)
	return err
}

func endSessions(tx *store.Tx, id app.AgentID, which func(uint64, *Session) bool) error {
	var gone []uint64
	err := sessions.Each(tx, id, func(n uint64, s *Session) error {
		if which(n, s) {
			gone = append(gone, n)
		}
		return nil
	})
	for _, n := range gone {
		if err == nil {
			err = sessions.Delete(tx, id, n)
		}
	}
	return err
}

func every(uint64, *Session) bool { return true }

// Sessions lists the living sessions of the person, oldest first. They hold no token.
func (a *Auth) Sessions(ctx context.Context, by app.Actor, id app.AgentID) (out []Session, err error) {
	if err := a.mayManage(ctx, by, id); err != nil {
		return nil, err
	}
	err = a.desk.Look(ctx, by, app.MayOwnAccount, func(tx *store.Tx) error {
		return sessions.Each(tx, id, func(n uint64, s *Session) error {
			if s.ID = n; !s.over(tx.Now()) {
				out = append(out, *s)
			}
			return nil
		})
	})
	return out, err
}

// mayManage lets people manage their own account, and those who may change agents every account; an owner's account only
// owners.
func (a *Auth) mayManage(ctx context.Context, by app.Actor, id app.AgentID) error {
	if by.Agent() == id {
		return nil
	}
	if by.May(app.MayAgents) {
		p, err := a.desk.Agent(ctx, id)
		if err != nil || p.Role != app.Owner || by.Role == app.Owner {
			return err
		}
	}
	return &app.Problem{
		Kind: app.ErrForbidden, Key: "problem.forbidden", Args: []any{by.Role.String()},
		Text: fmt.Sprintf("Your role (%s) does not allow this. Ask an owner or admin.", by.Role),
	}
}
