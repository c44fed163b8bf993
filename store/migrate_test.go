// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
)

// format1 is a copy of the store of format 1, as kith wrote it once.
func format1(t *testing.T) (dir string, o Options) {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(filepath.Join("testdata", "format-1"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(to, "identity"), 0o600); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(to, "data"), Options{Identity: filepath.Join(to, "identity")}
}

func TestFormat1IsReadForEver(t *testing.T) {
	dir, o := format1(t)
	db := openTest(t, dir, o)
	readFormat1(t, db)
	v, err := db.Verify(t.Context(), VerifyOptions{AtRest: true})
	if err != nil || !v.Fine() || v.Blobs != 1 || v.Records < 7 {
		t.Errorf("verify: %+v %v", v, err)
	}
	update(t, db, func(tx *Tx) error { return people.Put(tx, 3, &person{7, "written now"}) })
}

func readFormat1(t *testing.T, db *DB) {
	t.Helper()
	day := DayKey{Default, DayOf(epoch)}
	view(t, db, func(tx *Tx) error {
		one, err := people.Get(tx, 7, 1)
		long, lerr := people.Get(tx, 7, 2)
		if errors.Join(err, lerr) != nil || one.Name != "Sample Customer" || len(long.Name) != maxChunk+100 {
			t.Errorf("people: %v %v", err, lerr)
		}
		if _, err := people.Get(tx, 8, 1); !errors.Is(err, ErrNotFound) || db.keys.alive(8) {
			t.Errorf("who was erased: %v", err)
		}
		var texts []string
		err = messages.Back(tx, 1, []DayKey{day}, 0, func(_ Ref, m *message) error { texts = append(texts, m.Text); return nil })
		if err != nil || !cmp.Equal(texts, []string{"second", "first"}) {
			t.Errorf("messages: %v %v", texts, err)
		}
		if n, ok, err := numbers.Get(tx, "phone", "100"); n != 7 || !ok || err != nil {
			t.Errorf("lookup: %d %t %v", n, ok, err)
		}
		if group, seq, ok, err := provider.Get(tx, day, "id"); group != 1 || seq != 1 || !ok || err != nil {
			t.Errorf("lookup of a day: %d %d %t %v", group, seq, ok, err)
		}
		if n, ok := byNumber.Get(tx, []uint64{7, 1}); n != 1 || !ok {
			t.Errorf("index: %d %t", n, ok)
		}
		if jobs, err := outbox.Due(tx, epoch, 9); err != nil || len(jobs) != 1 || jobs[0].Job.Text != "job" {
			t.Errorf("jobs: %v %v", jobs, err)
		}
		if row, ok := threads.Get(tx, 2); !ok || row.Title != "two" || threads.Len(tx) != 2 {
			t.Errorf("rows: %v %t", row, ok)
		}
		all, err := journal.Read(tx, 0, 9)
		at, aerr := journal.Cursor(tx, "reader")
		if errors.Join(err, aerr) != nil || len(all) != 1 || all[0].A != 7 || at != all[0].Seq {
			t.Errorf("log: %v %d", all, at)
		}
		refs := blobRefs(tx.b)
		if m, err := BlobInfo(tx, refs[0]); len(refs) != 1 || err != nil || m.Name != "sample.txt" || m.Size != 18 {
			t.Errorf("attachment: %v %v", m, err)
		}
		return nil
	})
}

// errCut stands for a crash.
var errCut = errors.New("cut")

// TestAMigrationIsSafeAtEveryStep brings a store to a format that only this test
// knows, stops after each step, and goes on.
func TestAMigrationIsSafeAtEveryStep(t *testing.T) {
	ran := 0
	to2 := []migration{{2, "a bucket more", func(tx *bolt.Tx) error {
		ran++
		b, err := tx.CreateBucket([]byte("new"))
		if err != nil {
			return err
		}
		return b.Put([]byte("key"), []byte("value"))
	}}, {3, "another value", func(tx *bolt.Tx) error {
		ran++
		return tx.Bucket([]byte("new")).Put([]byte("key"), []byte("other"))
	}}}
	for _, stop := range []string{"", "copied", "named", "migrated 2", "migrated 3"} {
		t.Run("after "+stop, func(t *testing.T) {
			dir, o := format1(t)
			path := filepath.Join(dir, dataFile)
			run := func(stop string) error {
				b, err := openBolt(path, 0)
				if err != nil {
					return err
				}
				_, err = migrate(b, path, to2, func(step string) error {
					if step == stop {
						return errCut
					}
					return nil
				})
				return errors.Join(err, b.Close())
			}
			ran = 0
			if err := run(stop); errors.Is(err, errCut) != (stop != "") {
				t.Fatal(err)
			}
			if err := run(""); err != nil {
				t.Fatal(err)
			}
			if ran != 2 {
				t.Errorf("the migrations ran %d times", ran)
			}
			checkMigrated(t, path)
			if _, err := Open(dir, o); !errors.Is(err, ErrNewer) {
				t.Errorf("a kith that knows less: %v", err)
			}
			// What was copied before is the old store, whole.
			if err := os.Rename(beforePath(path, 2), path); err != nil {
				t.Fatal(err)
			}
			db := openTest(t, dir, o)
			readFormat1(t, db)
		})
	}
}

func checkMigrated(t *testing.T, path string) {
	t.Helper()
	b, err := openBolt(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	err = b.View(func(tx *bolt.Tx) error {
		format := binary.BigEndian.Uint32(tx.Bucket([]byte(metaBucket)).Get([]byte(formatKey)))
		if got := string(tx.Bucket([]byte("new")).Get([]byte("key"))); format != 3 || got != "other" {
			return fmt.Errorf("format %d with %q", format, got)
		}
		return nil
	})
	if err = errors.Join(err, b.Close()); err != nil {
		t.Error(err)
	}
}

func TestTheCopyBeforeAMigrationGoesAfterACleanRun(t *testing.T) {
	dir, o := format1(t)
	old := beforePath(filepath.Join(dir, dataFile), 1)
	if err := os.Remove(filepath.Join(dir, cleanFile)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(old, []byte("copy"), 0o600); err != nil {
		t.Fatal(err)
	}
	for n, want := range []bool{true, false} {
		db, err := Open(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(old); (err == nil) != want {
			t.Errorf("start %d: %v", n+1, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
