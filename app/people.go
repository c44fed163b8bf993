// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"time"

	"kith/store"
)

// AgentChange is what is decided about a person; nil members stay as they are. People change their own account, except
// for the role; whoever may change agents changes everybody's.
type AgentChange struct {
	Name, Email *string
	Role        *Role
	Profile     *Profile
	Away        *bool
	Leave       *bool // asks, or asks no more, that the account be deleted
	// Also, when set, joins the transaction; its error undoes everything.
	Also func(tx *store.Tx) error
}

// ChangeAgent applies what ch names and returns the person as they are now.
func (d *Desk) ChangeAgent(ctx context.Context, actor Actor, id AgentID, ch AgentChange) (a *Agent, err error) {
	may := MayAgents
	if actor.Agent() == id && ch.Role == nil {
		may = MayOwnAccount
	}
	kind := AuditAgentChanged
	if ch.Leave != nil && *ch.Leave {
		kind = AuditDeletionAsked
	}
	if ch.Role != nil {
		if err := d.CheckRole(ctx, actor, *ch.Role); err != nil {
			return nil, err
		}
	}
	err = d.act(ctx, actor, may, kind, func(tx *store.Tx, e *AuditEvent) error {
		e.Subject = id
		if a, err = managed(tx, actor, id); err != nil {
			return err
		}
		if err := ch.apply(tx, actor, a); err != nil {
			return err
		}
		a.UpdatedAt = InstantOf(tx.Now())
		if err := agents.Put(tx, 0, a); err != nil {
			return err
		}
		if ch.Also != nil {
			return ch.Also(tx)
		}
		return nil
	})
	return a, err
}

// managed returns the person when the actor may change them: nobody but owners changes an owner, except oneself.
func managed(tx *store.Tx, actor Actor, id AgentID) (*Agent, error) {
	a, err := agentOf(tx, id)
	if err == nil && actor.Agent() != id {
		err = mayGrant(actor, a.Role)
	}
	return a, err
}

func (ch *AgentChange) apply(tx *store.Tx, actor Actor, a *Agent) (err error) {
	if ch.Name != nil {
		if a.Name, err = personName(*ch.Name); err != nil {
			return err
		}
	}
	if ch.Email != nil {
		if err := a.move(tx, *ch.Email); err != nil {
			return err
		}
	}
	if ch.Profile != nil {
		if err := ch.Profile.check(); err != nil {
			return err
		}
		a.Profile = *ch.Profile
	}
	if ch.Away != nil {
		a.Away = *ch.Away
	}
	if ch.Leave != nil {
		a.LeaveAt = 0
		if *ch.Leave {
			a.LeaveAt = InstantOf(tx.Now())
		}
	}
	if ch.Role == nil || *ch.Role == a.Role {
		return nil
	}
	if err := mayGrant(actor, *ch.Role); err != nil {
		return err
	}
	if a.Role == Owner {
		if err := notTheLastOwner(tx, a.ID); err != nil {
			return err
		}
	}
	a.Role = *ch.Role
	return nil
}

// move gives the person another e-mail address.
func (a *Agent) move(tx *store.Tx, address string) error {
	email, err := NormalEmail(address)
	if err != nil || email == a.Email {
		return err
	}
	if err := addressFree(tx, email); err != nil {
		return err
	}
	if err := agentEmails.Delete(tx, "email", a.Email); err != nil {
		return err
	}
	a.Email = email
	return agentEmails.Set(tx, "email", email, uint64(a.ID))
}

func (p *Profile) check() error {
	for _, f := range []struct{ field, value string }{
		{"phone", p.Phone}, {"company", p.Company}, {"job_title", p.Title}, {"department", p.Department}, {"language", p.Language},
	} {
		if len(f.value) > 200 {
			return invalid(f.field, "problem.profile_long", "Enter at most 200 bytes here.")
		}
	}
	if _, err := time.LoadLocation(p.TimeZone); err != nil || p.TimeZone == "Local" || len(p.TimeZone) > 100 {
		return invalid("zone", "problem.zone", "Choose a time zone such as Asia/Jakarta.")
	}
	return nil
}

// notTheLastOwner returns an error unless somebody besides the person owns this installation.
func notTheLastOwner(tx *store.Tx, id AgentID) error {
	other := false
	err := agents.Every(tx, 0, func(s store.Subject, _ uint64, a *Agent) error {
		if a.Role == Owner && !a.Disabled && s != id {
			other = true
			return store.ErrStop
		}
		return nil
	})
	if err == nil && !other {
		err = conflict("problem.last_owner", "This is the only owner. Make somebody else an owner first.")
	}
	return err
}

// DisableAgent shuts a person out: their open conversations are nobody's again. What they wrote stays. also, when set,
// joins the transaction.
func (d *Desk) DisableAgent(ctx context.Context, actor Actor, id AgentID, also func(tx *store.Tx) error) error {
	err := d.act(ctx, actor, MayAgents, AuditAgentDisabled, func(tx *store.Tx, e *AuditEvent) error {
		e.Subject = id
		a, err := managed(tx, actor, id)
		if err != nil {
			return err
		}
		if a.Role == Owner {
			if err := notTheLastOwner(tx, id); err != nil {
				return err
			}
		}
		a.Disabled, a.UpdatedAt = true, InstantOf(tx.Now())
		if err := agents.Put(tx, 0, a); err != nil || also == nil {
			return err
		}
		return also(tx)
	})
	for more := true; err == nil && more; {
		more, err = d.unassign(ctx, actor, id)
	}
	return err
}

// unassignStep bounds the conversations that one transaction gives back.
const unassignStep = 500

// unassign gives some of the person's open conversations back and reports whether there may be more.
func (d *Desk) unassign(ctx context.Context, actor Actor, id AgentID) (more bool, err error) {
	var mine []ConversationID
	err = d.look(ctx, actor, MayAgents, func(tx *store.Tx) error {
		q := ConversationQuery{Status: Open, Assignee: &id, Limit: unassignStep}
		rows, _ := q.walk(tx, &everything)
		for i := range rows {
			mine = append(mine, rows[i].ID)
		}
		return nil
	})
	if err != nil || len(mine) == 0 {
		return false, err
	}
	err = d.act(ctx, actor, MayAgents, AuditConversationChanged, func(tx *store.Tx, e *AuditEvent) error {
		e.Subject, e.Object = id, uint64(len(mine))
		for _, n := range mine {
			c, err := conversationOf(tx, n)
			if ignoreMissing(err) != nil {
				return err
			}
			if err != nil || c.Assignee != id {
				continue
			}
			c.Assignee = 0
			if err := touch(tx, &c); err != nil {
				return err
			}
		}
		return nil
	})
	return len(mine) == unassignStep, err
}

// EnableAgent lets a person in again who was shut out.
func (d *Desk) EnableAgent(ctx context.Context, actor Actor, id AgentID) error {
	return d.act(ctx, actor, MayAgents, AuditAgentEnabled, func(tx *store.Tx, e *AuditEvent) error {
		e.Subject = id
		a, err := managed(tx, actor, id)
		if err != nil {
			return err
		}
		a.Disabled, a.UpdatedAt = false, InstantOf(tx.Now())
		return agents.Put(tx, 0, a)
	})
}
