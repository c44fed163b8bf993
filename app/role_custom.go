// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"slices"
	"strings"

	"kith/store"
)

// CustomRole is a role that the installation made: a name, permissions, and a scope that everybody with it has.
type CustomRole struct {
	ID    Role     `cbor:"-"`
	Name  string   `cbor:"1,keyasint"`
	May   []string `cbor:"2,keyasint"` // names of permissions
	Scope Scope    `cbor:"3,keyasint,omitzero"`
}

var roles = store.NewTable[CustomRole]("roles", func(*CustomRole) store.Subject { return store.Nobody })

func (r *CustomRole) permissions() (s permissionSet) {
	for _, name := range r.May {
		if p, err := ParsePermission(name); err == nil { // one that a newer kith knew gives nothing
			s |= setOf(p)
		}
	}
	return s
}

// Roles returns the roles that the installation made, oldest first.
func (d *Desk) Roles(ctx context.Context) (out []CustomRole, err error) {
	err = d.db.View(ctx, func(tx *store.Tx) error {
		return roles.Each(tx, store.Nobody, func(id uint64, r *CustomRole) error {
			r.ID = Role(id) //nolint:gosec // put there as such
			out = append(out, *r)
			return nil
		})
	})
	return out, err
}

// RoleNamed returns the role of that name, built in or made here.
func (d *Desk) RoleNamed(ctx context.Context, name string) (Role, error) {
	if r, err := ParseRole(name); err == nil {
		return r, nil
	}
	made, err := d.Roles(ctx)
	if err != nil {
		return 0, err
	}
	for _, one := range made {
		if strings.EqualFold(one.Name, strings.TrimSpace(name)) {
			return one.ID, nil
		}
	}
	return 0, unknownRole()
}

// RoleName returns what people call the role: its name when it was made here, else the name of the built-in one.
func (d *Desk) RoleName(ctx context.Context, r Role) (name string, err error) {
	if r < firstCustom {
		return r.String(), nil
	}
	err = d.db.View(ctx, func(tx *store.Tx) error {
		made, err := roles.Get(tx, store.Nobody, uint64(r))
		if err == nil {
			name = made.Name
		}
		return ignoreMissing(err)
	})
	return name, err
}

// SaveRole makes a role (ID 0) or changes one. Nobody makes a role that may more than they may.
func (d *Desk) SaveRole(ctx context.Context, a Actor, r CustomRole) (*CustomRole, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	g, err := d.ask(ctx, a, MayRoles)
	if err != nil {
		return nil, err
	}
	if !g.may.covers(r.permissions()) {
		return nil, invalid("permissions", "problem.role_more", "A role may not do more than your own role does.")
	}
	defer d.grants.forget()
	err = d.act(ctx, a, MayRoles, AuditRoleChanged, func(tx *store.Tx, e *AuditEvent) error {
		if err := r.place(tx); err != nil {
			return err
		}
		e.Object = uint64(r.ID)
		return roles.Put(tx, uint64(r.ID), &r)
	})
	if err != nil {
		return nil, err
	}
	return &r, nil
}

func (r *CustomRole) check() error {
	r.Name = strings.Join(strings.Fields(r.Name), " ")
	if _, err := ParseRole(r.Name); r.Name == "" || len(r.Name) > 100 || err == nil {
		return invalid("name", "problem.role_name", "Enter a name of at most 100 bytes that no other role has.")
	}
	for _, name := range r.May {
		if _, err := ParsePermission(name); err != nil {
			return err
		}
	}
	if r.permissions() == 0 {
		return invalid("permissions", "problem.role_empty", "Choose at least one thing that the role may do.")
	}
	return r.Scope.check()
}

func (s *Scope) check() error {
	if s.Reach > ReachTeam {
		return invalid("reach", "problem.reach", "The reach is all, own or team.")
	}
	return nil
}

// place finds a number for a new role, and sees that names differ.
func (r *CustomRole) place(tx *store.Tx) error {
	next, exists := firstCustom, r.ID == 0
	err := roles.Each(tx, store.Nobody, func(id uint64, other *CustomRole) error {
		if Role(id) == r.ID { //nolint:gosec // put there as such
			exists = true
			return nil
		}
		if strings.EqualFold(other.Name, r.Name) {
			return &Problem{
				Kind: ErrConflict, Field: "name", Key: "problem.role_taken", Text: "Another role has this name. Choose a different one.",
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !exists {
		return missing("problem.role_missing", "This role does not exist.")
	}
	if r.ID != 0 {
		return nil
	}
	used, err := usedRoles(tx)
	if err != nil {
		return err
	}
	for slices.Contains(used, next) {
		if next == lastCustom {
			return invalid("name", "problem.role_many", "There are as many roles as there can be. Remove one first.")
		}
		next++
	}
	r.ID = next
	return nil
}

// usedRoles are the numbers that lead to a role or are somebody's: a number is not given to another role while a person
// still has it.
func usedRoles(tx *store.Tx) (used []Role, err error) {
	err = roles.Each(tx, store.Nobody, func(id uint64, _ *CustomRole) error {
		used = append(used, Role(id)) //nolint:gosec // put there as such
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = agents.Every(tx, 0, func(_ store.Subject, _ uint64, p *Agent) error {
		used = append(used, p.Role)
		return nil
	})
	return used, err
}

// RemoveRole takes a role away that nobody has any more. A key that still has it opens nothing from then on.
func (d *Desk) RemoveRole(ctx context.Context, a Actor, id Role) error {
	defer d.grants.forget()
	return d.act(ctx, a, MayRoles, AuditRoleChanged, func(tx *store.Tx, e *AuditEvent) error {
		e.Object = uint64(id)
		if _, err := roles.Get(tx, store.Nobody, uint64(id)); err != nil {
			return found(err, "problem.role_missing", "This role does not exist.")
		}
		err := agents.Every(tx, 0, func(_ store.Subject, _ uint64, p *Agent) error {
			if p.Role == id {
				return conflict("problem.role_in_use", "Somebody still has this role. Give them another one first.")
			}
			return nil
		})
		if err != nil {
			return err
		}
		return roles.Delete(tx, store.Nobody, uint64(id))
	})
}

// CheckRole returns an error unless the role exists and its permissions are among those of the actor: nobody gives away
// what they do not have.
func (d *Desk) CheckRole(ctx context.Context, by Actor, r Role) error {
	g, err := d.grantFor(ctx, by)
	if err != nil {
		return err
	}
	want := r.permissions()
	if r >= firstCustom {
		err = d.db.View(ctx, func(tx *store.Tx) error {
			made, err := roles.Get(tx, store.Nobody, uint64(r))
			if err == nil {
				want = made.permissions()
			}
			return ignoreMissing(err)
		})
		if err != nil {
			return err
		}
	}
	switch {
	case want == 0:
		return unknownRole()
	case !g.may.covers(want):
		return &Problem{
			Kind: ErrForbidden, Field: "role", Key: "problem.role_higher", Text: "You cannot give a role that may do more than your own.",
		}
	}
	return nil
}

// SetScope limits an agent (id of the agent, key 0) or a key (agent 0) to a scope of their own; the zero Scope lifts
// the limit.
func (d *Desk) SetScope(ctx context.Context, a Actor, agent AgentID, key uint64, s Scope) error {
	if err := s.check(); err != nil {
		return err
	}
	defer d.grants.forget()
	return d.act(ctx, a, MayRoles, AuditScopeChanged, func(tx *store.Tx, e *AuditEvent) error {
		e.Subject, e.Object = agent, key
		if agent != 0 {
			if _, err := agentOf(tx, agent); err != nil {
				return err
			}
		}
		return saveScope(tx, agent, key, s)
	})
}

// LimitKey limits a key that is being made, within its transaction.
func (d *Desk) LimitKey(tx *store.Tx, key uint64, s Scope) error { return saveScope(tx, 0, key, s) }

func saveScope(tx *store.Tx, agent AgentID, key uint64, s Scope) error {
	for _, in := range s.Inboxes {
		if _, err := inboxOf(tx, in); err != nil {
			return invalid("inboxes", "problem.inbox_missing", "This inbox does not exist.")
		}
	}
	if len(s.Inboxes) == 0 && s.Reach == ReachAll {
		return scopes.Delete(tx, agent, key)
	}
	return scopes.Put(tx, key, &actorScope{Scope: s, Agent: agent})
}

// ScopeOf returns the own scope of an agent or key.
func (d *Desk) ScopeOf(ctx context.Context, agent AgentID, key uint64) (s Scope, err error) {
	err = d.db.View(ctx, func(tx *store.Tx) error {
		own, err := scopes.Get(tx, agent, key)
		if err == nil {
			s = own.Scope
		}
		return ignoreMissing(err)
	})
	return s, err
}
