// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"

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
	// grant is what Admit found that the actor may; pages ask it, the gate asks the store.
	grant *Grant
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

// May reports whether the actor may p. Of an actor with a role of the installation's own it knows only after Admit.
func (a Actor) May(p Permission) bool {
	if a.grant != nil {
		return a.grant.May(p)
	}
	return builtIn(a).has(p)
}

// builtIn returns what the actor may by the table.
func builtIn(a Actor) permissionSet {
	if a.Kind == ActorSystem {
		return setOf(MayReceive, MaySeeChannels, MayRead, MayConverse, MaySensitive, MaySeeRetention, MayRetention)
	}
	return a.Role.permissions()
}

// forbidden says that the actor may not.
func (a Actor) forbidden() error {
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
