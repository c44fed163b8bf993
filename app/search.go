// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"kith/store"
)

// searchReach is how many messages one search opens at most: about half a second of work, for the transaction is open
// meanwhile. The index of a later issue takes the limit away.
const searchReach = 50_000

// Found is what a search through the messages gave.
type Found struct {
	Messages []Message // newest first
	// Back is the beginning of the oldest day that was searched; zero when everything was.
	Back time.Time
}

// SearchMessages finds the newest messages and notes that hold q, without regard to case, at most limit. It opens
// messages day by day and says in Found.Back how far it came.
func (d *Desk) SearchMessages(ctx context.Context, a Actor, q string, limit int) (f Found, err error) {
	q = folded(strings.TrimSpace(q))
	if q == "" {
		return f, invalid("q", "problem.search_empty", "Say what to look for.")
	}
	err = d.look(ctx, a, MayConverse, func(tx *store.Tx) error {
		left := searchReach
		for _, day := range newestFirst(messages.Days(tx)) {
			hits, err := searchDay(ctx, tx, day, q, &left)
			if err != nil {
				return err
			}
			f.Messages = append(f.Messages, hits...)
			if len(f.Messages) >= limit || left <= 0 {
				f.Back = day.Day.Time()
				break
			}
		}
		f.Messages = f.Messages[:min(limit, len(f.Messages))]
		return nil
	})
	return f, err
}

func searchDay(ctx context.Context, tx *store.Tx, day store.DayKey, q string, left *int) (hits []Message, err error) {
	err = messages.Every(tx, day, func(ref store.Ref, m *Message) error {
		if *left--; *left <= 0 {
			return store.ErrStop
		}
		if *left%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if m.RevokedAt == 0 && m.holds(q) {
			m.ID = MessageID(ref)
			hits = append(hits, *m)
		}
		return nil
	})
	slices.SortFunc(hits, func(a, b Message) int { return cmp.Compare(b.ID.Seq, a.ID.Seq) })
	return hits, err
}

// holds reports whether the folded words are in what people read of the message.
func (m *Message) holds(q string) bool {
	if strings.Contains(folded(m.Content.Text), q) {
		return true
	}
	if line := m.Content.Line(); line != m.Content.Text && strings.Contains(folded(line), q) {
		return true
	}
	return slices.ContainsFunc(m.Attachments, func(a Attachment) bool { return strings.Contains(folded(a.Name), q) })
}

var foldCase = cases.Fold()

// folded makes texts comparable: compatible characters alike, no case.
func folded(s string) string {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return foldCase.String(norm.NFKC.String(s))
		}
	}
	return strings.ToLower(s)
}
