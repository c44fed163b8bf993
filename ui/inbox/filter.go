// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"net/url"
	"strconv"
	"strings"

	"kith/app"
)

// The tabs of the list.
const (
	tabMine       = "mine"
	tabUnassigned = "unassigned"
	tabAll        = "all"
)

const (
	pageRows = 50  // rows of the list that come at once
	mostRows = 500 // rows that stay alive on one page
)

// filter is which conversations the list shows. It lives in the address, so that a link shows the same list.
type filter struct {
	tab      string
	queue    app.Queue
	inbox    app.InboxID
	label    uint32
	resolved bool
	search   string
	rows     int
}

func filterOf(v url.Values) filter {
	f := filter{tab: v.Get("view"), search: strings.TrimSpace(v.Get("q")), rows: pageRows}
	switch q := app.Queue(v.Get("queue")); q {
	case app.QueueNeedsReply, app.QueueClosing, app.QueueFailed, app.QueueUnread:
		f.queue = q
	case app.QueueAll:
	}
	if n, err := strconv.ParseUint(v.Get("inbox"), 10, 64); err == nil {
		f.inbox = app.InboxID(n)
	}
	if n, err := strconv.ParseUint(v.Get("label"), 10, 32); err == nil {
		f.label = uint32(n)
	}
	f.resolved = v.Get("status") == app.Resolved.String()
	if n, err := strconv.Atoi(v.Get("rows")); err == nil && n > pageRows {
		f.rows = min(n, mostRows)
	}
	return f
}

// settle chooses a tab when the address names none: one's own conversations when there are any.
func (f *filter) settle(n app.Counts) {
	switch f.tab {
	case tabMine, tabUnassigned, tabAll:
		return
	}
	if f.tab = tabAll; n.Mine > 0 {
		f.tab = tabMine
	}
}

// path returns base with the filter as its query.
func (f *filter) path(base string) string {
	v := f.values()
	if len(v) == 0 {
		return base
	}
	return base + "?" + v.Encode()
}

func (f *filter) values() url.Values {
	v := url.Values{}
	set := func(key, value string) {
		if value != "" {
			v.Set(key, value)
		}
	}
	set("view", f.tab)
	set("queue", string(f.queue))
	set("q", f.search)
	if f.inbox != 0 {
		v.Set("inbox", strconv.FormatUint(uint64(f.inbox), 10))
	}
	if f.label != 0 {
		v.Set("label", strconv.FormatUint(uint64(f.label), 10))
	}
	if f.resolved {
		v.Set("status", app.Resolved.String())
	}
	return v
}

func (f *filter) query(a app.Actor) app.ConversationQuery {
	q := app.ConversationQuery{Status: app.Open, Inbox: f.inbox, Label: f.label, Queue: f.queue, Limit: f.rows, Watched: true}
	if f.resolved {
		q.Status = app.Resolved
	}
	switch f.tab {
	case tabMine:
		me := a.Agent()
		q.Assignee = &me
	case tabUnassigned:
		var nobody app.AgentID
		q.Assignee = &nobody
	}
	return q
}

// narrowed reports whether something beside the tab hides conversations.
func (f *filter) narrowed() bool {
	return f.queue != "" || f.inbox != 0 || f.label != 0 || f.resolved || f.search != ""
}
