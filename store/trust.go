// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"hash/fnv"
	"os"
	"time"
)

// A clock that is wrong must not destroy anything. The store remembers when it
// last looked, by the wall clock and by the clock of the machine's uptime, which
// nobody sets: between two looks of one boot the second says how much time went
// by. After a reboot nothing does, and a long gap waits for a person.
const (
	clockKey = "clock"
	// clockDrift is how far the wall clock may run ahead between two looks; a clock
	// that is put right is caught up with by this much at a time.
	clockDrift = time.Hour
	// clockJump is a step forward that is no drift any more.
	clockJump = 24 * time.Hour
	// clockGap is how long a machine may have been off without a question.
	clockGap = 48 * time.Hour
)

// clockMark is one look at the clocks.
type clockMark struct {
	Wall int64         `cbor:"1,keyasint"` // trusted, unix nanoseconds
	Boot uint64        `cbor:"2,keyasint"` // stands for the boot of the machine
	Up   time.Duration `cbor:"3,keyasint"` // since then
}

// Where the machine tells nothing, a process takes its own start for the boot.
var (
	processBoot  = rand.Text()
	processStart = time.Now()
)

// uptime is the clock that nobody sets.
type uptime struct {
	boot string
	up   time.Duration
}

// number stands for the boot: the store keeps numbers only.
func (u *uptime) number() uint64 { return standIn(u.boot) }

// standIn is a number that stands for a text.
func standIn(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	return h.Sum64()
}

// Now is the instant that a transaction would have.
func (db *DB) Now() time.Time { return db.instant(time.Time{}) }

// TrustedNow is the instant that destruction may go by, and why it may not, if so.
func (db *DB) TrustedNow(ctx context.Context) (now time.Time, doubt string, err error) {
	return db.trusted(ctx)
}

// trusted looks at the clocks and remembers it when there is no doubt.
func (db *DB) trusted(ctx context.Context) (now time.Time, doubt string, err error) {
	wall, up := db.now().UTC(), db.uptime()
	var last clockMark
	var known bool
	err = db.View(ctx, func(tx *Tx) error {
		b := tx.b.Bucket([]byte(metaBucket)).Get([]byte(clockKey))
		known = b != nil && decoding.Unmarshal(b, &last) == nil
		return nil
	})
	if err != nil {
		return wall, "", err
	}
	next := clockMark{wall.UnixNano(), up.number(), up.up}
	now = wall
	if known {
		now, next.Wall, doubt = last.judge(wall, up)
	}
	if doubt == "" && clockUnset() {
		doubt = "the machine has not set its clock by the network yet"
	}
	if doubt != "" {
		return now, doubt, nil
	}
	return now, "", db.markClock(ctx, next)
}

// judge says which instant can be trusted, and what to remember as the wall
// clock's.
func (m *clockMark) judge(wall time.Time, up uptime) (now time.Time, remember int64, doubt string) {
	was := time.Unix(0, m.Wall).UTC()
	if up.number() != m.Boot || up.up < m.Up {
		if gap := wall.Sub(was); gap > clockGap {
			return was, m.Wall, fmt.Sprintf("the clock says that %.0f hours went by while kith was not looking, and the machine was started anew", gap.Hours())
		}
		if wall.Before(was) {
			return wall, m.Wall, ""
		}
		return wall, wall.UnixNano(), ""
	}
	expected := was.Add(up.up - m.Up)
	ahead := wall.Sub(expected)
	switch {
	case ahead > clockJump:
		return expected, m.Wall, fmt.Sprintf("the clock was put forward by %.0f hours", ahead.Hours())
	case ahead > clockDrift:
		now = expected.Add(clockDrift)
		return now, now.UnixNano(), ""
	case ahead < 0:
		return wall, expected.UnixNano(), ""
	}
	return wall, wall.UnixNano(), ""
}

// trustClock takes the wall clock for right: a person said so.
func (db *DB) trustClock(ctx context.Context) error {
	up := db.uptime()
	return db.markClock(ctx, clockMark{db.now().UnixNano(), up.number(), up.up})
}

func (db *DB) markClock(ctx context.Context, m clockMark) error {
	return db.Update(ctx, func(tx *Tx) error {
		meta, err := tx.bucket(&metaBin)
		if err != nil {
			return err
		}
		v, err := encoding.Marshal(m)
		if err != nil {
			return fmt.Errorf("remembering the clock: %w", err)
		}
		return tx.put(meta, []byte(clockKey), v)
	})
}

// clockUnset tells whether systemd keeps the time here and has not heard it yet.
func clockUnset() bool {
	if _, err := os.Stat("/run/systemd/timesync"); err != nil {
		return false
	}
	_, err := os.Stat("/run/systemd/timesync/synchronized")
	return err != nil
}

// uptime reads the clock of the machine, unless a test has its own.
func (db *DB) uptime() uptime {
	if db.upFor != nil {
		return db.upFor()
	}
	return machineUptime()
}
