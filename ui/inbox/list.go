// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"context"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/ui/component"
	"kith/ui/locale"
	"kith/ui/render"
)

// listView is what the list pane shows.
type listView struct {
	l       *locale.Locale
	f       filter
	now     time.Time
	counts  app.Counts
	inboxes []app.Inbox
	labels  []app.Label
	lines   []app.Line
	more    bool
	found   *foundView // of a search
	current app.ConversationID
}

// soon is when the countdown of a reply window appears in the list.
const soon = 2 * time.Hour

// list is the list that a request asks for, before it is read.
func (p *pages) list(c echo.Context, current app.ConversationID) *listView {
	return &listView{l: p.Locale(c), f: filterOf(c.QueryParams()), now: p.Now(), current: current}
}

// fill reads what the list shows.
func (p *pages) fill(ctx context.Context, a app.Actor, v *listView) (err error) {
	if v.counts, err = p.Desk.Counts(ctx, a); err != nil {
		return err
	}
	v.f.settle(v.counts)
	if v.inboxes, err = p.Desk.InboxesOf(ctx, a); err != nil {
		return err
	}
	if v.labels, err = p.Desk.Labels(ctx); err != nil {
		return err
	}
	if v.f.search != "" {
		if v.lines, err = p.search(ctx, a, v.f.search); err != nil {
			return err
		}
		v.found, err = p.hits(ctx, a, v)
		return err
	}
	lines, next, err := p.Desk.Conversations(ctx, a, v.f.query(a))
	v.lines, v.more = lines, next.ID != 0
	return err
}

// search finds conversations by the names, numbers and addresses of their contact.
func (p *pages) search(ctx context.Context, a app.Actor, text string) (lines []app.Line, err error) {
	people, err := p.Desk.SearchContacts(ctx, a, text, 20)
	if err != nil {
		return nil, err
	}
	for _, one := range people {
		found, _, err := p.Desk.Conversations(ctx, a, app.ConversationQuery{Contact: one.ID, Limit: 20})
		if err != nil {
			return nil, err
		}
		lines = append(lines, found...)
	}
	return lines, nil
}

// rows answers with the list alone; ?rows= says how many are shown.
func (p *pages) rows(c echo.Context, a app.Actor) error {
	id, _ := strconv.ParseUint(c.QueryParam("c"), 10, 64)
	v := p.list(c, app.ConversationID(id))
	if err := p.fill(c.Request().Context(), a, v); err != nil {
		return err
	}
	return render.Fragment(c, 200, v.partials()...)
}

// base is the path that shows this list and keeps the open conversation.
func (v *listView) base() string {
	if v.current != 0 {
		return Path(v.current)
	}
	return "/inbox"
}

// with returns the path of the list after a change of the filter.
func (v *listView) with(change func(*filter)) string {
	f := v.f
	change(&f)
	return f.path(v.base())
}

func (v *listView) tabs() []component.Tab {
	tab := func(key string, count int) component.Tab {
		path := v.with(func(f *filter) { f.tab, f.search = key, "" })
		t := component.Tab{
			Label: v.l.T("inbox.tab_" + key), Href: path, Current: v.f.tab == key && v.f.search == "",
			Attrs: swapList(path),
		}
		if !v.f.narrowed() {
			t.Count = v.l.Number(int64(count))
		}
		return t
	}
	return []component.Tab{
		tab(tabMine, v.counts.Mine), tab(tabUnassigned, v.counts.Unassigned), tab(tabAll, v.counts.All),
	}
}

// row makes what the list shows of a conversation.
func (v *listView) row(ln *app.Line) component.RowProps {
	id := strconv.FormatUint(uint64(ln.ID), 10)
	path := v.f.path(Path(ln.ID))
	r := component.RowProps{
		L: v.l, ID: "cv-" + id, Href: path, Name: nameOf(v.l, ln.Name), Initials: component.Initials(ln.Name),
		Hue: component.HueOf(strconv.FormatUint(uint64(ln.Contact), 10)), Channel: v.kind(ln.Inbox),
		Stamp: ln.LastAt.Time().Format(time.RFC3339), At: v.l.Stamp(ln.LastAt.Time(), v.now),
		Unread: int(ln.Unread), Current: ln.ID == v.current, Failed: ln.Failed, Attrs: openThread(path),
	}
	r.ChannelName = channelName(v.l, r.Channel)
	if ln.Last != nil {
		r.Snippet, r.Icon = snippet(v.l, ln.Last)
	}
	if ln.Failed {
		r.Snippet = v.l.T("inbox.not_sent_line", "what", r.Snippet)
	}
	r.Chips = v.chips(ln)
	return r
}

func (v *listView) chips(ln *app.Line) []component.ChipProps {
	var chips []component.ChipProps
	if left := ln.Window.Sub(v.now); ln.NeedsReply && left > 0 && left <= soon {
		chips = append(chips, component.ChipProps{
			Label: v.l.T("inbox.left", "time", v.l.Left(left)), Icon: "clock", Kind: component.Warn,
		})
	}
	for _, id := range ln.Labels {
		chips = append(chips, labelChip(v.labels, id))
	}
	if v.f.search != "" && ln.Status == app.Resolved {
		chips = append(chips, component.ChipProps{Label: v.l.T("inbox.resolved"), Icon: "check"})
	}
	return chips
}

func labelChip(all []app.Label, id uint32) component.ChipProps {
	kinds := [...]component.Kind{component.Violet, component.Info, component.Accent, component.OK}
	for _, one := range all {
		if one.ID == id {
			return component.ChipProps{Label: one.Name, Kind: kinds[int(one.Hue)%len(kinds)]}
		}
	}
	return component.ChipProps{Label: "#" + strconv.FormatUint(uint64(id), 10)}
}

func (v *listView) kind(id app.InboxID) string {
	for i := range v.inboxes {
		if v.inboxes[i].ID == id {
			return v.inboxes[i].Kind
		}
	}
	return ""
}

func nameOf(l *locale.Locale, name string) string {
	if name == "" {
		return l.T("inbox.no_name")
	}
	return name
}

func channelName(l *locale.Locale, kind string) string {
	if key := "inbox.channel_" + kind; l.Has(key) {
		return l.T(key)
	}
	return kind
}

// snippet is the last message in a few words, and the icon before it.
func snippet(l *locale.Locale, m *app.Message) (text, icon string) {
	icon = typeIcons[m.Type]
	switch {
	case m.RevokedAt != 0:
		return l.T("inbox.type_revoke"), "ban"
	case m.Type == app.TypeNote:
		return m.Content.Line(), icon
	case m.Type == app.TypeSystem:
		return systemLine(l, m), icon
	case m.Type == app.TypeCall:
		return callLine(l, m.Content.Call), icon
	}
	if text = m.Content.Line(); text == "" || m.Type == app.TypeUnsupported {
		text = l.T("inbox.type_" + m.Type.String())
	}
	if m.Direction == app.Out {
		icon = "corner-down-left"
	}
	return text, icon
}

// typeIcons stand before messages that are not plain text.
var typeIcons = map[app.MessageType]string{
	app.TypeImage: "image", app.TypeVideo: "video", app.TypeAudio: "volume-2", app.TypeVoice: "mic",
	app.TypeDocument: "file-text", app.TypeSticker: "smile", app.TypeLocation: "map-pin", app.TypeContacts: "circle-user",
	app.TypeOrder: "shopping-bag", app.TypeReaction: "smile", app.TypeCall: "phone", app.TypeSystem: "info",
	app.TypeUnsupported: "circle-help", app.TypeDamaged: "circle-help", app.TypeNote: "sticky-note", app.TypeRevoke: "ban", app.TypeTemplate: "layout-template",
}
