// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"slices"
	"time"
)

// timeline holds values that are due at an instant, earliest first; values due
// together keep the order in which they were added.
type timeline[T any] struct{ items []timed[T] }

type timed[T any] struct {
	due time.Time
	v   T
}

func (l *timeline[T]) add(due time.Time, v T) {
	i := len(l.items)
	for i > 0 && l.items[i-1].due.After(due) {
		i--
	}
	l.items = slices.Insert(l.items, i, timed[T]{due, v})
}

// ripe removes and returns what is due at now.
func (l *timeline[T]) ripe(now time.Time) []T {
	n := 0
	for n < len(l.items) && !l.items[n].due.After(now) {
		n++
	}
	if n == 0 {
		return nil
	}
	out := make([]T, n)
	for i := range n {
		out[i] = l.items[i].v
	}
	l.items = slices.Delete(l.items, 0, n)
	return out
}

// next returns when the earliest value is due.
func (l *timeline[T]) next() (time.Time, bool) {
	if len(l.items) == 0 {
		return time.Time{}, false
	}
	return l.items[0].due, true
}
