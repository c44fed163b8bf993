// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"errors"
	"time"

	"kith/app"
	"kith/store"
)

// Demand says who has to have a second factor.
type Demand uint8

// The demands. Their numbers are stored.
const (
	DemandDefault    Demand = iota // owners and admins, who are only reminded where nobody but this machine reaches kith
	DemandPrivileged               // owners and admins
	DemandEverybody
	DemandNobody
)

// Policy is what an owner decides about signing in.
type Policy struct {
	Second   Demand `cbor:"1,keyasint,omitempty"`
	Idle     uint32 `cbor:"2,keyasint,omitempty"` // minutes without use after which a session ends; 0 = as built in
	Absolute uint32 `cbor:"3,keyasint,omitempty"` // minutes after which it ends anyway; 0 = as built in
}

var policies = store.NewTable[Policy]("signin_policy", func(*Policy) store.Subject { return store.Nobody })

func policyOf(tx *store.Tx) (Policy, error) {
	p, err := policies.Get(tx, store.Nobody, 0)
	if errors.Is(err, store.ErrNotFound) {
		return Policy{}, nil
	}
	if err != nil {
		return Policy{}, err
	}
	return *p, nil
}

func privileged(r app.Role) bool { return r == app.Owner || r == app.Admin }

// demands reports whether the role has to have a second factor.
func (p Policy) demands(r app.Role, insist bool) bool {
	switch p.Second {
	case DemandEverybody:
		return true
	case DemandNobody:
		return false
	case DemandPrivileged:
		return privileged(r)
	case DemandDefault:
	}
	return insist && privileged(r)
}

// limits returns the minutes of a session of the role. What an owner decides holds for everybody, and never lets an
// owner or admin stay longer than what is built in.
func (p Policy) limits(r app.Role) (idle, most uint32) {
	idle, most = uint32(Idle.Minutes()), uint32(Absolute.Minutes())
	if p.Idle != 0 {
		idle = p.Idle
	}
	if p.Absolute != 0 {
		most = p.Absolute
	}
	if privileged(r) {
		idle, most = min(idle, uint32(StrictIdle.Minutes())), min(most, uint32(StrictAbsolute.Minutes()))
	}
	return idle, most
}

func (p Policy) check() error {
	longest := uint32((365 * 24 * time.Hour).Minutes())
	switch {
	case p.Second > DemandNobody:
		return refused("second", "problem.policy_second", "Choose who has to have a second factor.")
	case p.Idle != 0 && (p.Idle < 5 || p.Idle > longest):
		return refused("idle", "problem.policy_idle", "Enter from 5 minutes to a year.")
	case p.Absolute != 0 && (p.Absolute < 15 || p.Absolute > longest):
		return refused("absolute", "problem.policy_absolute", "Enter from 15 minutes to a year.")
	}
	return nil
}

// Policy returns what was decided about signing in.
func (a *Auth) Policy(ctx context.Context) (p Policy, err error) {
	err = a.db.View(ctx, func(tx *store.Tx) error {
		p, err = policyOf(tx)
		return err
	})
	return p, err
}

// SavePolicy decides about signing in; it holds for sessions that begin from now on.
func (a *Auth) SavePolicy(ctx context.Context, by app.Actor, p Policy) error {
	if by.Role != app.Owner {
		return &app.Problem{Kind: app.ErrForbidden, Key: "problem.policy_owner", Text: "Only an owner may change how people sign in. Ask one."}
	}
	if err := p.check(); err != nil {
		return err
	}
	return a.desk.Act(ctx, by, app.MayAgents, app.AuditSettingChanged, func(tx *store.Tx, _ *app.AuditEvent) error {
		return policies.Put(tx, 0, &p)
	})
}
