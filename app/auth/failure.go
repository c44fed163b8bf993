// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"errors"
	"strconv"

	"kith/app"
	"kith/store"
)

// failures are the wrong attempts at an account since the last right one. They outlive a restart, so that nobody guesses
// faster by waiting for one. They are counted by address whether anybody has the address or not, in as many drawers as
// can be afforded: a wrong address costs what a wrong password costs, and strangers cannot fill the disk.
type failures struct {
	N    uint32      `cbor:"1,keyasint"`
	Last app.Instant `cbor:"2,keyasint"`
}

const drawers = 4096

var failedSignIns = store.NewTable[failures]("signin_failures", func(*failures) store.Subject { return store.Nobody })

func drawer(account string) uint64 {
	h := sum(account)
	return (uint64(h[0])<<8 | uint64(h[1])) % drawers
}

// secondName is what attempts at a person's second factor are counted under.
func secondName(id app.AgentID) string { return "2|" + strconv.FormatUint(uint64(id), 36) }

// failed writes a wrong attempt down: the entry of the audit log and the count. id is 0 when nobody has the address; the
// work is the same.
func (a *Auth) failed(ctx context.Context, id app.AgentID, account string) error {
	a.log.InfoContext(ctx, "a sign-in was refused")
	return a.desk.Act(ctx, app.System(), app.MayReceive, app.AuditSignInFailed, func(tx *store.Tx, e *app.AuditEvent) error {
		e.Subject = id
		n, err := failuresOf(tx, account)
		if err != nil {
			return err
		}
		if tx.Now().Sub(n.Last.Time()) > quiet {
			n.N = 0
		}
		n.N, n.Last = n.N+1, app.InstantOf(tx.Now())
		return failedSignIns.Put(tx, drawer(account), n)
	})
}

func failuresOf(tx *store.Tx, account string) (*failures, error) {
	n, err := failedSignIns.Get(tx, store.Nobody, drawer(account))
	if errors.Is(err, store.ErrNotFound) {
		return &failures{}, nil
	}
	return n, err
}

// forgive forgets the wrong attempts at an account.
func forgive(tx *store.Tx, account string) error {
	return failedSignIns.Delete(tx, store.Nobody, drawer(account))
}

// slowed counts an attempt, or returns a *SlowDown when it comes too soon; the failures of an earlier start count.
func (a *Auth) slowed(ctx context.Context, account, from string) (attempt, error) {
	if !a.slow.knows(account) {
		var n *failures
		err := a.db.View(ctx, func(tx *store.Tx) (err error) {
			n, err = failuresOf(tx, account)
			return err
		})
		if err != nil {
			return attempt{}, err
		}
		a.slow.recall(account, int(n.N), n.Last.Time())
	}
	return a.slow.begin(a.now(), account, from)
}
