// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// layout fills a file of bbolt with the same records, in an order of its own.
func layout(tb testing.TB, r *rand.Rand, change func(*bolt.Tx) error) Checksum {
	tb.Helper()
	b, err := openBolt(filepath.Join(tb.TempDir(), "x.db"), 0)
	if err == nil {
		b.NoSync = true
	}
	if err != nil {
		tb.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			tb.Error(err)
		}
	}()
	for _, i := range r.Perm(900) {
		if err := b.Update(func(tx *bolt.Tx) error { return layRecord(tx, r, i) }); err != nil {
			tb.Fatal(err)
		}
	}
	if err := b.Update(change); err != nil {
		tb.Fatal(err)
	}
	var c Checksum
	if err := b.View(func(tx *bolt.Tx) (err error) {
		c, err = checksumOf(tb.Context(), tx)
		return err
	}); err != nil {
		tb.Fatal(err)
	}
	return c
}

// layRecord puts record i after putting and removing something else.
func layRecord(tx *bolt.Tx, r *rand.Rand, i int) error {
	key := []byte(fmt.Sprint(i))
	parent, err := tx.CreateBucketIfNotExists([]byte{'a' + byte(i%3)})
	if err != nil {
		return err
	}
	b, err := parent.CreateBucketIfNotExists(fmt.Append(nil, "part", i%7))
	if err != nil {
		return err
	}
	junk := fmt.Append(nil, "junk", r.IntN(1000))
	return errors.Join(
		b.Put(junk, make([]byte, 1+r.IntN(500))), b.Put(key, bytes.Repeat(key, 20)), b.Delete(junk),
		parent.Put(append([]byte("flat"), key...), key),
	)
}

func TestChecksumIsThatOfTheRecords(t *testing.T) {
	same := func(*bolt.Tx) error { return nil }
	want := layout(t, rand.New(rand.NewPCG(1, 1)), same)
	if want.Records != 1800 {
		t.Errorf("%d records, want 1800", want.Records)
	}
	part := func(tx *bolt.Tx) *bolt.Bucket { return tx.Bucket([]byte("a")).Bucket([]byte("part0")) }
	for _, c := range []struct {
		name   string
		change func(*bolt.Tx) error
		same   bool
	}{
		{"another order", same, true},
		{"an empty bucket more", func(tx *bolt.Tx) error {
			b, err := tx.CreateBucket([]byte("new"))
			if err == nil {
				_, err = b.CreateBucket([]byte("inside"))
			}
			return err
		}, true},
		{"the store's own numbers", func(tx *bolt.Tx) error {
			b, err := tx.CreateBucket([]byte(metaBucket))
			return errors.Join(err, b.Put([]byte("counters"), []byte("x")))
		}, true},
		{"a value", func(tx *bolt.Tx) error { return part(tx).Put([]byte("0"), []byte("1")) }, false},
		{"a key", func(tx *bolt.Tx) error { return part(tx).Put([]byte("x"), []byte("1")) }, false},
		{"one less", func(tx *bolt.Tx) error { return part(tx).Delete([]byte("0")) }, false},
		{"a record moved to another bucket", func(tx *bolt.Tx) error {
			v := bytes.Clone(part(tx).Get([]byte("0")))
			return errors.Join(part(tx).Delete([]byte("0")), tx.Bucket([]byte("b")).Put([]byte("0"), v))
		}, false},
		{"the border between key and value", func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte("a"))
			return errors.Join(b.Delete([]byte("flat0")), b.Put([]byte("flat"), []byte("00")))
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := layout(t, rand.New(rand.NewPCG(2, 7)), c.change); (got.Sum == want.Sum) != c.same {
				t.Errorf("%s and %s; want the same: %v", got, want, c.same)
			}
		})
	}
}

func TestChecksumOfAStore(t *testing.T) {
	db := newTest(t)
	put := func(id uint64, name string) {
		update(t, db, func(tx *Tx) error { return people.Put(tx, id, &person{1, name}) })
	}
	sum := func() Checksum {
		c, err := db.Checksum(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	put(1, "Sample Customer")
	first := sum()
	if first != sum() {
		t.Error("reading changes the checksum")
	}
	put(2, "Second Customer")
	if first == sum() {
		t.Error("a record more has the same checksum")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	update(t, db, func(tx *Tx) error {
		for i := range uint64(5000) {
			if err := people.Put(tx, i, &person{1, "x"}); err != nil {
				return err
			}
		}
		return nil
	})
	if _, err := db.Checksum(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
