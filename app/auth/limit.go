// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"net/netip"
	"sync"
	"time"
)

// limiter slows down who guesses passwords. An attempt counts as failed from its beginning, so that many at the same
// moment gain nothing; the right password takes it back. Nothing is locked: the longest wait for an account, whoever
// asks, is half a minute, so that guessing from many places keeps nobody out.
type limiter struct {
	mu    sync.Mutex
	tries map[string]*tries
}

// tries are the failures under one name since the last success or quiet hour.
type tries struct {
	n    int
	last time.Time
}

// rule says how many attempts are free, and the longest wait between the later ones.
type rule struct {
	free int
	most time.Duration
}

var (
	pairRule    = rule{4, 15 * time.Minute}  // one account from one place
	placeRule   = rule{20, 15 * time.Minute} // any account from one place
	accountRule = rule{20, 30 * time.Second} // one account from anywhere
)

const (
	quiet     = time.Hour // after which failures are forgotten
	maxTries  = 20_000    // names that are remembered
	firstWait = time.Second
)

// attempt is what one attempt counts against.
type attempt struct{ pair, place, account string }

func (a attempt) names() [3]string { return [3]string{a.pair, a.place, a.account} }

var rules = [3]rule{pairRule, placeRule, accountRule}

// begin counts an attempt, or returns a *SlowDown when it comes too soon.
func (l *limiter) begin(now time.Time, account, from string) (attempt, error) {
	from = place(from)
	a := attempt{"b|" + account + "|" + from, "p|" + from, "a|" + account}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, name := range a.names() {
		if wait := l.wait(now, name, rules[i]); wait > 0 {
			return a, &SlowDown{Wait: wait}
		}
	}
	if len(l.tries) > maxTries {
		l.sweep(now)
	}
	if l.tries == nil {
		l.tries = map[string]*tries{}
	}
	for _, name := range a.names() {
		t := l.tries[name]
		if t == nil {
			t = &tries{}
			l.tries[name] = t
		}
		t.n++
		t.last = now
	}
	return a, nil
}

// knows reports whether the failures of an account are in memory.
func (l *limiter) knows(account string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tries["a|"+account] != nil
}

// recall puts the failures of an account that were written down into memory, unless others came first.
func (l *limiter) recall(account string, n int, last time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n == 0 || l.tries["a|"+account] != nil {
		return
	}
	if l.tries == nil {
		l.tries = map[string]*tries{}
	}
	l.tries["a|"+account] = &tries{n: n, last: last}
}

// succeed forgets the failures of the account from this place, and takes the attempt back everywhere else.
func (l *limiter) succeed(a attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.tries, a.pair)
	for _, name := range []string{a.place, a.account} {
		if t := l.tries[name]; t != nil && t.n > 0 {
			t.n--
		}
	}
}

// wait returns how long the name has to wait: 1 s after the last free attempt, then twice as long each time.
func (l *limiter) wait(now time.Time, name string, r rule) time.Duration {
	t := l.tries[name]
	if t == nil {
		return 0
	}
	if now.Sub(t.last) > quiet {
		delete(l.tries, name)
		return 0
	}
	over := t.n - r.free
	if over < 0 {
		return 0
	}
	wait := r.most
	if over < 20 {
		wait = min(r.most, firstWait<<over)
	}
	return t.last.Add(wait).Sub(now)
}

// sweep forgets what is quiet, and everything if that is not enough: memory is bounded whoever knocks.
func (l *limiter) sweep(now time.Time) {
	for name, t := range l.tries {
		if now.Sub(t.last) > quiet {
			delete(l.tries, name)
		}
	}
	if len(l.tries) > maxTries {
		clear(l.tries)
	}
}

// place is where a caller comes from: an IPv4 address, or the /64 of an IPv6 address.
func place(from string) string {
	ip, err := netip.ParseAddr(from)
	if err != nil {
		return from
	}
	if ip = ip.Unmap(); ip.Is6() {
		p, _ := ip.WithZone("").Prefix(64)
		return p.String()
	}
	return ip.String()
}
