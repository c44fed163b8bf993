// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/store"
)

// auditJSON is an entry of the audit trail: numbers of who, what and whom, never their names.
type auditJSON struct {
	ID        string  `json:"id"`
	Kind      string  `json:"kind"`
	ActorKind string  `json:"actor_kind"`
	ActorID   *string `json:"actor_id"`
	Role      string  `json:"role"`
	About     *string `json:"about"`
	Object    *string `json:"object"`
	Message   *string `json:"message"`
	Hash      string  `json:"hash"`
	CreatedAt stamp   `json:"created_at"`
	UpdatedAt stamp   `json:"updated_at"`
}

func orNone[N ~uint64 | ~uint32](n N) *string {
	if n == 0 {
		return nil
	}
	s := formatID(n)
	return &s
}

func (x *API) listAudit(c echo.Context, a app.Actor) error {
	q, err := auditQuery(c)
	if err != nil {
		return err
	}
	entries, next, err := x.desk.Audit(c.Request().Context(), a, q)
	if err != nil {
		return err
	}
	out := make([]auditJSON, len(entries))
	for i := range entries {
		e := &entries[i]
		hash := e.Hash()
		out[i] = auditJSON{
			ID: formatID(e.Seq), Kind: e.Kind.String(), ActorKind: e.Actor.Kind.String(), ActorID: orNone(e.Actor.ID),
			Role: e.Actor.Role.String(), About: orNone(e.Subject), Object: orNone(e.Object), Message: orNone(e.Message),
			Hash: hex.EncodeToString(hash[:]), CreatedAt: stamp(e.At), UpdatedAt: stamp(e.At),
		}
	}
	cursor := ""
	if next.Seq != 0 {
		cursor = fmt.Sprintf("%d.%d", next.Day, next.Seq)
	}
	return answerList(c, out, cursor)
}

func auditQuery(c echo.Context) (q app.AuditQuery, err error) {
	if q.Limit, err = limitOf(c); err != nil {
		return q, err
	}
	cursor, err := cursorOf(c)
	if err != nil {
		return q, err
	}
	if cursor != "" {
		if _, err := fmt.Sscanf(cursor, "%d.%d", &q.After.Day, &q.After.Seq); err != nil {
			return q, badCursor()
		}
	}
	if s := c.QueryParam("kind"); s != "" {
		if q.Kind, err = app.ParseAuditKind(s); err != nil {
			return q, err
		}
	}
	if q.Actor, err = numberQuery(c, "actor", 64); err != nil {
		return q, err
	}
	about, err := numberQuery(c, "about", 32)
	if err != nil {
		return q, err
	}
	q.Subject = store.Subject(about)
	for name, to := range map[string]*store.Day{"from": &q.From, "to": &q.To} {
		s := c.QueryParam(name)
		if s == "" {
			continue
		}
		day, err := time.Parse(time.DateOnly, s)
		if err != nil {
			return q, invalid(name, "problem.day", name+" is a day such as 2026-11-30.")
		}
		*to = store.DayOf(day)
	}
	return q, nil
}

// alarmJSON is something that happens too often.
type alarmJSON struct {
	Kind      string  `json:"kind"`
	ActorKind string  `json:"actor_kind"`
	ActorID   *string `json:"actor_id"`
	About     *string `json:"about"`
	Count     int     `json:"count"`
	Since     stamp   `json:"since"`
	Last      stamp   `json:"last"`
}

func (x *API) listAlarms(c echo.Context, a app.Actor) error {
	all, err := x.desk.Alarms(c.Request().Context(), a)
	if err != nil {
		return err
	}
	out := make([]alarmJSON, len(all))
	for i := range all {
		one := &all[i]
		out[i] = alarmJSON{
			Kind: one.Kind, ActorKind: one.Actor.Kind.String(), ActorID: orNone(one.Actor.ID), About: orNone(one.About),
			Count: one.Count, Since: stamp(one.Since), Last: stamp(one.Last),
		}
	}
	return answerList(c, out, "")
}
