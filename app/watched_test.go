// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kith/app"
)

// TestWatchedFindsTheSame: a list that may end early shows what the whole walk shows.
func TestWatchedFindsTheSame(t *testing.T) {
	w := newWorld(t)
	for i := range 30 {
		p := app.Person{Name: fmt.Sprint("P", i), Identities: []app.Identity{{Kind: app.IdentityBSUID, Value: fmt.Sprint("ID.", 100+i)}}}
		w.receive(text(p, fmt.Sprint("w", i), "hello", i))
	}
	me, nobody := w.agent.Agent(), app.AgentID(0)
	resolved := app.Resolved
	for i, l := range w.lines() {
		if i%5 == 0 {
			w.must(w.desk.ChangeConversation(w.ctx(), w.agent, l.ID, app.ConversationChange{Assignee: &me}))
		}
		if i%7 == 0 {
			w.must(w.desk.ChangeConversation(w.ctx(), w.agent, l.ID, app.ConversationChange{Status: &resolved}))
		}
		if i%3 == 0 {
			w.must(w.desk.MarkSeen(w.ctx(), w.agent, l.ID))
		}
	}
	ids := func(q app.ConversationQuery) (out []app.ConversationID, more bool) {
		lines, next, err := w.desk.Conversations(w.ctx(), w.agent, q)
		w.must(err)
		for _, l := range lines {
			out = append(out, l.ID)
		}
		return out, next.ID != 0
	}
	for _, st := range []app.ConversationStatus{0, app.Open, app.Resolved} {
		for _, who := range []*app.AgentID{nil, &me, &nobody} {
			for _, queue := range []app.Queue{app.QueueAll, app.QueueNeedsReply, app.QueueUnread, app.QueueFailed, app.QueueClosing} {
				for _, limit := range []int{3, 100} {
					q := app.ConversationQuery{Status: st, Assignee: who, Queue: queue, Limit: limit}
					all, moreAll := ids(q)
					q.Watched = true
					quick, moreQuick := ids(q)
					if d := cmp.Diff(all, quick); d != "" || moreAll != moreQuick {
						t.Errorf("%v %v %q %d: %t %t %s", st, who, queue, limit, moreAll, moreQuick, d)
					}
				}
			}
		}
	}
}
