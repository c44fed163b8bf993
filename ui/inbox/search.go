// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"context"
	"strconv"
	"time"

	"kith/app"
	"kith/store"
	"kith/ui/component"
)

// foundView is what a search through the messages gave.
type foundView struct {
	hits     []hit
	problem  string // why the search could not be read
	more     bool
	progress *store.IndexProgress // while the index is being built
}

// hit is a message that was found.
type hit struct {
	line   app.Line
	m      *app.Message
	pieces []app.Piece
}

// excerptLength is how many characters of a message a hit shows: two lines of the list.
const excerptLength = 90

// hits finds the messages that a search is about. What cannot be read as a search is said in the list, for it is typed
// letter by letter.
func (p *pages) hits(ctx context.Context, a app.Actor, v *listView) (*foundView, error) {
	q := app.SearchQuery{Text: v.f.search, Inbox: v.f.inbox, Limit: v.f.rows}
	found, err := p.Desk.SearchMessages(ctx, a, q)
	if err != nil {
		text, ok := p.Problem(v.l, err)
		if !ok {
			return nil, err
		}
		return &foundView{problem: text}, nil
	}
	f := &foundView{more: found.Next.Seq != 0}
	lines := map[app.ConversationID]app.Line{}
	for i := range found.Messages {
		m := &found.Messages[i]
		line, known := lines[m.ID.Conversation()]
		if !known {
			if line, err = p.Desk.Conversation(ctx, a, m.ID.Conversation()); err != nil {
				if _, ok := p.Problem(v.l, err); ok {
					continue // erased meanwhile
				}
				return nil, err
			}
			lines[line.ID] = line
		}
		f.hits = append(f.hits, hit{line, m, found.Excerpt(m, excerptLength)})
	}
	if found.Building {
		progress, err := p.Desk.SearchProgress(ctx)
		if err != nil {
			return nil, err
		}
		f.progress = &progress
	}
	return f, nil
}

// hitPath opens the conversation at the message.
func (v *listView) hitPath(h *hit) string {
	values := v.f.values()
	values.Set("from", h.m.ID.String())
	return Path(h.line.ID) + "?" + values.Encode()
}

// hitRow is a hit without its words, which are drawn apart.
func (v *listView) hitRow(h *hit) component.RowProps {
	r := component.RowProps{
		L: v.l, ID: "hit-" + domID(h.m.ID), Name: nameOf(v.l, h.line.Name), Initials: component.Initials(h.line.Name),
		Hue: component.HueOf(strconv.FormatUint(uint64(h.line.Contact), 10)), Channel: v.kind(h.line.Inbox),
		Stamp: h.m.At.Time().Format(time.RFC3339), At: v.l.Stamp(h.m.At.Time(), v.now), Icon: typeIcons[h.m.Type],
	}
	r.ChannelName = channelName(v.l, r.Channel)
	if h.m.Direction == app.Out {
		r.Icon = "corner-down-left"
	}
	return r
}

// noHits says that nothing was found, and what to try.
func (v *listView) noHits() component.EmptyProps {
	return component.EmptyProps{Icon: "search", Title: v.l.T("inbox.empty_filter"), Text: v.l.T("inbox.found_nothing")}
}
