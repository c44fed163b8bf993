// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"time"

	"kith/app"
	"kith/store"
)

// ChangeAgent changes a person. With the role, all their sessions end: what somebody may is never more, nor longer, than
// their role. With the address they are told.
func (a *Auth) ChangeAgent(ctx context.Context, by app.Actor, id app.AgentID, ch app.AgentChange) (*app.Agent, error) {
	before, err := a.desk.Agent(ctx, id)
	if err != nil {
		return nil, err
	}
	role := ch.Role != nil && *ch.Role != before.Role
	ch.Also = func(tx *store.Tx) error {
		if ch.Email != nil && *ch.Email != before.Email {
			if err := tell(tx, &News{Agent: id, Kind: app.AuditAgentChanged}); err != nil {
				return err
			}
		}
		if role {
			return endSessions(tx, id, every)
		}
		return nil
	}
	p, err := a.desk.ChangeAgent(ctx, by, id, ch)
	if role {
		a.forget(id)
	}
	return p, err
}

// DisableAgent shuts a person out at once: sessions, open streams and invitations end.
func (a *Auth) DisableAgent(ctx context.Context, by app.Actor, id app.AgentID) error {
	if by.Agent() == id {
		return refused("", "problem.disable_self", "You cannot shut yourself out. Ask another owner or admin.")
	}
	err := a.desk.DisableAgent(ctx, by, id, func(tx *store.Tx) error {
		if err := invitations.Delete(tx, id, 0); err != nil {
			return err
		}
		return endSessions(tx, id, every)
	})
	a.forget(id)
	return err
}

// News returns what a person should know about their account, newest first.
func (a *Auth) News(ctx context.Context, id app.AgentID) (out []News, err error) {
	err = a.db.View(ctx, func(tx *store.Tx) error {
		return accountNews.Each(tx, id, func(n uint64, one *News) error {
			one.ID = n
			out = append([]News{*one}, out...)
			return nil
		})
	})
	return out, err
}

// HeardNews forgets the news of the person who has read them.
func (a *Auth) HeardNews(ctx context.Context, by app.Actor) error {
	id := by.Agent()
	return a.db.Update(ctx, func(tx *store.Tx) error {
		var all []uint64
		err := accountNews.Each(tx, id, func(n uint64, _ *News) error {
			all = append(all, n)
			return nil
		})
		for _, n := range all {
			if err == nil {
				err = accountNews.Delete(tx, id, n)
			}
		}
		return err
	})
}

// Account is everything that is kept about a person who works here, as they get it themselves.
type Account struct {
	ID        uint64           `json:"id"`
	Name      string           `json:"name"`
	Email     string           `json:"email"`
	Role      string           `json:"role"`
	Profile   app.Profile      `json:"profile"`
	Away      bool             `json:"away"`
	CreatedAt time.Time        `json:"created_at"`
	UpdatedAt time.Time        `json:"updated_at"`
	LeaveAt   *time.Time       `json:"deletion_asked_at,omitempty"`
	Teams     []string         `json:"teams"`
	Password  *time.Time       `json:"password_changed_at,omitempty"`
	TOTP      *time.Time       `json:"authenticator_since,omitempty"`
	Recovery  int              `json:"recovery_codes_left"`
	Devices   []string         `json:"devices"`
	Sessions  []AccountSession `json:"sessions"`
	News      []News           `json:"notices"`
}

// AccountSession is a session in an Account.
type AccountSession struct {
	Device  string    `json:"device"`
	Address string    `json:"address"`
	First   time.Time `json:"first_seen"`
	Last    time.Time `json:"last_seen"`
}

// TakeAccount returns everything that is kept about the person who asks. It is audited.
func (a *Auth) TakeAccount(ctx context.Context, by app.Actor) (*Account, error) {
	p, err := a.desk.Agent(ctx, by.Agent())
	if err != nil {
		return nil, err
	}
	f, err := a.Factors(ctx, p)
	if err != nil {
		return nil, err
	}
	out := &Account{
		ID: uint64(p.ID), Name: p.Name, Email: p.Email, Role: p.Role.String(), Profile: p.Profile, Away: p.Away,
		CreatedAt: p.CreatedAt.Time(), UpdatedAt: p.UpdatedAt.Time(), LeaveAt: timeOf(p.LeaveAt), Recovery: f.Recovery,
		Teams: []string{}, Devices: []string{}, Sessions: []AccountSession{}, News: []News{},
	}
	if f.TOTP {
		out.TOTP = &f.Since
	}
	if err := a.addTeams(ctx, out, p.ID); err != nil {
		return nil, err
	}
	err = a.desk.Act(ctx, by, app.MayOwnAccount, app.AuditAccountTaken, func(tx *store.Tx, e *app.AuditEvent) error {
		e.Subject = p.ID
		return out.fill(tx, p.ID)
	})
	return out, err
}

func (a *Auth) addTeams(ctx context.Context, out *Account, id app.AgentID) error {
	all, err := a.desk.Teams(ctx)
	for i := range all {
		for _, m := range all[i].Members {
			if m == id {
				out.Teams = append(out.Teams, all[i].Name)
			}
		}
	}
	return err
}

func (out *Account) fill(tx *store.Tx, id app.AgentID) error {
	pw, err := passwords.Get(tx, id, 0)
	if missing(err) != nil {
		return err
	}
	if err == nil {
		out.Password = timeOf(pw.ChangedAt)
	}
	d, err := knownDevices.Get(tx, id, 0)
	if missing(err) != nil {
		return err
	}
	if err == nil {
		out.Devices = d.Known
	}
	err = sessions.Each(tx, id, func(_ uint64, s *Session) error {
		out.Sessions = append(out.Sessions, AccountSession{s.Device, s.Address, s.CreatedAt.Time(), s.SeenAt.Time()})
		return nil
	})
	if err != nil {
		return err
	}
	return accountNews.Each(tx, id, func(_ uint64, n *News) error {
		out.News = append(out.News, *n)
		return nil
	})
}

func timeOf(i app.Instant) *time.Time {
	if i == 0 {
		return nil
	}
	t := i.Time()
	return &t
}
