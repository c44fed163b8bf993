// SPDX-License-Identifier: Apache-2.0

// Package gallery shows every component in every state on one page. It is
// where a change of looks is judged, and its golden file is how a change that
// nobody wanted is noticed. Its sample words are in the catalogue too, so the
// pseudo language finds any text that is not.
package gallery

import (
	"time"

	"github.com/a-h/templ"

	"kith/ui/component"
	"kith/ui/layout"
	"kith/ui/locale"
)

// Page draws the gallery in the theme of the system.
func Page(l *locale.Locale) templ.Component { return Themed(l, "system") }

// Themed draws the gallery in a theme: system, light or dark.
func Themed(l *locale.Locale, theme string) templ.Component {
	s := sample{l}
	return page(s, layout.View{
		Title: s.t("title"), Locale: l, Theme: theme, Path: "/gallery",
		Agent: layout.Agent{Name: s.t("agent"), Initials: "42", Hue: 1, SignOut: "/gallery"},
		Flash: layout.Notice{Text: s.t("toast_resolved")},
		Nav: []layout.NavItem{
			{Path: "/inbox", Icon: "inbox", Label: "layout.inbox", Count: 3, Current: true},
			{Path: "/contacts", Icon: "users", Label: "layout.contacts"},
			{Path: "/settings", Icon: "settings", Label: "layout.settings", Foot: true},
		},
	})
}

// sample makes example arguments, with words from the catalogue.
type sample struct{ l *locale.Locale }

func (s sample) t(key string) string { return s.l.T("gallery." + key) }

// moment is when everything in the gallery happens.
var moment = time.Date(2026, 11, 20, 10, 42, 0, 0, time.UTC)

func (s sample) at() string { return s.l.Time(moment) }

func (s sample) bubble(id string, out bool) component.BubbleProps {
	p := component.BubbleProps{
		L: s.l, ID: "m-" + id, Out: out, First: true, Last: true,
		At: s.at(), Stamp: moment.Format(time.RFC3339),
	}
	if out {
		p.Who, p.Status = s.t("agent"), component.Read
	}
	return p
}

func (s sample) with(p component.BubbleProps, change func(*component.BubbleProps)) component.BubbleProps {
	change(&p)
	return p
}

func (s sample) states() []component.Status {
	return []component.Status{
		component.Queued, component.Sent, component.Delivered,
		component.Read, component.Failed, component.Unknown,
	}
}

func (s sample) status(st component.Status) component.BubbleProps {
	p := s.bubble(string(st), true)
	p.Status = st
	if st == component.Failed {
		p.Failure = s.t("failure")
		p.Remedies = []component.ButtonProps{{Label: s.t("send_link")}, {Label: s.t("retry")}}
	}
	return p
}

func (s sample) media(src string) component.MediaProps {
	return component.MediaProps{
		L: s.l, Src: src, Alt: s.t("picture_alt"), Caption: s.t("caption"),
		Name: s.t("document"), Detail: s.l.Bytes(1_200_000), Length: s.l.Length(24 * time.Second),
	}
}

func (s sample) menu() []component.MenuItem {
	return []component.MenuItem{
		{Label: s.t("reply"), Icon: "reply", Key: "R"},
		{Label: s.t("copy_text"), Icon: "copy", Current: true},
		{Label: s.t("delete"), Icon: "trash-2", Danger: true, Line: true},
	}
}

func (s sample) rows() []component.RowProps {
	row := func(id, name string, hue int, channel string) component.RowProps {
		return component.RowProps{
			L: s.l, ID: "cv-" + id, Href: "/inbox?c=" + id, Name: s.t(name), Initials: "7" + id,
			Hue: hue, Channel: channel, ChannelName: s.t("channel_" + channel), At: s.at(),
			Stamp: moment.Format(time.RFC3339), Snippet: s.t("text_in"),
		}
	}
	first, second, third, fourth := row("1", "person_1", 1, "whatsapp"), row("2", "person_2", 4, "whatsapp"), row("3", "person_3", 6, "instagram"), row("4", "person_4", 2, "email")
	first.Unread, first.Current = 2, true
	first.Chips = []component.ChipProps{
		{Label: s.l.T("component.window_minutes", "minutes", 47), Icon: "clock", Kind: component.Warn},
		{Label: s.t("wholesale"), Kind: component.Violet},
	}
	second.Icon, second.Snippet = "corner-down-left", s.t("text_out")
	third.Failed, third.Snippet, third.Unread = true, s.t("failure"), 120
	fourth.Icon, fourth.Snippet = "mic", s.t("long")
	return []component.RowProps{first, second, third, fourth}
}

func (s sample) window(left time.Duration) *component.Window {
	return &component.Window{L: s.l, Left: left, Total: 24 * time.Hour}
}

func (s sample) composer() component.ComposerProps {
	return component.ComposerProps{
		L: s.l, Action: "/gallery", Name: s.t("person_1"), Channel: s.t("channel_whatsapp"),
		Window: s.window(47 * time.Minute), Accept: "image/*", TemplatesPath: "/gallery?templates=1",
		Saved: []component.SavedReply{{Short: s.t("short"), Text: s.t("text_out")}},
	}
}

func (s sample) note() component.ComposerProps {
	p := s.composer()
	p.Note, p.Window, p.Draft, p.Saved = true, nil, s.t("note"), nil
	return p
}

func (s sample) answering() component.ComposerProps {
	p := s.composer()
	p.Window = s.window(23*time.Hour + 5*time.Minute)
	p.Reply = &component.Quote{Name: s.t("person_1"), Text: s.t("long")}
	p.ReplyID, p.CancelReply, p.Error, p.Saved = "1", "/gallery", s.t("field_error"), nil
	return p
}

func (s sample) closed() component.ClosedProps {
	choice := func(id string, vars ...component.TemplateVar) component.TemplateChoice {
		return component.TemplateChoice{ID: id, Name: s.t("template_" + id), Text: s.t("template_text"), Meta: s.t("template_meta"), Vars: vars}
	}
	return component.ClosedProps{
		L: s.l, Action: "/gallery", Name: s.t("person_2"), Channel: s.t("channel_whatsapp"), AllPath: "/gallery?all=1",
		Templates: []component.TemplateChoice{
			choice("1", component.TemplateVar{Name: "var_1", Label: s.t("field_label"), Value: s.t("person_2")}),
			choice("2"), choice("3"),
		},
	}
}

func (s sample) choice() component.ChoiceProps {
	return component.ChoiceProps{
		L: s.l, Kind: s.t("template_kind"), Icon: "layout-template", Header: s.t("template_1"),
		Text: s.t("template_text"), Footer: s.t("footer"),
		Buttons: []component.Choice{{Label: s.t("track"), Icon: "arrow-up-right"}, {Label: s.t("call"), Icon: "phone"}},
	}
}
