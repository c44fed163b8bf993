// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"slices"
	"strings"

	"kith/store"
)

// TeamID is the number of a team.
type TeamID uint64

// Team is a group of people who work together.
type Team struct {
	ID        TeamID    `cbor:"-"`
	Name      string    `cbor:"1,keyasint"`
	Members   []AgentID `cbor:"2,keyasint,omitempty"`
	CreatedAt Instant   `cbor:"3,keyasint"`
}

var teams = store.NewTable[Team]("teams", func(*Team) store.Subject { return store.Nobody })

// AddTeam makes a team without members. A name is used once.
func (d *Desk) AddTeam(ctx context.Context, a Actor, name string) (t *Team, err error) {
	err = d.act(ctx, a, MayAgents, AuditTeamChanged, func(tx *store.Tx, e *AuditEvent) error {
		t = &Team{ID: TeamID(tx.NextID()), CreatedAt: InstantOf(tx.Now())}
		e.Object = uint64(t.ID)
		return t.save(tx, name, nil)
	})
	return t, err
}

// ChangeTeam gives a team its name and its members.
func (d *Desk) ChangeTeam(ctx context.Context, a Actor, id TeamID, name string, members []AgentID) error {
	defer d.grants.forget()
	return d.act(ctx, a, MayAgents, AuditTeamChanged, func(tx *store.Tx, e *AuditEvent) error {
		e.Object = uint64(id)
		t, err := teamOf(tx, id)
		if err != nil {
			return err
		}
		return t.save(tx, name, members)
	})
}

// RemoveTeam removes a team; its members stay.
func (d *Desk) RemoveTeam(ctx context.Context, a Actor, id TeamID) error {
	defer d.grants.forget()
	return d.act(ctx, a, MayAgents, AuditTeamChanged, func(tx *store.Tx, e *AuditEvent) error {
		e.Object = uint64(id)
		if _, err := teamOf(tx, id); err != nil {
			return err
		}
		return teams.Delete(tx, store.Nobody, uint64(id))
	})
}

// Teams returns every team in the order of their names.
func (d *Desk) Teams(ctx context.Context) (out []Team, err error) {
	err = d.db.View(ctx, func(tx *store.Tx) error {
		out, err = allTeams(tx)
		return err
	})
	slices.SortFunc(out, func(a, b Team) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return out, err
}

func allTeams(tx *store.Tx) (out []Team, err error) {
	err = teams.Each(tx, store.Nobody, func(id uint64, t *Team) error {
		t.ID = TeamID(id)
		out = append(out, *t)
		return nil
	})
	return out, err
}

func teamOf(tx *store.Tx, id TeamID) (*Team, error) {
	t, err := teams.Get(tx, store.Nobody, uint64(id))
	if err != nil {
		return nil, found(err, "problem.team_missing", "This team does not exist.")
	}
	t.ID = id
	return t, nil
}

// save checks and writes the team.
func (t *Team) save(tx *store.Tx, name string, members []AgentID) error {
	t.Name, t.Members = strings.Join(strings.Fields(name), " "), nil
	if t.Name == "" || len(t.Name) > 100 {
		return invalid("team", "problem.team_name", "Enter a name of at most 100 bytes for the team.")
	}
	all, err := allTeams(tx)
	if err != nil {
		return err
	}
	for i := range all {
		if all[i].ID != t.ID && strings.EqualFold(all[i].Name, t.Name) {
			return &Problem{Kind: ErrConflict, Field: "team", Key: "problem.team_taken", Text: "Another team has this name. Choose another one."}
		}
	}
	for _, m := range members {
		if _, err := agentOf(tx, m); errors.Is(err, ErrNotFound) {
			return invalid("members", "problem.agent_missing", "This agent does not exist.")
		} else if err != nil {
			return err
		}
		if !slices.Contains(t.Members, m) {
			t.Members = append(t.Members, m)
		}
	}
	return teams.Put(tx, uint64(t.ID), t)
}
