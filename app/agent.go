// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"net/mail"
	"strings"

	"kith/store"
)

// Agent is a person who works here. How the person proves who they are is app/auth's business. Only the name and the
// address are asked for.
type Agent struct {
	ID        AgentID `cbor:"-"`
	Email     string  `cbor:"1,keyasint"`
	Name      string  `cbor:"2,keyasint"`
	Role      Role    `cbor:"3,keyasint"`
	CreatedAt Instant `cbor:"4,keyasint"`
	Disabled  bool    `cbor:"5,keyasint,omitempty"`
	UpdatedAt Instant `cbor:"6,keyasint,omitempty"`
	Profile   Profile `cbor:"7,keyasint,omitempty"`
	Away      bool    `cbor:"8,keyasint,omitempty"` // said so; being signed in is another matter
	// LeaveAt is when the person asked that their account be deleted; 0 = never.
	LeaveAt Instant `cbor:"9,keyasint,omitempty"`
}

// Profile is what people may tell about themselves; everything may be empty.
type Profile struct {
	Phone      string `cbor:"1,keyasint,omitempty" json:"phone"`
	Company    string `cbor:"2,keyasint,omitempty" json:"company"`
	Title      string `cbor:"3,keyasint,omitempty" json:"job_title"`
	Department string `cbor:"4,keyasint,omitempty" json:"department"`
	Language   string `cbor:"5,keyasint,omitempty" json:"language"`  // tag of a catalogue, "" = as the browser says
	TimeZone   string `cbor:"6,keyasint,omitempty" json:"time_zone"` // IANA name, "" = the installation's
}

// NewAgent is what is needed to add an agent.
type NewAgent struct {
	Email string
	Name  string
	Role  Role
	// Also, when set, joins the transaction that adds the agent; its error undoes everything.
	Also func(tx *store.Tx, id AgentID) error
}

var (
	agents      = store.NewTable[Agent]("agents", func(a *Agent) store.Subject { return a.ID })
	agentEmails = store.NewLookup("agent_emails", listEmails)
)

// AddAgent makes an agent. An e-mail address may be used once.
func (d *Desk) AddAgent(ctx context.Context, actor Actor, n NewAgent) (*Agent, error) {
	return d.addAgent(ctx, actor, n, nil)
}

// Claim makes the first owner. It fails with ErrConflict once there is one, however many claim at the same moment.
func (d *Desk) Claim(ctx context.Context, n NewAgent) (*Agent, error) {
	n.Role = Owner
	return d.addAgent(ctx, Host(), n, func(tx *store.Tx) error {
		owned, err := hasOwner(tx)
		if err == nil && owned {
			err = conflict("problem.claimed", "Somebody has claimed this kith already. Sign in, or ask an owner to add you.")
		}
		return err
	})
}

// HasOwner reports whether somebody owns this installation.
func (d *Desk) HasOwner(ctx context.Context) (owned bool, err error) {
	err = d.db.View(ctx, func(tx *store.Tx) error {
		owned, err = hasOwner(tx)
		return err
	})
	return owned, err
}

func hasOwner(tx *store.Tx) (owned bool, err error) {
	err = agents.Every(tx, 0, func(_ store.Subject, _ uint64, a *Agent) error {
		if a.Role == Owner && !a.Disabled {
			owned = true
			return store.ErrStop
		}
		return nil
	})
	return owned, err
}

// addAgent makes an agent when allow, asked inside the transaction, returns nil.
func (d *Desk) addAgent(ctx context.Context, actor Actor, n NewAgent, allow func(*store.Tx) error) (*Agent, error) {
	email, err := NormalEmail(n.Email)
	if err != nil {
		return nil, err
	}
	name, err := personName(n.Name)
	if err != nil {
		return nil, err
	}
	if err := mayGrant(actor, n.Role); err != nil {
		return nil, err
	}
	if err := d.CheckRole(ctx, actor, n.Role); err != nil {
		return nil, err
	}
	var a *Agent
	err = d.act(ctx, actor, MayAgents, AuditAgentAdded, func(tx *store.Tx, e *AuditEvent) error {
		if allow != nil {
			if err := allow(tx); err != nil {
				return err
			}
		}
		if err := addressFree(tx, email); err != nil {
			return err
		}
		now := InstantOf(tx.Now())
		a = &Agent{ID: tx.NextSubject(), Email: email, Name: name, Role: n.Role, CreatedAt: now, UpdatedAt: now}
		e.Subject = a.ID
		if err := agents.Put(tx, 0, a); err != nil {
			return err
		}
		if err := agentEmails.Set(tx, "email", email, uint64(a.ID)); err != nil {
			return err
		}
		if n.Also != nil {
			return n.Also(tx, a.ID)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// addressFree returns an error when somebody has the e-mail address.
func addressFree(tx *store.Tx, email string) error {
	_, taken, err := agentEmails.Get(tx, "email", email)
	if err == nil && taken {
		err = &Problem{
			Kind: ErrConflict, Field: "email", Key: "problem.email_taken",
			Text: "Somebody with this e-mail address is already here. Use another address.",
		}
	}
	return err
}

// personName returns the name without spaces around it, or an ErrInvalid.
func personName(s string) (string, error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return "", invalid("name", "problem.name_empty", "Enter the person's name.")
	case len(s) > 500:
		return "", invalid("name", "problem.name_long", "A name may have at most 500 bytes.")
	}
	return s, nil
}

// mayGrant returns nil when the actor may give or take the role: owners are made and changed by owners only.
func mayGrant(a Actor, r Role) error {
	switch {
	case r.String() == "":
		return invalid("role", "problem.role", "Choose owner, admin, manager or agent as the role.")
	case r == Owner && a.Role != Owner:
		return &Problem{
			Kind: ErrForbidden, Field: "role", Key: "problem.owner_only", Text: "Only an owner may make or change an owner. Ask one.",
		}
	}
	return nil
}

// Agents returns everybody who works here, in the order they came.
func (d *Desk) Agents(ctx context.Context) ([]Agent, error) {
	var out []Agent
	err := d.db.View(ctx, func(tx *store.Tx) error {
		return agents.Every(tx, 0, func(s store.Subject, _ uint64, a *Agent) error {
			a.ID = s
			out = append(out, *a)
			return nil
		})
	})
	return out, err
}

// Agent returns the agent of that number.
func (d *Desk) Agent(ctx context.Context, id AgentID) (a *Agent, err error) {
	err = d.db.View(ctx, func(tx *store.Tx) error {
		a, err = agentOf(tx, id)
		return err
	})
	return a, err
}

// AgentByEmail returns the agent with the address.
func (d *Desk) AgentByEmail(ctx context.Context, email string) (a *Agent, err error) {
	email, err = NormalEmail(email)
	if err != nil {
		return nil, err
	}
	err = d.db.View(ctx, func(tx *store.Tx) error {
		id, ok, err := agentEmails.Get(tx, "email", email)
		if err != nil {
			return err
		}
		if !ok {
			return missing("problem.agent_missing", "Nobody with this e-mail address works here.")
		}
		a, err = agentOf(tx, AgentID(id)) //nolint:gosec // put there as a subject
		return err
	})
	return a, err
}

func agentOf(tx *store.Tx, id AgentID) (*Agent, error) {
	a, err := agents.Get(tx, id, 0)
	if err != nil {
		return nil, found(err, "problem.agent_missing", "This agent does not exist.")
	}
	a.ID = id
	return a, nil
}

// NormalEmail returns the address in lower case without spaces around it, or an ErrInvalid.
func NormalEmail(s string) (string, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || len(s) > 254 {
		return "", invalid("email", "problem.email", "Enter an e-mail address such as name@example.com.")
	}
	return s, nil
}
