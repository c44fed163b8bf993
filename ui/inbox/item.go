// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"kith/app"
	"kith/ui/component"
	"kith/ui/locale"
)

// item is one thing in a thread: exactly one of bubble, note and system is drawn.
type item struct {
	id     string
	day    string // a heading before it
	fresh  bool   // the line "new messages" before it
	bubble *component.BubbleProps
	body   templ.Component
	note   *component.NoteProps
	icon   string // of a system line
	line   string
	at     string
	old    []version
}

// version is an earlier text of an edited message.
type version struct{ text, at string }

// thread makes items of messages.
type itemMaker struct {
	l      *locale.Locale
	now    time.Time
	name   string // of the contact
	agents map[app.AgentID]string
	quoted map[app.MessageID]*app.Message
	fresh  app.MessageID // the first message that nobody has seen
}

// run is how far apart messages of one person may be and still belong together.
const run = 3 * time.Minute

func (k *itemMaker) items(list []app.Message) []item {
	out := make([]item, 0, len(list))
	for i := range list {
		m := &list[i]
		it := k.item(m)
		if i == 0 || !sameDay(k.l, &list[i-1], m) {
			it.day = k.l.Day(m.At.Time(), k.now)
		}
		it.fresh = m.ID == k.fresh
		if it.bubble != nil {
			it.bubble.First = i == 0 || it.day != "" || it.fresh || !together(&list[i-1], m)
			it.bubble.Last = i == len(list)-1 || !together(m, &list[i+1]) || !sameDay(k.l, m, &list[i+1])
		}
		out = append(out, it)
	}
	return out
}

func sameDay(l *locale.Locale, a, b *app.Message) bool {
	x, y := a.At.Time().In(l.Zone()), b.At.Time().In(l.Zone())
	return x.YearDay() == y.YearDay() && x.Year() == y.Year()
}

func together(a, b *app.Message) bool {
	return a.Direction == b.Direction && a.Agent == b.Agent && a.Origin == b.Origin && !isLine(a) && !isLine(b) &&
		a.Status == b.Status && b.At.Time().Sub(a.At.Time()) <= run
}

// isLine reports whether the message is drawn as a line across the thread.
func isLine(m *app.Message) bool {
	switch m.Type {
	case app.TypeSystem, app.TypeCall, app.TypeReaction, app.TypeRevoke, app.TypeNote:
		return true
	default:
		return false
	}
}

func domID(id app.MessageID) string { return "m-" + strings.ReplaceAll(id.String(), ".", "-") }

func (k *itemMaker) item(m *app.Message) item {
	it := item{id: domID(m.ID), at: k.l.Time(m.At.Time())}
	switch m.Type {
	case app.TypeNote:
		it.note = &component.NoteProps{
			L: k.l, ID: it.id, Who: k.author(m), At: it.at, Stamp: stamp(m.At), Text: m.Content.Text,
		}
	case app.TypeSystem:
		it.icon, it.line = systemIcon(m), systemLine(k.l, m)
	case app.TypeCall:
		it.icon, it.line = "phone", callLine(k.l, m.Content.Call)
	case app.TypeReaction:
		it.icon, it.line = "smile", k.l.T("inbox.orphan_reaction", "name", k.author(m), "emoji", m.Content.Text)
	case app.TypeRevoke:
		it.icon, it.line = "ban", k.l.T("inbox.orphan_revoke", "name", k.author(m))
	default:
		it.bubble, it.body = k.bubble(m), k.body(m)
		for _, v := range m.Versions {
			it.old = append(it.old, version{v.Text, k.l.Time(v.At.Time())})
		}
	}
	return it
}

func stamp(i app.Instant) string { return i.Time().Format(time.RFC3339) }

// author is who wrote a message, in words.
func (k *itemMaker) author(m *app.Message) string {
	switch {
	case m.Direction == app.In:
		return nameOf(k.l, k.name)
	case m.Agent != 0:
		return k.agent(m.Agent)
	case m.Origin == app.FromPhoneApp:
		return k.l.T("inbox.origin_phone")
	case m.Origin == app.FromHistory:
		return k.l.T("inbox.origin_history")
	}
	return k.l.T("inbox.origin_api")
}

func (k *itemMaker) agent(id app.AgentID) string {
	if name, ok := k.agents[id]; ok {
		return name
	}
	return k.l.T("inbox.somebody")
}

func (k *itemMaker) bubble(m *app.Message) *component.BubbleProps {
	p := &component.BubbleProps{
		L: k.l, ID: domID(m.ID), Out: m.Direction == app.Out, At: k.l.Time(m.At.Time()), Stamp: stamp(m.At),
		Status: statusOf(m.Status), Forwarded: m.Forwarded == app.ForwardedOnce,
		ForwardedOften: m.Forwarded == app.ForwardedOften, Edited: len(m.Versions) > 0, Revoked: m.RevokedAt != 0,
		Quote: k.quote(m), Menu: k.menu(m),
	}
	if p.Out || m.Origin == app.FromHistory {
		p.Who = k.author(m)
	}
	if m.Origin == app.FromHistory && !p.Out {
		p.Who = k.l.T("inbox.origin_history")
	}
	if m.Status == app.StatusCancelled {
		p.At = k.l.T("inbox.cancelled", "time", p.At)
	}
	if r := m.Content.Referral; r != nil {
		p.Referral = &component.Referral{Title: r.Headline, Text: r.Body, Source: host(r.URL), Href: webLink(r.URL)}
		if p.Referral.Title == "" {
			p.Referral.Title = k.l.T("inbox.ad_" + kindOfReferral(r.Kind))
		}
	}
	for _, r := range m.Reactions {
		who := nameOf(k.l, k.name)
		if r.Agent == app.Business {
			who = k.l.T("inbox.us")
		} else if r.Agent != 0 {
			who = k.agent(r.Agent)
		}
		p.Reactions = append(p.Reactions, component.Reaction{Emoji: r.Emoji, Who: who})
	}
	k.troubles(p, m)
	return p
}

func kindOfReferral(kind string) string {
	if kind == "post" {
		return kind
	}
	return "ad"
}

// troubles says why a message did not get through and offers what can be done.
func (k *itemMaker) troubles(p *component.BubbleProps, m *app.Message) {
	if m.Status != app.StatusFailed && m.Status != app.StatusUnknown {
		return
	}
	again := act(component.ButtonProps{Label: k.l.T("inbox.send_again")}, messagePath(m.ID)+"/resend")
	switch m.Status {
	case app.StatusFailed:
		p.Failure, p.Remedies = failureText(k.l, m.Failure), []component.ButtonProps{again}
		if m.Failure != nil && m.Failure.Advice == "advice.template" {
			template := component.ButtonProps{Label: k.l.T("inbox.templates"), Href: Path(m.ID.Conversation()) + "/templates"}
			p.Remedies = []component.ButtonProps{template, again}
		}
	case app.StatusUnknown:
		p.Failure, p.Remedies = k.l.T("inbox.unknown"), []component.ButtonProps{again}
	default:
	}
}

// act makes a button post to path, with and without script.
func act(b component.ButtonProps, path string) component.ButtonProps {
	b.Submit = true
	b.Attrs = component.Pairs("form", "act", "formaction", path, "hx-include", "#thread-state", "hx-post", path, "hx-swap", "none")
	return b
}

// failureText is the network's reason and what to do about it.
func failureText(l *locale.Locale, f *app.Failure) string {
	if f == nil {
		return l.T("inbox.not_sent")
	}
	text := l.T("inbox.not_sent")
	if f.Title != "" {
		text = l.T("inbox.not_sent_because", "reason", strings.TrimRight(f.Title, "."))
	}
	if f.Code != 0 {
		text = l.T("inbox.with_code", "text", text, "code", strconv.Itoa(f.Code))
	}
	if l.Has(f.Advice) {
		return l.T("inbox.two_sentences", "first", text, "second", l.T(f.Advice))
	}
	return text
}

// pausedText is why an inbox sends nothing, and what to do about it.
func pausedText(l *locale.Locale, f *app.Failure) string {
	if l.Has(f.Advice) {
		return l.T(f.Advice)
	}
	return f.Title
}

func (k *itemMaker) menu(m *app.Message) []component.MenuItem {
	path := messagePath(m.ID)
	items := []component.MenuItem{}
	if m.ExternalID != "" && m.RevokedAt == 0 {
		reply := Path(m.ID.Conversation()) + "?reply=" + m.ID.String() + "#composer"
		items = append(items, component.MenuItem{
			Label: k.l.T("inbox.reply_to"), Icon: "reply", Href: reply, Attrs: component.Pairs(
				"hx-get", Path(m.ID.Conversation())+"/composer?reply="+m.ID.String(),
				"hx-include", "#thread-state", "hx-swap", "outerHTML", "hx-target", "#composer",
			),
		})
	}
	if m.Status == app.StatusQueued {
		items = append(items, component.MenuItem{
			Label: k.l.T("inbox.cancel"), Icon: "x", Attrs: component.Pairs("hx-include", "#thread-state", "hx-post", path+"/cancel", "hx-swap", "none"),
		})
	}
	return append(items, component.MenuItem{
		Label: k.l.T("inbox.details"), Icon: "info", Href: path, Attrs: component.Pairs("data-dialog", "message", "hx-get", path, "hx-swap", "innerHTML", "hx-target", "#message-in"),
	})
}

func (k *itemMaker) quote(m *app.Message) *component.Quote {
	if m.ReplyToID == "" && m.ReplyTo.Seq == 0 {
		return nil
	}
	q, ok := k.quoted[m.ReplyTo]
	if !ok {
		return &component.Quote{Name: k.l.T("inbox.earlier"), Text: k.l.T("inbox.quote_missing")}
	}
	return k.quoteOf(q)
}

func (k *itemMaker) quoteOf(q *app.Message) *component.Quote {
	text, icon := snippet(k.l, q)
	if q.Direction == app.Out {
		icon = typeIcons[q.Type]
	}
	return &component.Quote{Name: k.author(q), Text: text, Icon: icon, Href: "#" + domID(q.ID)}
}

func statusOf(s app.Status) component.Status {
	switch s {
	case app.StatusQueued, app.StatusSending:
		return component.Queued
	case app.StatusSent:
		return component.Sent
	case app.StatusDelivered:
		return component.Delivered
	case app.StatusRead, app.StatusPlayed:
		return component.Read
	case app.StatusFailed:
		return component.Failed
	case app.StatusUnknown:
		return component.Unknown
	case app.StatusNone, app.StatusCancelled:
	}
	return ""
}

func systemLine(l *locale.Locale, m *app.Message) string {
	if key := "channel.system." + m.Content.System; l.Has(key) {
		return l.T(key)
	}
	if key := "inbox.system_" + m.Content.System; l.Has(key) {
		return l.T(key)
	}
	if m.Content.Text != "" {
		return m.Content.Text
	}
	return l.T("inbox.type_system")
}

func systemIcon(m *app.Message) string {
	switch m.Content.System {
	case "marketing_stopped":
		return "hand"
	case "marketing_resumed":
		return "megaphone"
	case "user_changed_number", "user_changed_user_id":
		return "refresh-cw"
	}
	return "info"
}

func callLine(l *locale.Locale, c *app.Call) string {
	switch {
	case c == nil:
		return l.T("inbox.type_call")
	case c.Seconds > 0:
		return l.T("inbox.call_length", "length", l.Length(time.Duration(c.Seconds)*time.Second))
	case c.Event == "connect" && !c.Outgoing:
		return l.T("inbox.call_incoming")
	}
	return l.T("inbox.call_missed")
}
