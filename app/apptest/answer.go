// SPDX-License-Identifier: Apache-2.0

package apptest

import (
	"context"
	"time"

	"kith/app"
)

// answers writes what the agents said: notes, and messages of every status.
func (s *Sample) answers(ctx context.Context) error {
	mine := app.AgentID(s.Owner.ID)
	resolved := app.Resolved
	steps := []func() error{
		func() error { return s.files(ctx) },
		func() error { return s.triage(ctx, Sari, &mine, nil, s.Labels[0].ID) },
		func() error { return s.triage(ctx, Kinds, &mine, nil) },
		func() error { return s.triage(ctx, Budi, &mine, nil) },
		func() error { return s.triage(ctx, Ahmad, &mine, nil, s.Labels[1].ID) },
		func() error { return s.triage(ctx, Warung, &mine, nil) },
		func() error { return s.triage(ctx, Lena, nil, &resolved) },
		func() error { return s.note(ctx, Sari, "@Tomas do we have enough glaze for 40 before the 28th?") },
		func() error { return s.note(ctx, "Dewi Lestari", "Refund approved.") },
		func() error { return s.say(ctx, Sari, "Yes, 40 is possible: Rp 46,000 each.", sent("wamid.out.1")) },
		func() error { return s.receipt(ctx, "wamid.out.1", app.StatusRead) },
		func() error { return s.say(ctx, Sari, "I will ask about the lids.", sent("wamid.out.2")) },
		func() error { return s.receipt(ctx, "wamid.out.2", app.StatusDelivered) },
		func() error { return s.say(ctx, Sari, "One moment.", sent("wamid.out.3")) },
		func() error { return s.say(ctx, Sari, "Here is the catalogue.", app.Outcome{Unknown: true}) },
		func() error { return s.say(ctx, Warung, "The price list is attached.", failed()) },
		func() error { return s.template(ctx) },
		func() error { return s.interactive(ctx) },
		func() error { return s.say(ctx, Sari, "And the saucers are on their way.", app.Outcome{}) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func sent(external string) app.Outcome { return app.Outcome{Sent: true, ExternalID: external} }

func failed() app.Outcome {
	return app.Outcome{Failure: &app.Failure{
		Code: 131026, Title: "Message undeliverable", Detail: "Unable to deliver message.", Advice: "advice.unreachable",
	}}
}

// say replies as the owner and settles the job unless the outcome is the zero one.
func (s *Sample) say(ctx context.Context, who, text string, o app.Outcome) error {
	if _, err := s.Desk.Reply(ctx, s.Owner, s.Threads[who], app.Draft{Text: text}); err != nil {
		return err
	}
	if !o.Sent && !o.Unknown && o.Failure == nil {
		return nil
	}
	return s.settle(ctx, o)
}

func (s *Sample) note(ctx context.Context, who, text string) error {
	_, err := s.Desk.Reply(ctx, s.Agent, s.Threads[who], app.Draft{Note: true, Text: text})
	return err
}

func (s *Sample) receipt(ctx context.Context, external string, st app.Status) error {
	return s.Desk.Receive(ctx, s.Inbox, app.Inbound{Receipts: []app.Receipt{{ExternalID: external, Status: st, At: Start}}})
}

func (s *Sample) triage(ctx context.Context, who string, to *app.AgentID, st *app.ConversationStatus, labels ...uint32) error {
	return s.Desk.ChangeConversation(ctx, s.Owner, s.Threads[who], app.ConversationChange{Assignee: to, Status: st, Labels: labels})
}

func (s *Sample) template(ctx context.Context) error {
	_, err := s.Desk.Reply(ctx, s.Owner, s.Threads[Kinds], app.Draft{Template: &app.TemplateUse{
		Name: "order_shipped", Language: "en", Body: []app.Field{{Value: "Maya"}}, Text: "Hello Maya, your order is on its way.",
		Title: "Order shipped", Footer: "Reply STOP to stop these messages", Labels: []string{"Track", "Call us"},
	}})
	if err != nil {
		return err
	}
	return s.Deliver(ctx, "wamid.out.tpl")
}

func (s *Sample) interactive(ctx context.Context) error {
	_, err := s.Desk.Reply(ctx, s.Owner, s.Threads[Kinds], app.Draft{
		Text: "Which day suits you?", Interactive: &app.Interactive{
			Header: "Delivery", Footer: "Free in Yogyakarta", Buttons: []app.Option{{ID: "sat", Title: "Saturday"}, {ID: "mon", Title: "Monday"}},
		},
	})
	if err != nil {
		return err
	}
	return s.Deliver(ctx, "wamid.out.int")
}

// files fetches the first waiting file, gives the second one up and leaves the rest waiting.
func (s *Sample) files(ctx context.Context) error {
	due, _, err := s.Desk.DueDownloads(ctx, 100)
	if err != nil {
		return err
	}
	kinds := s.Threads[Kinds]
	for _, j := range due {
		a, ok, err := s.Desk.ProviderFile(ctx, j)
		if err != nil || !ok || j.Message.Conversation() != kinds {
			if err != nil {
				return err
			}
			continue
		}
		switch a.Provider {
		case "p-video":
			err = s.Desk.LoseDownload(ctx, j, "WhatsApp does not have this file any more. Ask the customer to send it again.")
		case "p-audio":
		default:
			err = s.fetch(ctx, j, Files[a.Provider])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Sample) fetch(ctx context.Context, j app.Download, body []byte) error {
	w, err := s.Desk.CreateDownload(ctx, j)
	if err != nil {
		return err
	}
	if _, err := w.Write(body); err != nil {
		return err
	}
	ref, meta, err := w.Commit()
	if err != nil {
		return err
	}
	return s.Desk.FinishDownload(ctx, j, ref, meta)
}

// news is what the network told about the inbox, and what could not be read.
func (s *Sample) news(ctx context.Context) error {
	return s.Desk.Receive(ctx, s.Inbox, app.Inbound{
		Notices: []app.Notice{
			{
				Topic: "message_template_status_update", Level: app.LevelInfo, Event: "APPROVED", At: Start.Add(-5 * time.Hour),
				Fields: []app.Field{{Name: "message_template_name", Value: "order_shipped"}}, Digest: [16]byte{1},
			},
			{Topic: "account_update", Level: app.LevelAlarm, Event: "ACCOUNT_RESTRICTION", At: Start.Add(-time.Hour), Digest: [16]byte{2}},
		},
		Unreadable: []app.Unread{{Reason: "A message has no sender.", Raw: []byte(`{"id":"wamid.x"}`)}},
	})
}
