// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/store"
)

// refJSON names a person.
type refJSON struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// conversationJSON is a conversation as programs see it.
type conversationJSON struct {
	ID             string       `json:"id"`
	Status         string       `json:"status"`
	InboxID        string       `json:"inbox_id"`
	Contact        refJSON      `json:"contact"`
	Assignee       *refJSON     `json:"assignee"`
	Labels         []string     `json:"labels"`
	Unread         uint32       `json:"unread"`
	NeedsReply     bool         `json:"needs_reply"`
	LastMessage    *messageJSON `json:"last_message"`
	LastMessageAt  stamp        `json:"last_message_at"`
	WindowClosesAt stamp        `json:"window_closes_at"`
	CreatedAt      stamp        `json:"created_at"`
	UpdatedAt      stamp        `json:"updated_at"`
}

// names are what the numbers of agents and labels are called.
type names struct {
	agents map[app.AgentID]string
	labels map[uint32]string
}

func (x *API) names(ctx context.Context) (n names, err error) {
	n = names{agents: map[app.AgentID]string{}, labels: map[uint32]string{}}
	people, err := x.desk.Agents(ctx)
	if err != nil {
		return n, err
	}
	for _, p := range people {
		n.agents[p.ID] = p.Name
	}
	labels, err := x.desk.Labels(ctx)
	for _, l := range labels {
		n.labels[l.ID] = l.Name
	}
	return n, err
}

func (n *names) agent(id app.AgentID) *refJSON {
	if id == 0 {
		return nil
	}
	return &refJSON{ID: formatID(id), Name: n.agents[id]}
}

func (n *names) conversation(l *app.Line) conversationJSON {
	out := conversationJSON{
		ID: formatID(l.ID), Status: l.Status.String(), InboxID: formatID(l.Inbox),
		Contact: refJSON{ID: formatID(l.Contact), Name: l.Name}, Assignee: n.agent(l.Assignee), Labels: []string{},
		Unread: l.Unread, NeedsReply: l.NeedsReply, LastMessageAt: stamp(l.LastAt), WindowClosesAt: stampOf(l.Window),
		CreatedAt: stamp(l.CreatedAt), UpdatedAt: stamp(l.UpdatedAt),
	}
	for _, id := range l.Labels {
		out.Labels = append(out.Labels, n.labels[id])
	}
	if l.Last != nil {
		m := n.message(l.Last, out.Contact)
		out.LastMessage = &m
	}
	return out
}

func (x *API) listConversations(c echo.Context, a app.Actor) error {
	q, err := conversationQuery(c)
	if err != nil {
		return err
	}
	lines, next, err := x.desk.Conversations(c.Request().Context(), a, q)
	if err != nil {
		return err
	}
	n, err := x.names(c.Request().Context())
	if err != nil {
		return err
	}
	out := make([]conversationJSON, len(lines))
	for i := range lines {
		out[i] = n.conversation(&lines[i])
	}
	cursor := ""
	if next != (store.Mark{}) {
		cursor = fmt.Sprintf("%d.%d", next.Order, next.ID)
	}
	return answerList(c, out, cursor)
}

func conversationQuery(c echo.Context) (q app.ConversationQuery, err error) {
	if q.Limit, err = limitOf(c); err != nil {
		return q, err
	}
	cursor, err := cursorOf(c)
	if err != nil {
		return q, err
	}
	if cursor != "" {
		if _, err := fmt.Sscanf(cursor, "%d.%d", &q.After.Order, &q.After.ID); err != nil {
			return q, badCursor()
		}
	}
	if s := c.QueryParam("status"); s != "" {
		if q.Status, err = app.ParseConversationStatus(s); err != nil {
			return q, err
		}
	}
	inbox, err := numberQuery(c, "inbox", 64)
	if err != nil {
		return q, err
	}
	contact, err := numberQuery(c, "contact", 32)
	if err != nil {
		return q, err
	}
	q.Inbox, q.Contact = app.InboxID(inbox), app.ContactID(contact)
	if who := c.QueryParam("assignee"); who == "none" || who == "unassigned" {
		q.Assignee = new(app.AgentID)
		return q, nil
	}
	assignee, err := numberQuery(c, "assignee", 32)
	if err == nil && assignee != 0 {
		id := app.AgentID(assignee)
		q.Assignee = &id
	}
	return q, err
}

func (x *API) getConversation(c echo.Context, a app.Actor) error {
	n, err := numberIn(c, 64)
	if err != nil {
		return err
	}
	return x.answerConversation(c, a, app.ConversationID(n))
}

func (x *API) answerConversation(c echo.Context, a app.Actor, id app.ConversationID) error {
	line, err := x.desk.Conversation(c.Request().Context(), a, id)
	if err != nil {
		return err
	}
	n, err := x.names(c.Request().Context())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, n.conversation(&line))
}

// conversationRequest is what a program changes; a null assignee is nobody, labels replace those there are.
type conversationRequest struct {
	Status   *string      `json:"status"`
	Assignee optional[id] `json:"assignee"`
	Labels   []string     `json:"labels"`
}

func (x *API) changeConversation(c echo.Context, a app.Actor) error {
	n, err := numberIn(c, 64)
	if err != nil {
		return err
	}
	var r conversationRequest
	if err := body(c, &r); err != nil {
		return err
	}
	ctx := c.Request().Context()
	// Labels are made when they are missing; that the conversation exists is asked first, so that none is left over.
	if _, err := x.desk.Conversation(ctx, a, app.ConversationID(n)); err != nil {
		return err
	}
	change, err := x.change(ctx, a, &r)
	if err != nil {
		return err
	}
	if err := x.desk.ChangeConversation(ctx, a, app.ConversationID(n), change); err != nil {
		return err
	}
	return x.answerConversation(c, a, app.ConversationID(n))
}

func (x *API) change(ctx context.Context, a app.Actor, r *conversationRequest) (ch app.ConversationChange, err error) {
	if r.Status != nil {
		s, err := app.ParseConversationStatus(*r.Status)
		if err != nil {
			return ch, err
		}
		ch.Status = &s
	}
	if r.Assignee.given {
		ch.Assignee = new(app.AgentID)
		if v := r.Assignee.value; v != nil {
			if *v > 1<<32-2 {
				return ch, invalid("assignee", "problem.agent_missing", "This agent does not exist.")
			}
			*ch.Assignee = app.AgentID(*v)
		}
	}
	if r.Labels == nil {
		return ch, nil
	}
	ch.Labels = []uint32{}
	for _, name := range r.Labels {
		if strings.TrimSpace(name) == "" {
			continue
		}
		l, err := x.desk.AddLabel(ctx, a, name)
		if err != nil {
			return ch, err
		}
		ch.Labels = append(ch.Labels, l.ID)
	}
	return ch, nil
}
