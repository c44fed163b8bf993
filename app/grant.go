// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"slices"
	"sync"

	"kith/store"
)

// Reach says which of the conversations of an inbox somebody sees.
type Reach uint8

// The reaches. Their numbers are stored.
const (
	ReachAll  Reach = iota // every conversation
	ReachOwn               // those of nobody, and the actor's own
	ReachTeam              // those of nobody, the actor's own, and of people who share a team with the actor
)

// Scope narrows what somebody sees. The zero Scope is everything.
type Scope struct {
	Inboxes []InboxID `cbor:"1,keyasint,omitempty"` // empty = every inbox
	Reach   Reach     `cbor:"2,keyasint,omitempty"`
}

// Grant is what one actor may and how far that reaches: the role's permissions, the narrower of the role's scope and
// the actor's own, and what is masked.
type Grant struct {
	may     permissionSet
	agent   AgentID
	inboxes []InboxID // nil = every inbox; empty = none
	mates   []AgentID // whose conversations are seen; nil = everybody's
	masks   Masks
}

// May reports whether the actor may p.
func (g *Grant) May(p Permission) bool { return g.may.has(p) }

// Masks returns what the actor sees masked.
func (g *Grant) Masks() Masks { return g.masks }

// everything is the grant of whoever works for the desk itself.
var everything = Grant{may: ^permissionSet(0)}

// everywhere reports whether the actor sees every conversation that is not sensitive.
func (g *Grant) everywhere() bool { return g.inboxes == nil && g.mates == nil }

// reaches reports whether things of the inbox are the actor's business.
func (g *Grant) reaches(in InboxID) bool { return g.inboxes == nil || slices.Contains(g.inboxes, in) }

// sees reports whether the actor may know of the conversation.
func (g *Grant) sees(c *Conversation) bool {
	switch {
	case c.Sensitive && !g.May(MaySensitive), !g.reaches(c.Inbox):
		return false
	case g.mates == nil || c.Assignee == 0:
		return true
	}
	return slices.Contains(g.mates, c.Assignee)
}

// actorScope is the scope of one agent or key.
type actorScope struct {
	Scope
	Agent AgentID `cbor:"3,keyasint,omitempty"` // 0 for a key
}

// scopes keep the limits of people under their subject and of keys under nobody and the number of the key.
var scopes = store.NewTable[actorScope]("actor_scopes", func(s *actorScope) store.Subject { return s.Agent })

// grants keeps what was found out about actors. Whoever changes a role, a scope or a team calls forget once the change
// is committed; what was read before that is not kept.
type grants struct {
	mu  sync.RWMutex
	gen uint64
	all map[Actor]*Grant
}

func (c *grants) get(a Actor) (*Grant, uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.all[a], c.gen
}

func (c *grants) put(a Actor, g *Grant, gen uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if gen != c.gen {
		return
	}
	if c.all == nil || len(c.all) >= mostGrants {
		c.all = map[Actor]*Grant{}
	}
	c.all[a] = g
}

func (c *grants) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gen++
	clear(c.all)
}

// mostGrants bounds the cache; more actors than that are not at work at the same time.
const mostGrants = 4096

// Admit returns the actor with what they may, for pages to ask. Acts and looks ask the store again.
func (d *Desk) Admit(ctx context.Context, a Actor) (Actor, error) {
	g, err := d.grantFor(ctx, a)
	a.grant = g
	return a, err
}

// grantFor returns what the actor may.
func (d *Desk) grantFor(ctx context.Context, a Actor) (*Grant, error) {
	a.grant = nil
	g, gen := d.grants.get(a)
	if g != nil {
		return g, nil
	}
	err := d.db.View(ctx, func(tx *store.Tx) (err error) {
		g, err = readGrant(tx, a)
		return err
	})
	if err != nil {
		return nil, err
	}
	d.grants.put(a, g, gen)
	return g, nil
}

// grant is grantFor within a transaction.
func (d *Desk) grant(tx *store.Tx, a Actor) (*Grant, error) {
	a.grant = nil
	if g, _ := d.grants.get(a); g != nil {
		return g, nil
	}
	return readGrant(tx, a)
}

// ask returns what the actor may when that includes p, else an ErrForbidden, which is audited.
func (d *Desk) ask(ctx context.Context, a Actor, p Permission) (*Grant, error) {
	g, err := d.grantFor(ctx, a)
	if err != nil {
		return nil, err
	}
	if !g.May(p) {
		return nil, d.turnedAway(ctx, a, p)
	}
	return g, nil
}

func readGrant(tx *store.Tx, a Actor) (*Grant, error) {
	g := &Grant{may: builtIn(a), agent: a.Agent()}
	if a.Kind != ActorAgent && a.Kind != ActorKey {
		return g, nil
	}
	if a.Role >= firstCustom {
		r, err := roles.Get(tx, store.Nobody, uint64(a.Role))
		if err != nil {
			return g, ignoreMissing(err) // a role that is gone may nothing
		}
		g.may = r.permissions()
		if err := g.narrow(tx, r.Scope); err != nil {
			return nil, err
		}
	}
	own, err := scopes.Get(tx, a.Agent(), a.scopeKey())
	if err == nil {
		err = g.narrow(tx, own.Scope)
	}
	if ignoreMissing(err) != nil {
		return nil, err
	}
	g.masks, err = masksOf(tx, a.Role)
	return g, err
}

// scopeKey is the number of the actor's own scope beside their subject.
func (a Actor) scopeKey() uint64 {
	if a.Kind == ActorKey {
		return a.ID
	}
	return 0
}

// narrow takes away what the scope does not reach.
func (g *Grant) narrow(tx *store.Tx, s Scope) error {
	if len(s.Inboxes) > 0 {
		kept := []InboxID{}
		for _, in := range s.Inboxes {
			if g.reaches(in) {
				kept = append(kept, in)
			}
		}
		g.inboxes = kept
	}
	if s.Reach == ReachAll {
		return nil
	}
	mates := []AgentID{g.agent}
	if s.Reach == ReachTeam {
		all, err := allTeams(tx)
		if err != nil {
			return err
		}
		for _, t := range all {
			if slices.Contains(t.Members, g.agent) {
				mates = append(mates, t.Members...)
			}
		}
	}
	if g.mates != nil { // the role's own limit holds as well
		mates = slices.DeleteFunc(mates, func(id AgentID) bool { return !slices.Contains(g.mates, id) })
	}
	g.mates = mates
	return nil
}

// seen returns the conversation when the actor sees it; one out of sight is as one that does not exist.
func (d *Desk) seen(tx *store.Tx, a Actor, id ConversationID) (Conversation, error) {
	c, err := conversationOf(tx, id)
	if err != nil {
		return c, err
	}
	g, err := d.grant(tx, a)
	if err != nil {
		return c, err
	}
	if !g.sees(&c) {
		return Conversation{}, conversationMissing()
	}
	return c, nil
}

// seenContact returns the contact when the actor sees it.
func (d *Desk) seenContact(tx *store.Tx, a Actor, id ContactID) (*Contact, error) {
	c, err := contactOf(tx, id)
	if err != nil {
		return nil, err
	}
	g, err := d.grant(tx, a)
	if err != nil {
		return nil, err
	}
	if ok, err := g.knows(tx, c); err != nil || !ok {
		if err == nil {
			err = contactMissing()
		}
		return nil, err
	}
	return c, nil
}

// knows reports whether the actor may know of the contact: one of whom no conversation is in sight is out of sight too,
// but for somebody who has none at all.
func (g *Grant) knows(tx *store.Tx, c *Contact) (bool, error) {
	if c.Sensitive && !g.May(MaySensitive) {
		return false, nil
	}
	if g.everywhere() {
		return true, nil
	}
	any, ok := false, false
	for _, s := range append([]ContactID{c.ID}, c.Merged...) {
		err := conversationsOf(tx, s, func(id ConversationID) error {
			conv, err := conversationOf(tx, id)
			if err != nil {
				return ignoreMissing(err)
			}
			if any = true; g.sees(&conv) {
				ok = true
				return store.ErrStop
			}
			return nil
		})
		if err != nil || ok {
			return ok, err
		}
	}
	return !any, nil
}
