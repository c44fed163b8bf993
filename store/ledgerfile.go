// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ErrLedger is about a ledger that does not fit the data it is to be applied to.
var ErrLedger = errors.New("the ledger does not fit")

// Ledger is the list of everything an installation destroyed, as of one moment.
// It holds numbers only and goes wherever backups go: with it, what was erased
// since is erased again after a restore.
//
//	kith ledger 1
//	instance <32 hex>
//	state <last number> <last subject> <unix seconds>
//	subject <number of the entry> <unix seconds> <subject>
//	days <number of the entry> <unix seconds> <class> <first day that is kept>
//	sum <SHA-256 in hex of every line above>
type Ledger struct {
	Instance string
	LastID   uint64    // the last number that was given out
	Subjects uint32    // the last subject
	At       time.Time // of the last commit
	entries  []ledgerEntry
}

// Len is how many destructions the ledger lists.
func (l *Ledger) Len() int { return len(l.entries) }

const ledgerHead = "kith ledger 1"

// Ledger is the ledger as of now, as a file.
func (db *DB) Ledger(ctx context.Context) (b []byte, err error) {
	err = db.View(ctx, func(tx *Tx) error {
		b, err = ledgerOf(tx)
		return err
	})
	return b, err
}

// ledgerOf is the ledger that a transaction sees.
func ledgerOf(tx *Tx) ([]byte, error) {
	l, err := readLedger(tx)
	if err != nil {
		return nil, err
	}
	return l.bytes(), nil
}

func readLedger(tx *Tx) (*Ledger, error) {
	c, err := parseCounters(tx.b.Bucket([]byte(metaBucket)).Get([]byte(countersKey)))
	if err != nil {
		return nil, err
	}
	l := &Ledger{Instance: tx.db.Instance(), LastID: c.ID, Subjects: c.Subject, At: time.Unix(0, c.Now).UTC().Truncate(time.Second)}
	err = eachEntry(tx, func(e *ledgerEntry) error {
		l.entries = append(l.entries, *e)
		return nil
	})
	return l, err
}

func (l *Ledger) bytes() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\ninstance %s\nstate %d %d %d\n", ledgerHead, l.Instance, l.LastID, l.Subjects, l.At.Unix())
	for i := range l.entries {
		e := &l.entries[i]
		if e.Kind == ledgerSubject {
			fmt.Fprintf(&b, "subject %d %d %d\n", e.n, e.At, e.Number)
			continue
		}
		fmt.Fprintf(&b, "days %d %d %d %d\n", e.n, e.At, e.until().Class, e.until().Day)
	}
	fmt.Fprintf(&b, "sum %x\n", sha256.Sum256(b.Bytes()))
	return b.Bytes()
}

// ParseLedger reads what DB.Ledger wrote; ErrLedger when a line was changed or
// the end is missing.
func ParseLedger(b []byte) (*Ledger, error) {
	at := bytes.LastIndex(b, []byte("\nsum ")) + 1
	if at == 0 || !bytes.HasPrefix(b, []byte(ledgerHead+"\n")) {
		return nil, fmt.Errorf("%w: it is no ledger of kith, or its end is missing", ErrLedger)
	}
	sum := sha256.Sum256(b[:at])
	if string(b[at:]) != "sum "+hex.EncodeToString(sum[:])+"\n" {
		return nil, fmt.Errorf("%w: it was changed or cut off; take another copy", ErrLedger)
	}
	l := &Ledger{}
	lines := bufio.NewScanner(bytes.NewReader(b[len(ledgerHead)+1 : at]))
	for n := 2; lines.Scan(); n++ {
		if err := l.line(lines.Text()); err != nil {
			return nil, fmt.Errorf("%w: line %d cannot be read", ErrLedger, n)
		}
	}
	if len(l.Instance) != 2*len(instanceID{}) {
		return nil, fmt.Errorf("%w: it does not say whose it is", ErrLedger)
	}
	return l, lines.Err()
}

func (l *Ledger) line(text string) (err error) {
	word, rest, _ := strings.Cut(text, " ")
	switch word {
	case "instance":
		l.Instance = rest
	case "state":
		var unix int64
		_, err = fmt.Sscanf(rest, "%d %d %d", &l.LastID, &l.Subjects, &unix)
		l.At = time.Unix(unix, 0).UTC()
	case "subject":
		e, s := ledgerEntry{Kind: ledgerSubject}, Subject(0)
		_, err = fmt.Sscanf(rest, "%d %d %d", &e.n, &e.At, &s)
		e.Number = uint64(s)
		l.entries = append(l.entries, e)
	case "days":
		var e ledgerEntry
		var c Class
		var before Day
		_, err = fmt.Sscanf(rest, "%d %d %d %d", &e.n, &e.At, &c, &before)
		e.Kind, e.Number = ledgerDays, DayKey{c, before}.leaf()
		l.entries = append(l.entries, e)
	default:
		return ErrNewer
	}
	return err
}

// applyLedger destroys in a restored store whatever the ledger lists and the data
// does not know of yet: first the keys, then the records. It refuses a ledger of
// another installation, and one that is older than the data: what was erased
// after it was written would be readable.
func (db *DB) applyLedger(ctx context.Context, l *Ledger) error {
	db.erasing.Lock()
	defer db.erasing.Unlock()
	var own *Ledger
	err := db.View(ctx, func(tx *Tx) (err error) {
		own, err = readLedger(tx)
		return err
	})
	if err != nil {
		return err
	}
	missing, err := l.beyond(own)
	if err != nil {
		return err
	}
	err = db.Update(ctx, func(tx *Tx) error {
		// Numbers that the lost data gave out are not given out again.
		tx.db.counters.ID = max(tx.db.counters.ID, l.LastID)
		tx.db.counters.Subject = max(tx.db.counters.Subject, l.Subjects)
		for _, e := range missing {
			e.Done, e.Gen = 0, 0
			if err := e.write(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	// With an old keyring, what the data knows to be destroyed opens as well.
	all := slices.Clone(missing)
	for i := range own.entries {
		all = append(all, &own.entries[i])
	}
	err = db.puncture(func(t trees) (changed bool) {
		for _, e := range all {
			changed = e.puncture(t) || changed
		}
		return changed
	})
	if err != nil {
		return err
	}
	return db.resumeOpen(ctx)
}

// beyond lists what the ledger knows and the data's own does not.
func (l *Ledger) beyond(own *Ledger) (missing []*ledgerEntry, err error) {
	if l.Instance != own.Instance {
		return nil, fmt.Errorf("%w: it belongs to another installation (%s, and the data to %s)", ErrLedger, l.Instance, own.Instance)
	}
	known := map[uint64]*ledgerEntry{}
	for i := range own.entries {
		known[own.entries[i].n] = &own.entries[i]
	}
	for i := range l.entries {
		e := l.entries[i]
		have := known[e.n]
		if have != nil && !have.same(&e) {
			return nil, fmt.Errorf("%w: entry %d is not the one in the data", ErrLedger, e.n)
		}
		if have == nil {
			missing = append(missing, &e)
		}
		delete(known, e.n)
	}
	if len(known) > 0 || l.LastID < own.LastID {
		return nil, fmt.Errorf("%w: it is older than the data; what was erased since it was written would be readable again. "+
			"Use a ledger at least as new as the backup", ErrLedger)
	}
	return missing, nil
}
