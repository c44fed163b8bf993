// SPDX-License-Identifier: Apache-2.0

package server

import (
	"sync"
	"time"

	"kith/app/auth"
)

// Gate lets one attempt at the passphrase through at a time, and one a second: each costs 64 MiB, and whoever guesses
// shall need long.
type Gate struct {
	check func(passphrase string) error
	now   func() time.Time

	mu     sync.Mutex // held while one is tried
	last   time.Time
	once   sync.Once
	opened chan struct{}
	secret string
}

// attemptEvery is the time between two attempts.
const attemptEvery = time.Second

// NewGate returns a gate that check opens: nil means that the passphrase is the right one. now is the clock.
func NewGate(check func(passphrase string) error, now func() time.Time) *Gate {
	return &Gate{check: check, now: now, opened: make(chan struct{})}
}

// Try opens the gate when the passphrase is the right one. It returns an auth.SlowDown when somebody tries already, or
// tried within the last second.
func (g *Gate) Try(passphrase string) error {
	if !g.mu.TryLock() {
		return &auth.SlowDown{Wait: attemptEvery}
	}
	defer g.mu.Unlock()
	select {
	case <-g.opened:
		return nil
	default:
	}
	if wait := attemptEvery - g.now().Sub(g.last); wait > 0 && !g.last.IsZero() {
		return &auth.SlowDown{Wait: wait}
	}
	g.last = g.now()
	if err := g.check(passphrase); err != nil {
		return err
	}
	g.once.Do(func() {
		g.secret = passphrase
		close(g.opened)
	})
	return nil
}

// Opened is closed once somebody had the right passphrase.
func (g *Gate) Opened() <-chan struct{} { return g.opened }

// Passphrase returns the right one, once the gate is open.
func (g *Gate) Passphrase() string {
	<-g.opened
	return g.secret
}
