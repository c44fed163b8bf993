// SPDX-License-Identifier: Apache-2.0

package apptest

import (
	"context"
	"fmt"
	"time"

	"kith/app"
)

// Names of customers whose threads differ in a way that tests rely on.
const (
	Sari   = "Sari Wulandari" // an open window, answers of every status
	Kinds  = "Maya Putri"     // a message of every kind
	Budi   = "Budi Santoso"   // the window is closed
	Ahmad  = "Ahmad Fauzi"    // the window closes soon
	Warung = "Warung Kopi Senja"
	Lena   = "Lena Hoffmann" // resolved
	Karim  = "كريم حداد"
	Kopi   = "@kopi.pagi" // neither name nor phone number
)

// arrival is an inbound message, told from its customer and its age.
type arrival struct {
	who  string
	ago  time.Duration
	text string
	fill func(*app.InboundMessage)
}

// Person returns the sample customer of that name.
func Person(name string) app.Person {
	if name == Kopi {
		return app.Person{Username: name[1:], Identities: []app.Identity{{Kind: app.IdentityBSUID, Value: "ID.77"}}}
	}
	n := 0
	for _, r := range name {
		n = (n*31 + int(r)) % 9000
	}
	phone := fmt.Sprintf("6281255%05d", n)
	return app.Person{Name: name, Identities: []app.Identity{
		{Kind: app.IdentityBSUID, Value: fmt.Sprintf("ID.%d", 10_000+n)},
		{Kind: app.IdentityWaID, Value: phone},
		{Kind: app.IdentityPhone, Value: "+" + phone},
	}}
}

func (a *arrival) message(n int) app.InboundMessage {
	m := app.InboundMessage{
		ExternalID: fmt.Sprintf("wamid.in.%d", n), Person: Person(a.who), Direction: app.In, At: Start.Add(-a.ago),
		Type: app.TypeText, Content: app.Content{Text: a.text},
	}
	if a.fill != nil {
		a.fill(&m)
	}
	return m
}

// arrivals receives every sample message, oldest conversation first.
func (s *Sample) arrivals(ctx context.Context) error {
	list := append(conversations(), kinds()...)
	list = append(list,
		arrival{Sari, 29 * time.Minute, "They arrived, and they look wonderful.\nCould we do 40 more in this glaze?", nil},
		arrival{Sari, 3 * time.Minute, "Can you add the lids for the small bowls too?", nil},
		arrival{Sari, 2 * time.Minute, "And one question: do you also make matching saucers? https://kedaipagi.example/menu", nil},
	)
	for i := range list {
		in := app.Inbound{Messages: []app.InboundMessage{list[i].message(i)}}
		if err := s.Desk.Receive(ctx, s.Inbox, in); err != nil {
			return fmt.Errorf("receiving sample %d: %w", i, err)
		}
	}
	return s.Desk.Receive(ctx, s.Inbox, app.Inbound{Preferences: []app.Preference{{
		Person: Person(Budi), Stop: true, Detail: "User requested to stop marketing messages", At: Start.Add(-40 * time.Hour),
	}}})
}

func conversations() []arrival {
	return []arrival{
		{Lena, 75 * time.Hour, "Is the invoice on its way?", nil},
		{Budi, 46 * time.Hour, "Good afternoon, is the big planter still available?", nil},
		{Budi, 45 * time.Hour, "Please keep the sand one for me.", nil},
		{"Dewi Lestari", 26 * time.Hour, "The box came open.", nil},
		{Ahmad, 23*time.Hour + 13*time.Minute, "", func(m *app.InboundMessage) {
			m.Type, m.Media = app.TypeVoice, []app.InboundMedia{{ProviderID: "9", MIME: "audio/ogg; codecs=opus", Voice: true}}
		}},
		{Karim, 20 * time.Hour, "شكرا جزيلا، وصلت الطلبية", nil},
		{Kopi, 18 * time.Hour, "Do you ship to Bandung?", nil},
		{Warung, 3 * time.Hour, "Please send the price list.", nil},
		{"Priya Nair", 27 * time.Minute, "Is the celadon glaze still in stock?", nil},
	}
}

// kinds is one message of every kind that a customer can send.
func kinds() []arrival {
	media := func(typ app.MessageType, mime, name string) func(*app.InboundMessage) {
		return func(m *app.InboundMessage) {
			m.Type = typ
			m.Media = []app.InboundMedia{{ProviderID: "p-" + typ.String(), MIME: mime, Name: name, Voice: typ == app.TypeVoice}}
		}
	}
	list := []arrival{
		{text: "Good morning"},
		{text: "I saw your advertisement", fill: func(m *app.InboundMessage) {
			m.Content.Referral = &app.Referral{
				URL: "https://fb.example/ad", Kind: "ad", Headline: "Bowls for cafés", Body: "Made by hand in Yogyakarta",
			}
		}},
		{text: "This one", fill: media(app.TypeImage, "image/jpeg", "")},
		{text: "", fill: media(app.TypeVideo, "video/mp4", "")},
		{text: "", fill: media(app.TypeAudio, "audio/mpeg", "")},
		{text: "", fill: media(app.TypeVoice, "audio/ogg; codecs=opus", "")},
		{text: "Our order", fill: media(app.TypeDocument, "application/pdf", "Order 2026-11.pdf")},
		{text: "", fill: media(app.TypeSticker, "image/webp", "")},
		{text: "Forwarded to you", fill: func(m *app.InboundMessage) { m.Forwarded = app.ForwardedOnce }},
		{text: "Chain letter", fill: func(m *app.InboundMessage) { m.Forwarded = app.ForwardedOften }},
		{text: "About this", fill: func(m *app.InboundMessage) { m.ReplyTo = "wamid.in.9" }},
		{text: "It is a bit to late"},
		{text: "It is a bit too late", fill: act(app.ActEdit, app.TypeEdit, 11)},
		{text: "Wrong chat, sorry"},
		{text: "", fill: act(app.ActRevoke, app.TypeRevoke, 13)},
		{text: "❤️", fill: act(app.ActReact, app.TypeReaction, 0)},
		{text: "👍", fill: act(app.ActReact, app.TypeReaction, 900)}, // of a message that kith does not hold
	}
	list = append(list, structured()...)
	for i := range list {
		list[i].who, list[i].ago = Kinds, time.Duration(130-2*i)*time.Minute
	}
	return list
}

// act makes a message do something to the nth message of kinds.
func act(a app.Action, typ app.MessageType, n int) func(*app.InboundMessage) {
	return func(m *app.InboundMessage) {
		m.Action, m.Type, m.Target = a, typ, fmt.Sprintf("wamid.in.%d", len(conversations())+n)
	}
}

func structured() []arrival {
	with := func(typ app.MessageType, c app.Content) func(*app.InboundMessage) {
		return func(m *app.InboundMessage) { m.Type, m.Content = typ, c }
	}
	return []arrival{
		{fill: with(app.TypeLocation, app.Content{Location: &app.Location{
			Latitude: -7.797, Longitude: 110.3705, Name: "Kedai Pagi", Address: "Jl. Malioboro 12, Yogyakarta", URL: "https://kedaipagi.example",
		}})},
		{fill: with(app.TypeContacts, app.Content{Cards: []app.Card{{
			Name: "Joko Susilo", Org: "Kedai Pagi", Phones: []string{"+62 812 5555 0199"}, Emails: []string{"joko@kedaipagi.example"},
			Addresses: []string{"Jl. Malioboro 12"}, URLs: []string{"https://kedaipagi.example"}, Birthday: "1990-05-01",
		}, {}}})},
		{fill: with(app.TypeChoice, app.Content{Choice: &app.Choice{Kind: "button", ID: "yes", Title: "Yes, please"}})},
		{fill: with(app.TypeChoice, app.Content{Choice: &app.Choice{
			Kind: "flow", Title: "Booking", Fields: []app.Field{{Name: "date", Value: "2026-11-28"}, {Name: "guests", Value: "12"}},
		}})},
		{fill: with(app.TypeOrder, app.Content{Text: "As discussed", Order: &app.Order{Catalog: "1", Items: []app.OrderItem{
			{Product: "Celadon bowl", Quantity: 12, Price: "46000", Currency: "IDR"},
			{Product: "Lid", Quantity: 12, Price: "9500", Currency: "IDR"},
		}}})},
		{fill: with(app.TypeText, app.Content{Text: "Is this one in stock?", Product: &app.Product{Catalog: "1", ID: "BOWL-40"}})},
		{fill: with(app.TypeCall, app.Content{Call: &app.Call{ID: "c1", Event: "terminate", Status: "COMPLETED", Seconds: 65}})},
		{fill: with(app.TypeCall, app.Content{Call: &app.Call{ID: "c2", Event: "terminate", Status: "FAILED"}})},
		{fill: with(app.TypeSystem, app.Content{System: "user_changed_number", Text: "Maya changed from one number to another"})},
		{fill: with(app.TypeUnsupported, app.Content{Code: 131051, Detail: "Message type is not currently supported"})},
		{fill: func(m *app.InboundMessage) {
			m.Direction, m.Origin, m.Status = app.Out, app.FromPhoneApp, app.StatusDelivered
			m.Content.Text = "Typed on the shop's own phone"
		}},
		{fill: func(m *app.InboundMessage) {
			m.Origin, m.Past, m.Content.Text = app.FromHistory, true, "Told by the network about the time before"
			m.At = Start.Add(-200 * time.Hour)
		}},
		{text: "That is all for today."},
	}
}
