// SPDX-License-Identifier: Apache-2.0

// Package apptest makes desks for the tests of other packages: a real store in a temporary directory, sample people and
// a thread that holds every kind of message.
package apptest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"kith/app"
	"kith/store"
)

// Start is the instant at which samples live: a Friday morning.
var Start = time.Date(2026, 11, 20, 10, 45, 0, 0, time.UTC)

// Sample is a desk with people and threads.
type Sample struct {
	DB      *store.DB
	Desk    *app.Desk
	Owner   app.Actor // Rina
	Agent   app.Actor // Tomas
	Inbox   app.InboxID
	Labels  []*app.Label
	Threads map[string]app.ConversationID // by the name of the customer
}

// NewDesk returns a filled desk that is closed with the test.
func NewDesk(tb testing.TB) *Sample {
	tb.Helper()
	db, err := store.Open(tb.TempDir()+"/data", store.Options{Now: func() time.Time { return Start }})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	s, err := Fill(tb.Context(), db)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// Rules are those of a network like WhatsApp.
func Rules() map[string]app.Rules {
	file := func(typ app.MessageType, mime string) (int64, error) {
		sizes := map[app.MessageType]int64{
			app.TypeImage: 5 << 20, app.TypeVideo: 16 << 20, app.TypeAudio: 16 << 20, app.TypeVoice: 16 << 20,
			app.TypeDocument: 100 << 20, app.TypeSticker: 500 << 10,
		}
		most, ok := sizes[typ]
		if !ok || mime == "application/x-msdownload" {
			return 0, fmt.Errorf("WhatsApp does not take this file as %s", typ)
		}
		return most, nil
	}
	return map[string]app.Rules{
		"whatsapp": {Window: 24 * time.Hour, TextLength: 4096, CaptionLimit: 1024, File: file},
	}
}

// Fill makes the sample people and threads in an empty store.
func Fill(ctx context.Context, db *store.DB) (*Sample, error) {
	s := &Sample{
		DB: db, Desk: app.NewDesk(db, app.Options{Rules: Rules()}), Threads: map[string]app.ConversationID{},
	}
	for _, step := range []func(context.Context) error{s.people, s.inbox, s.arrivals, s.find, s.answers, s.news} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Sample) people(ctx context.Context) error {
	for _, p := range []struct {
		to   *app.Actor
		who  string
		role app.Role
	}{{&s.Owner, "Rina", app.Owner}, {&s.Agent, "Tomas", app.AgentRole}} {
		a, err := s.Desk.AddAgent(ctx, app.Host(), app.NewAgent{Email: p.who + "@kith.example", Name: p.who, Role: p.role})
		if err != nil {
			return err
		}
		*p.to = app.Actor{Kind: app.ActorAgent, ID: uint64(a.ID), Role: p.role}
	}
	for _, name := range []string{"Wholesale", "Delivery"} {
		l, err := s.Desk.AddLabel(ctx, s.Owner, name)
		if err != nil {
			return err
		}
		s.Labels = append(s.Labels, l)
	}
	return nil
}

func (s *Sample) inbox(ctx context.Context) error {
	in, err := s.Desk.AddInbox(ctx, s.Owner, app.NewInbox{
		Kind: "whatsapp", Name: "Front desk", Address: "1064", Settings: map[string]string{
			"phone_number_id": "1064", "verify_token": "sample-verify-token", "app_secret": "never-shown",
		},
	})
	if err != nil {
		return err
	}
	s.Inbox = in.ID
	facts := []app.Field{{Name: "display_phone_number", Value: "+62 812-5550-0100"}, {Name: "quality_rating", Value: "GREEN"}}
	if err := s.Desk.ResumeInbox(ctx, in.ID, facts); err != nil {
		return err
	}
	return s.Desk.SaveTemplates(ctx, in.ID, sampleTemplates())
}

// find learns which conversation is whose.
func (s *Sample) find(ctx context.Context) error {
	lines, _, err := s.Desk.Conversations(ctx, s.Owner, app.ConversationQuery{Limit: 100})
	for _, l := range lines {
		s.Threads[l.Name] = l.ID
	}
	return err
}

// Thread returns the whole thread of a customer, oldest first.
func (s *Sample) Thread(ctx context.Context, name string) ([]app.Message, error) {
	p, err := s.Desk.Messages(ctx, s.Owner, s.Threads[name], app.MessageID{}, 1000)
	return p.Messages, err
}

// Find returns the first message of a thread for which is holds.
func (s *Sample) Find(tb testing.TB, name string, is func(*app.Message) bool) *app.Message {
	tb.Helper()
	all, err := s.Thread(tb.Context(), name)
	if err != nil {
		tb.Fatal(err)
	}
	i := slices.IndexFunc(all, func(m app.Message) bool { return is(&m) })
	if i < 0 {
		tb.Fatalf("no such message in the thread of %s", name)
	}
	return &all[i]
}

// Deliver works the outbox: the next due job is settled as sent under the network's id.
func (s *Sample) Deliver(ctx context.Context, external string) error {
	return s.settle(ctx, app.Outcome{Sent: true, ExternalID: external})
}

func (s *Sample) settle(ctx context.Context, o app.Outcome) error {
	due, _, err := s.Desk.DueJobs(ctx, 10)
	if err != nil || len(due) == 0 {
		return fmt.Errorf("finding a job that is due: %w", err)
	}
	at, err := s.Desk.StartAttempt(ctx, due[0].ID)
	if err != nil {
		return err
	}
	return s.Desk.Settle(ctx, at.Job, o)
}
