// SPDX-License-Identifier: Apache-2.0

package delivery

import "time"

// meter is a token bucket kept as one instant: the moment at which it would be full again. The zero value is full.
type meter struct{ full time.Time }

// pace is how fast a bucket fills and how many tokens it holds. The zero value sets no limit.
type pace struct {
	interval time.Duration
	burst    int
}

// perSecond never lets more than n pass within any second: nine tenths flow, one tenth may come at once.
func perSecond(n int) pace {
	if n <= 0 {
		return pace{}
	}
	burst := max(n/10, 1)
	return pace{interval: time.Second / time.Duration(max(n-burst, 1)), burst: burst}
}

// next returns the earliest instant, not before now, at which a token is there.
func (m meter) next(p pace, now time.Time) time.Time {
	if p.interval <= 0 {
		return now
	}
	at := m.full.Add(-time.Duration(max(p.burst, 1)-1) * p.interval)
	if at.Before(now) {
		return now
	}
	return at
}

// take uses a token.
func (m *meter) take(p pace, now time.Time) {
	if m.full.Before(now) {
		m.full = now
	}
	m.full = m.full.Add(p.interval)
}

// drag is a wait that a network asked for; it grows when the network asks again and again.
type drag struct {
	until time.Time
	times int
}

// pull waits for factor^times seconds, or for as long as the network said when that is longer, at most limit unless the
// network said so. Attempts that were under way when the wait began do not make it grow.
func (g *drag) pull(now time.Time, factor int, said, limit time.Duration) time.Time {
	if now.Before(g.until) {
		if at := now.Add(said); at.After(g.until) {
			g.until = at
		}
		return g.until
	}
	wait := time.Second
	for range g.times {
		if wait = wait * time.Duration(factor); wait >= limit {
			wait = limit
			break
		}
	}
	g.times++
	g.until = now.Add(max(wait, said))
	return g.until
}

// pair is what is known of sending to one contact.
type pair struct {
	meter meter
	drag  drag
}

// forgettable reports whether the pair says nothing about the time after now.
func (p *pair) forgettable(now time.Time) bool {
	return !p.meter.full.After(now) && !p.drag.until.Add(time.Hour).After(now)
}
