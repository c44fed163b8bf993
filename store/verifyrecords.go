// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"unicode"
	"unicode/utf8"

	bolt "go.etcd.io/bbolt"
)

// allParts lists every bucket and every partition, the store's own numbers too.
func allParts(tx *bolt.Tx) (parts []bucketPath) {
	top := tx.Cursor()
	for name, _ := top.First(); name != nil; name, _ = top.Next() {
		if string(name) == trashBucket || string(name) == damagedBucket {
			continue
		}
		table := bytes.Clone(name)
		parts = append(parts, bucketPath{table: table})
		b := tx.Bucket(name)
		c := b.Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			if v == nil {
				parts = append(parts, bucketPath{table, bytes.Clone(k)})
			}
		}
	}
	return parts
}

func (t *bin) bucketName() string { return string(t.name) }

// sealedNames are the tables that hold sealed records only, apart from the index
// of a queue.
func sealedNames() map[string]bool {
	names := map[string]bool{blobBucket: true}
	erasers, _ := declared.all()
	for _, e := range erasers {
		if t, ok := e.(interface{ bucketName() string }); ok {
			names[t.bucketName()] = true
		}
	}
	return names
}

// part looks at the entries of a bucket or of a partition.
func (v *verification) part(ctx context.Context, tx *bolt.Tx, p bucketPath, kinds map[string]bool) error {
	b := tx.Bucket(p.table)
	if b != nil && p.part != nil {
		b = b.Bucket(p.part)
	}
	if b == nil {
		return nil // dropped meanwhile
	}
	keys, err := v.db.keys.sourceOf(p.table, p.part)
	if isErased(err) {
		return nil // a segment of an index that was destroyed
	}
	if err != nil {
		return err
	}
	c := partCheck{
		v: v, p: p, keys: keys, lines: isIndexList(p.table), sealed: kinds[string(p.table)] && string(p.part) != string(atName),
		where: append(append(append([]byte(nil), p.table...), 0), p.part...),
	}
	cur := b.Cursor()
	var last []byte
	for k, value := cur.First(); k != nil; k, value = cur.Next() {
		if last != nil && bytes.Compare(last, k) >= 0 {
			v.problem("the keys of %s are out of order", p.table)
			v.astray() // the walk may never end
			break
		}
		last = append(last[:0], k...)
		if value == nil {
			continue
		}
		c.entry(k, value)
		if c.n.records+c.n.numbers >= 10_000 {
			v.add(c.n)
			c.n = tally{}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	v.add(c.n)
	return nil
}

// partCheck looks at one part.
type partCheck struct {
	v      *verification
	p      bucketPath
	keys   keySource
	sealed bool
	lines  bool // of the list of an index: numbers, packed so that they may look like anything
	where  []byte
	plain  []byte
	n      tally
}

func (c *partCheck) entry(k, value []byte) {
	if !looksSealed(value) {
		c.n.numbers++
		switch {
		case c.sealed:
			c.v.damaged(append(slices.Clip(c.where), k...), "it is no age file")
		case !c.wellFormed(k, value):
			c.v.damaged(append(slices.Clip(c.where), k...), "it is no number")
		case c.v.o.AtRest && string(k) != instanceKey && !c.lines && readable(value): // the name of the instance is chance
			c.v.problem("an entry of %s holds something readable", c.p.table)
		}
		return
	}
	place := append(slices.Clip(c.where), k...)
	plain, _, err := c.v.db.codec.open(c.plain[:0], c.keys, value, place)
	switch {
	case isErased(err):
		c.n.erased++
	case err != nil:
		c.v.damaged(place, reasonSeal)
	default:
		c.n.records++
		c.plain = plain
	}
}

// wellFormed tells whether an entry that is not sealed has a form that this kith
// writes: entries of logs, and tuples of numbers. What the store keeps about
// itself is checked when it is used.
func (c *partCheck) wellFormed(k, value []byte) bool {
	if plainBuckets[string(c.p.table)] {
		return true
	}
	if c.lines {
		return indexLine(k, value)
	}
	if _, day := parseDayKey(c.p.part); day && len(k) == 8 {
		e, ok := parseEntry(k, value)
		return ok && bytes.Equal(e.append(nil), value)
	}
	return len(value) > 0 && len(value)%8 == 0
}

func looksSealed(value []byte) bool {
	return bytes.HasPrefix(value, []byte("age-encryption.org/v1\n"))
}

// readable tells whether there is text in what should be numbers: some letters in
// a row, in any script.
func readable(value []byte) bool {
	run := 0
	for len(value) > 0 {
		r, n := utf8.DecodeRune(value)
		value = value[n:]
		if !unicode.IsLetter(r) {
			run = 0
			continue
		}
		if run += min(n, 2); run >= 6 {
			return true
		}
	}
	return false
}

// queues holds the two halves of every queue against each other.
func (v *verification) queues(context.Context) error {
	if v.o.Days != nil {
		return nil
	}
	return v.view(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			if b == nil {
				return nil
			}
			due, at := b.Bucket(dueName), b.Bucket(atName)
			if due == nil || at == nil {
				return nil
			}
			n := 0
			err := due.ForEach(func(k, _ []byte) error {
				n++
				when, id, ok := parsePair(k)
				key := rowKey(id)
				if got := at.Get(key[:]); !ok || len(got) != 8 || binary.BigEndian.Uint64(got) != when {
					v.problem("job %d of %s is not where its index says", id, name)
				}
				return nil
			})
			m := 0
			err = errors.Join(err, at.ForEach(func(_, _ []byte) error { m++; return nil }))
			if n != m {
				v.problem("%s holds %d jobs and its index %d", name, n, m)
			}
			return err
		})
	})
}

// rows holds the rows in RAM against those on disk.
func (v *verification) rows(ctx context.Context) error {
	if v.o.Days != nil {
		return nil
	}
	return v.db.View(ctx, func(tx *Tx) error {
		_, residents := declared.all()
		for i, r := range residents {
			t, ok := r.(interface{ bucketName() string })
			b := tx.b.Bucket([]byte(t.bucketName()))
			if !ok || b == nil || i >= len(v.db.rows) {
				continue
			}
			c := b.Cursor()
			for k, value := c.First(); k != nil; k, value = c.Next() {
				about, ok := subjectOf(value)
				if !ok || len(k) != 8 || !v.db.keys.alive(about) {
					continue // damaged, which records has noted, or about to be removed
				}
				if id := binary.BigEndian.Uint64(k); !v.db.rows[i].has(id, tx.snap) && !v.db.damage.has(tx.at(&bin{where: append([]byte(t.bucketName()), 0)}, nil, k)) {
					v.problem("row %d of %s is on disk and not in RAM", id, t.bucketName())
				}
			}
		}
		return nil
	})
}
