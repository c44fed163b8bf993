// SPDX-License-Identifier: Apache-2.0

package live

import (
	"slices"
	"strconv"
	"strings"

	"kith/app"
)

// news is what several events come down to: each thing that changed is named once.
type news struct {
	count         int
	conversations []uint64
	contacts      []uint64
	inboxes       []uint64
}

func (n *news) add(e app.Event) {
	n.count++
	switch e.Kind {
	case app.MessageReceived, app.MessageQueued, app.MessageChanged, app.ConversationOpened, app.ConversationChanged:
		n.conversations = with(n.conversations, uint64(e.Conversation))
	case app.ContactChanged:
		n.contacts = with(n.contacts, uint64(e.Contact))
	case app.InboxChanged, app.NoticeAdded, app.UnreadableAdded:
		n.inboxes = with(n.inboxes, uint64(e.Inbox))
	}
}

func with(list []uint64, id uint64) []uint64 {
	if slices.Contains(list, id) {
		return list
	}
	return append(list, id)
}

// text writes the events of a stream. Only the last carries the id: a browser that is cut off in the middle is told
// everything again.
func (n *news) text(seq uint64) string {
	var b strings.Builder
	each(&b, "conversation-", n.conversations)
	each(&b, "contact-", n.contacts)
	if len(n.inboxes) > 0 {
		b.WriteString("event: channel\ndata: " + join(n.inboxes) + "\n\n")
	}
	if len(n.conversations)+len(n.contacts) > 0 {
		b.WriteString("event: conversation\ndata: " + join(n.conversations) + "\n\n")
	}
	b.WriteString("id: " + strconv.FormatUint(seq, 10) + "\n\n")
	return b.String()
}

func each(b *strings.Builder, name string, ids []uint64) {
	for _, id := range ids {
		b.WriteString("event: " + name + strconv.FormatUint(id, 10) + "\ndata:\n\n")
	}
}

func join(ids []uint64) string {
	parts := make([]string, len(ids))
	for i, id := range ids {
		parts[i] = strconv.FormatUint(id, 10)
	}
	return strings.Join(parts, " ")
}
