// SPDX-License-Identifier: Apache-2.0

package simulator

import "time"

// Chaos says how unruly the network is. Chances run from 0 to 1. Disorder
// needs no chance of its own: it follows from delays that differ.
type Chaos struct {
	MinDelay, MaxDelay time.Duration // between an event and its webhook
	Duplicate          float64       // that a webhook answered with 200 comes again
	Batch              float64       // that a webhook waits to be joined with others
	SkipDelivered      float64       // that a message read at once gets no "delivered"
	AutoRead           float64       // that a customer reads without the phone being open on the page
	Unlimited          bool          // no pair rate and no number rate
}

// Calm is a network without surprises: at once, in order, once each.
func Calm() Chaos { return Chaos{} }

// Lively is a network as it is on a busy day.
func Lively() Chaos {
	return Chaos{
		MinDelay: 50 * time.Millisecond, MaxDelay: 1200 * time.Millisecond,
		Duplicate: 0.12, Batch: 0.2, SkipDelivered: 0.3, AutoRead: 0.15,
	}
}

// steady reports that webhooks must keep their order.
func (c Chaos) steady() bool { return c.MaxDelay == 0 }

// chance draws a yes with probability p. The lock is held.
func (w *World) chance(p float64) bool { return p > 0 && w.rnd.Float64() < p }

// delay draws how long a webhook takes to leave. The lock is held.
func (w *World) delay() time.Duration {
	low, high := w.chaos.MinDelay, w.chaos.MaxDelay
	if high <= low {
		return low
	}
	return low + time.Duration(w.rnd.Int64N(int64(high-low)))
}

// The rates of the network: a number sends 80 messages a second; to one
// recipient it sends one in six seconds, after a burst of 45.
const (
	pairBurst   = 45
	pairEvery   = 6 * time.Second
	numberBurst = 80
	numberEvery = time.Second / 80
)

// bucket is a token bucket that starts full.
type bucket struct {
	size  int
	every time.Duration
	used  int
	since time.Time // when the first of the used tokens comes back
}

func (b *bucket) take(now time.Time) bool {
	if b.used > 0 {
		back := int(now.Sub(b.since) / b.every)
		b.used = max(0, b.used-back)
		b.since = b.since.Add(time.Duration(back) * b.every)
	}
	if b.used == 0 {
		b.since = now
	}
	if b.used >= b.size {
		return false
	}
	b.used++
	return true
}
