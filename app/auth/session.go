// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"crypto/subtle"
	"fmt"
	"strconv"
	"sync"
	"time"

	"kith/app"
	"kith/store"
)

// How long a session lasts: Idle after its last use, Absolute after its beginning. The last use is written down at most
// once in touchEvery, so that a page costs no write.
const (
	Idle       = 7 * 24 * time.Hour
	Absolute   = 30 * 24 * time.Hour
	touchEvery = time.Hour
)

// Session is a browser that somebody signed in with.
type Session struct {
	ID        uint64      `cbor:"-"`
	Agent     app.AgentID `cbor:"1,keyasint"`
	Hash      [32]byte    `cbor:"2,keyasint"` // SHA-256 of the token; the token itself is never stored
	CreatedAt app.Instant `cbor:"3,keyasint"`
	SeenAt    app.Instant `cbor:"4,keyasint"`
}

var sessions = store.NewTable[Session]("sessions", func(s *Session) store.Subject { return s.Agent })

func (s *Session) over(now time.Time) bool {
	return now.Sub(s.SeenAt.Time()) > Idle || now.Sub(s.CreatedAt.Time()) > Absolute
}

// Expires returns when the session ends unless it is used before.
func (s *Session) Expires() time.Time {
	idle, last := s.SeenAt.Time().Add(Idle), s.CreatedAt.Time().Add(Absolute)
	if idle.Before(last) {
		return idle
	}
	return last
}

// begin makes a session and returns its token, "agent.session.secret": the numbers find the record, the secret proves.
func (a *Auth) begin(ctx context.Context, p *app.Agent) (token string, err error) {
	// To make room on a full disk somebody has to get in.
	err = a.desk.Act(store.Freeing(ctx), actor(p), app.MayOwnAccount, app.AuditSignedIn, func(tx *store.Tx, e *app.AuditEvent) error {
		e.Subject = p.ID
		if err := dropExpired(tx, p.ID); err != nil {
			return err
		}
		now := app.InstantOf(tx.Now())
		id := tx.NextID()
		e.Object = id
		token = fmt.Sprintf("%s.%s.%s", strconv.FormatUint(uint64(p.ID), 36), strconv.FormatUint(id, 36), secret())
		return sessions.Put(tx, id, &Session{Agent: p.ID, Hash: sum(token), CreatedAt: now, SeenAt: now})
	})
	return token, err
}

// dropExpired removes the person's sessions that are over.
func dropExpired(tx *store.Tx, id app.AgentID) error {
	var over []uint64
	err := sessions.Each(tx, id, func(n uint64, s *Session) error {
		if s.over(tx.Now()) {
			over = append(over, n)
		}
		return nil
	})
	for _, n := range over {
		if err == nil {
			err = sessions.Delete(tx, id, n)
		}
	}
	return err
}

// Authenticate returns who holds the token of a session, or ErrUnauthenticated. Role and existence of the person are
// read anew each time.
func (a *Auth) Authenticate(ctx context.Context, token string) (app.Actor, *Session, error) {
	s, err := a.session(ctx, token)
	if err != nil {
		return app.Actor{}, nil, err
	}
	p, err := a.agent(ctx, s.Agent)
	if err != nil {
		return app.Actor{}, nil, err
	}
	return actor(p), &s, nil
}

func (a *Auth) session(ctx context.Context, token string) (Session, error) {
	agent, id, ok := parted(token, ".")
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
	if now.Sub(s.SeenAt.Time()) >= touchEvery {
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
	act, s, err := a.Authenticate(ctx, token)
	if err != nil {
		if err == ErrUnauthenticated { //nolint:errorlint // returned bare
			return nil
		}
		return err
	}
	return a.end(ctx, act, s.Agent, func(id uint64) bool { return id == s.ID })
}

// SignOutEverywhere ends every session of a person except the one that keep holds ("" = none).
func (a *Auth) SignOutEverywhere(ctx context.Context, by app.Actor, id app.AgentID, keep string) error {
	_, spared, _ := parted(keep, ".")
	return a.end(ctx, by, id, func(n uint64) bool { return n != spared })
}

func (a *Auth) end(ctx context.Context, by app.Actor, id app.AgentID, which func(uint64) bool) error {
	if err := mayManage(by, id); err != nil {
		return err
	}
	err := a.desk.Act(store.Freeing(ctx), by, app.MayOwnAccount, app.AuditSignedOut, func(tx *store.Tx, e *app.AuditEvent) error {
		e.Subject = id
		return endSessions(tx, id, which)
	})
	a.known.forget(id)
	return err
}

func endSessions(tx *store.Tx, id app.AgentID, which func(uint64) bool) error {
	var gone []uint64
	err := sessions.Each(tx, id, func(n uint64, _ *Session) error {
		if which(n) {
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

// Sessions lists the living sessions of the person, oldest first. They hold no token.
func (a *Auth) Sessions(ctx context.Context, by app.Actor, id app.AgentID) (out []Session, err error) {
	if err := mayManage(by, id); err != nil {
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

// mayManage lets people manage their own account, and those who may change agents every account.
func mayManage(by app.Actor, id app.AgentID) error {
	if by.Agent() == id || by.May(app.MayAgents) {
		return nil
	}
	return &app.Problem{
		Kind: app.ErrForbidden, Key: "problem.forbidden", Args: []any{by.Role.String()},
		Text: fmt.Sprintf("Your role (%s) does not allow this. Ask an owner or admin.", by.Role),
	}
}

// cacheSize bounds the sessions that are kept decoded.
const cacheSize = 10_000

// cache keeps sessions by the hash of their token. Its generation grows whenever something is forgotten: what was read
// from the store before that is not put in after it.
type cache struct {
	mu    sync.Mutex
	gen   uint64
	known map[[32]byte]Session
}

func (c *cache) get(hash [32]byte) (s Session, ok bool, gen uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok = c.known[hash]
	return s, ok, c.gen
}

func (c *cache) put(s Session, gen uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if gen != c.gen {
		return
	}
	if c.known == nil {
		c.known = map[[32]byte]Session{}
	}
	for h := range c.known {
		if len(c.known) < cacheSize {
			break
		}
		delete(c.known, h) // any one: it is read again when it is used again
	}
	c.known[s.Hash] = s
}

func (c *cache) forget(id app.AgentID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gen++
	for h, s := range c.known {
		if s.Agent == id {
			delete(c.known, h)
		}
	}
}
