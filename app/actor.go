// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"
	"slices"

	"kith/store"
)

// AgentID is the number of a person who works here; it is the subject of that person's records.
type AgentID = store.Subject

// ActorKind says what sort of actor acts.
type ActorKind uint8

// The kinds of actor. Their numbers are stored.
const (
	ActorAgent  ActorKind = iota + 1 // a signed-in person
	ActorKey                         // an API key
	ActorSystem                      // the machine: channels, delivery
	ActorHost                        // whoever holds the command line of the server
)

// Actor is who acts. It is an argument of every act, never a value of a context.
type Actor struct {
	Kind ActorKind `cbor:"1,keyasint"`
	ID   uint64    `cbor:"2,keyasint,omitempty"` // agent or key
	Role Role      `cbor:"3,keyasint,omitempty"`
}

// System returns the machine itself.
func System() Actor { return Actor{Kind: ActorSystem} }

// Host returns the command line of the server, which may do what an owner may.
func Host() Actor { return Actor{Kind: ActorHost, Role: Owner} }

// Agent returns the agent's number, 0 when the actor is not a person.
func (a Actor) Agent() AgentID {
	if a.Kind == ActorAgent {
		return AgentID(a.ID)
	}
	return 0
}

// Role is a set of permissions.
type Role uint8

// The roles, from most to least. Their numbers are stored.
const (
	Owner Role = iota + 1
	Admin
	Manager
	AgentRole
)

var roleNames = [...]string{Owner: "owner", Admin: "admin", Manager: "manager", AgentRole: "agent"}

// String returns the lower-case name of the role.
func (r Role) String() string {
	if int(r) < len(roleNames) {
		return roleNames[r]
	}
	return ""
}

// ParseRole returns the role of that name.
func ParseRole(name string) (Role, error) {
	if i := slices.Index(roleNames[1:], name); i >= 0 {
		return Role(i + 1), nil
	}
	return 0, invalid("role", "problem.role", "Choose owner, admin, manager or agent as the role.")
}

// Permission is something that may be done.
type Permission uint8

// The permissions.
const (
	MayConverse     Permission = iota + 1 // read and answer conversations
	MayContacts                           // read and change contacts
	MayErase                              // delete contacts
	MayInboxes                            // connect and change inboxes
	MaySeeChannels                        // see inboxes, their notices and what could not be read
	MayAgents                             // add and change agents and keys
	MayAudit                              // read the audit log
	MayReceive                            // store what a network tells; work the outbox
	MayOwnAccount                         // sign in and out, change the own password
	MaySeeRetention                       // see how long records are kept and what is due
	MayRetention                          // change that, and let it run
)

// permissions is the one table of who may what. The machine may only what its row says.
var permissions = map[Permission][]Role{
	MayConverse:     {Owner, Admin, Manager, AgentRole},
	MayContacts:     {Owner, Admin, Manager, AgentRole},
	MayErase:        {Owner, Admin},
	MayInboxes:      {Owner, Admin},
	MaySeeChannels:  {Owner, Admin, Manager},
	MayAgents:       {Owner, Admin},
	MayAudit:        {Owner, Admin},
	MayReceive:      {},
	MayOwnAccount:   {Owner, Admin, Manager, AgentRole},
	MaySeeRetention: {Owner, Admin, Manager},
	MayRetention:    {Owner, Admin},
}

// May reports whether the actor may p.
func (a Actor) May(p Permission) bool {
	if a.Kind == ActorSystem {
		return p == MayReceive || p == MaySeeChannels || p == MayConverse || p == MaySeeRetention || p == MayRetention
	}
	return slices.Contains(permissions[p], a.Role)
}

func (a Actor) may(p Permission) error {
	if a.May(p) {
		return nil
	}
	return &Problem{
		Kind: ErrForbidden, Key: "problem.forbidden", Args: []any{a.Role.String()},
		Text: fmt.Sprintf("Your role (%s) does not allow this. Ask an owner or admin.", a.Role),
	}
}

// Business stands for "us" where an act was not a person's.
const Business AgentID = 1<<32 - 1

// byUs returns the agent, or Business when the actor is a key or the machine.
func byUs(a Actor) AgentID {
	if id := a.Agent(); id != 0 {
		return id
	}
	return Business
}
