// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"fmt"
	"strings"
	"time"

	"kith/app/channel/simulator"
	"kith/ui/component"
	"kith/ui/layout"
	"kith/ui/locale"
)

// screen is everything the page shows, read from the world at one moment.
type screen struct {
	view    layout.View
	l       *locale.Locale
	now     time.Time
	phones  []simulator.Phone
	phone   simulator.Phone
	thread  []simulator.Bubble
	chaos   simulator.Chaos
	trouble simulator.Trouble
	left    int
	posts   []simulator.Delivery

	quote                  *component.Quote
	replyID, editID, draft string
}

// most is how many messages of a thread the page shows.
const most = 120

func (s site) screen(v layout.View, customer string) screen {
	p := screen{view: v, l: v.Locale, now: s.Now(), phones: s.World.Customers(), chaos: s.World.Chaos(), posts: s.World.Deliveries()}
	p.phone, _ = s.World.Customer(customer)
	p.thread = s.World.Thread(customer)
	p.thread = p.thread[max(0, len(p.thread)-most):]
	p.trouble, p.left = s.World.Trouble()
	return p
}

// compose puts the message that is answered or edited above the composer.
func (p *screen) compose(reply, edit string) {
	for _, b := range p.thread {
		if b.ID == reply {
			p.replyID, p.quote = reply, p.quoteOf(b)
		}
		if b.ID == edit && p.editable(b) {
			p.editID, p.draft, p.quote = edit, b.Text, p.quoteOf(b)
		}
	}
}

func (p screen) quoteOf(b simulator.Bubble) *component.Quote {
	return &component.Quote{Name: p.author(b.Mine), Text: p.gist(b), Icon: kindIcon(b)}
}

func (p screen) author(mine bool) string {
	if mine {
		return p.phone.Name
	}
	return p.l.T("simulator.business")
}

// quoted is the message that another one answers, as it is now.
func (p screen) quoted(q simulator.Quote) *component.Quote {
	for _, b := range p.thread {
		if b.ID == q.ID {
			out := p.quoteOf(b)
			out.Href = "#" + domID(q.ID)
			return out
		}
	}
	return &component.Quote{Name: p.author(q.Mine), Text: q.Text}
}

// gist is a message in a few words.
func (p screen) gist(b simulator.Bubble) string {
	switch {
	case b.Revoked:
		return p.l.T("simulator.revoked")
	case b.Kind == "unsupported":
		return p.l.T("simulator.kind_unsupported")
	case b.Text != "":
		return b.Text
	case b.Contact != nil:
		return b.Contact.Name
	case b.Location != nil && b.Location.Name != "":
		return b.Location.Name
	case b.Media != nil && b.Media.Voice:
		return p.l.T("simulator.kind_voice")
	}
	return p.l.T("simulator.kind_" + b.Kind)
}

func kindIcon(b simulator.Bubble) string {
	switch {
	case b.Media != nil && b.Media.Voice:
		return "mic"
	case b.Kind == "audio":
		return "volume-2"
	}
	return map[string]string{
		"image": "image", "video": "video", "document": "file-text", "sticker": "smile", "location": "map-pin",
		"contact": "user", "order": "shopping-bag", "system": "smartphone", "unsupported": "circle-help",
	}[b.Kind]
}

// row is a customer in the list.
func (p screen) row(c simulator.Phone) component.RowProps {
	r := component.RowProps{
		L: p.l, ID: "sim-" + c.ID, Href: PhonePath(c.ID), Name: c.Name, Initials: component.Initials(c.Name), Hue: component.HueOf(c.ID),
		Unread: c.Unread, Current: c.ID == p.phone.ID, Snippet: p.origin(c.Customer),
	}
	if c.Last != nil {
		r.At, r.Stamp = p.l.Stamp(c.Last.At, p.now), stamp(c.Last.At)
		r.Snippet, r.Icon = p.gist(*c.Last), kindIcon(*c.Last)
	}
	if c.Typing {
		r.Snippet, r.Icon = p.l.T("simulator.typing"), ""
	}
	if c.Private {
		r.Chips = append(r.Chips, component.ChipProps{Label: p.l.T("simulator.no_number"), Icon: "eye-off"})
	}
	if c.Offline {
		r.Chips = append(r.Chips, component.ChipProps{Label: p.l.T("simulator.offline"), Icon: "wifi-off", Kind: component.Warn})
	}
	return r
}

// origin says where a customer is reached, before anything was written.
func (p screen) origin(c simulator.Customer) string {
	if c.Private {
		return "@" + c.Username
	}
	return "+" + c.Phone
}

// bubble is a message on the phone: what its owner wrote stands at the end.
func (p screen) bubble(i int) component.BubbleProps {
	b := p.thread[i]
	props := component.BubbleProps{
		L: p.l, ID: domID(b.ID), Out: b.Mine, At: p.l.Time(b.At), Stamp: stamp(b.At),
		First: i == 0 || p.thread[i-1].Mine != b.Mine, Last: true, Forwarded: b.Forwarded, Edited: b.Edited, Revoked: b.Revoked,
	}
	if b.Mine {
		props.Status = map[simulator.Ticks]component.Status{
			simulator.TicksWaiting: component.Queued,
			simulator.TicksSent:    component.Sent, simulator.TicksDelivered: component.Delivered, simulator.TicksRead: component.Read,
		}[b.Ticks]
	}
	if b.Quote != nil && !b.Revoked {
		props.Quote = p.quoted(*b.Quote)
	}
	if b.Ad != "" {
		props.Referral = &component.Referral{Title: b.Ad}
	}
	if b.Mood != "" {
		props.Reactions = append(props.Reactions, component.Reaction{Emoji: b.Mood, Who: p.phone.Name})
	}
	if b.Reaction != "" {
		props.Reactions = append(props.Reactions, component.Reaction{Emoji: b.Reaction, Who: p.l.T("simulator.business")})
	}
	if !b.Revoked {
		props.Menu = p.menu(b)
	}
	return props
}

// domID makes an element id of a message id, which holds characters of base64.
func domID(id string) string {
	return "m-" + strings.NewReplacer("wamid.", "", "+", "-", "/", "_", "=", "").Replace(id)
}

func (p screen) editable(b simulator.Bubble) bool {
	if !b.Mine || b.Revoked {
		return false
	}
	return b.Kind == "text" || b.Kind == "image" || b.Kind == "video" || b.Kind == "document"
}

// menu are the acts on a message.
func (p screen) menu(b simulator.Bubble) []component.MenuItem {
	post := func(act, vals string) component.Attrs {
		return component.Pairs("hx-post", to(p.phone.ID, act), "hx-swap", "none", "hx-vals", vals)
	}
	items := []component.MenuItem{
		{Label: p.l.T("simulator.reply"), Icon: "reply", Href: PhonePath(p.phone.ID) + "?reply=" + escape(b.ID)},
	}
	for _, emoji := range []string{"👍", "❤️", "😂"} {
		if b.Mood == emoji {
			emoji = ""
		}
		label := p.l.T("simulator.react", "emoji", emoji)
		if emoji == "" {
			label = p.l.T("simulator.unreact")
		}
		items = append(items, component.MenuItem{Label: label, Icon: "smile", Attrs: post("react", vals("message", b.ID, "emoji", emoji))})
	}
	if p.editable(b) {
		items = append(items, component.MenuItem{Label: p.l.T("simulator.edit"), Icon: "pencil", Line: true, Href: PhonePath(p.phone.ID) + "?edit=" + escape(b.ID)})
	}
	if b.Mine && b.Kind != "system" {
		items = append(items, component.MenuItem{Label: p.l.T("simulator.revoke"), Icon: "trash-2", Danger: true, Attrs: post("revoke", vals("message", b.ID))})
	}
	return items
}

// file describes the media of a message.
func (p screen) file(b simulator.Bubble) component.MediaProps {
	m := component.MediaProps{
		L: p.l, Caption: b.Text, Name: b.Media.Filename, Alt: p.l.T("simulator.alt_"+mediaKind(b), "name", p.author(b.Mine)),
		Detail: p.l.Bytes(int64(b.Media.Size)),
	}
	if b.Media.Length > 0 {
		m.Length = p.l.Length(b.Media.Length)
	}
	if b.Media.Link != "" {
		m.Lost = p.l.T("simulator.by_link", "link", b.Media.Link)
		return m
	}
	m.Src = mediaPath(b.Media.ID)
	if m.Name == "" {
		m.Name = p.l.T("simulator.kind_document")
	}
	return m
}

// mediaKind is what the media of a message is: templates and interactive
// messages carry it above their text.
func mediaKind(b simulator.Bubble) string {
	switch b.Kind {
	case "image", "video", "audio", "document", "sticker":
		return b.Kind
	}
	switch kind, _, _ := strings.Cut(b.Media.MIME, "/"); kind {
	case "image", "video":
		return kind
	}
	return "document"
}

func (p screen) place(b simulator.Bubble) component.LocationProps {
	return component.LocationProps{
		L: p.l, Name: b.Location.Name, Address: b.Location.Address,
		Position: fmt.Sprintf("%.4f, %.4f", b.Location.Latitude, b.Location.Longitude),
	}
}

func card(c simulator.Contact) []component.Card {
	out := component.Card{Name: c.Name, Initials: component.Initials(c.Name), Hue: component.HueOf(c.Name), Org: c.Company}
	if c.Phone != "" {
		out.Lines = []component.CardLine{{Icon: "phone", Value: c.Phone}}
	}
	return []component.Card{out}
}

// order is a basket in words: its lines and its total.
func (p screen) order(o simulator.Order) ([]component.OrderLine, string) {
	lines := make([]component.OrderLine, 0, len(o.Items))
	sum, currency := 0.0, ""
	for _, it := range o.Items {
		sum += it.Price * float64(it.Quantity)
		currency = it.Currency
		lines = append(lines, component.OrderLine{
			Name: it.Product, Quantity: "× " + p.l.Number(int64(it.Quantity)), Price: it.Currency + " " + p.l.Decimal(it.Price, 2),
		})
	}
	return lines, currency + " " + p.l.Decimal(sum, 2)
}
