// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
)

// sizeFrom reads how large a test is from the environment.
func sizeFrom(tb testing.TB, name string, usual int) int {
	tb.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		tb.Fatalf("%s=%q is no size", name, text)
	}
	return n
}

// fillMessages writes n messages of 200 bytes by a thousandth as many people.
func fillMessages(tb testing.TB, db *DB, n int) {
	tb.Helper()
	for done := 0; done < n; {
		part := min(2000, n-done)
		update(tb, db, func(tx *Tx) error {
			about := tx.NextSubject()
			err := people.Put(tx, 1, &person{about, "Sample Customer"})
			for range part {
				err = errors.Join(err, putMessage(tx, about))
			}
			return err
		})
		done += part
	}
}

func putMessage(tx *Tx, about Subject) error {
	ref := Ref{DayKey{Default, DayOf(tx.Now())}, uint64(about), tx.NextID()}
	return messages.Put(tx, ref, &message{about, strings.Repeat("a message ", 20), tx.Now()})
}

// TestBackupUnderLoad backs up while 16 writers work, and restores what came.
// KITH_BACKUP_MESSAGES=1000000 makes it the measurement: it prints how long
// writers waited and how the file grew.
func TestBackupUnderLoad(t *testing.T) {
	n := sizeFrom(t, "KITH_BACKUP_MESSAGES", 4000)
	dir := filepath.Join(t.TempDir(), "data")
	db := openTest(t, dir, Options{})
	fillMessages(t, db, n)
	before := lengthOf(t, db.path(dataFile))

	load := newLoad(db)
	idle := load.during(t, func() { load.wait(200) })
	path := filepath.Join(t.TempDir(), "x.age")
	var m Manifest
	var took time.Duration
	busy := load.during(t, func() {
		began := time.Now()
		m = backupToFile(t, db, path)
		took = time.Since(began)
	})
	after := lengthOf(t, db.path(dataFile))
	t.Logf("%d records, %d MB in %v: %.2f GB/s", m.Contents.Records, m.Size>>20, took, float64(m.Size)/took.Seconds()/1e9)
	t.Logf("writers before: %s", idle)
	t.Logf("writers during: %s", busy)
	t.Logf("data.db: %d -> %d MB", before>>20, after>>20)
	if n >= 100_000 && after > 2*before {
		t.Errorf("data.db grew from %d to %d bytes", before, after)
	}

	b := backedUp{identity: mustRead(t, dir+identitySuffix), file: mustRead(t, path)}
	b.beside(t, &sampleStore{DB: db})
	restored, r, err := b.restore(t, b.options())
	if err != nil {
		t.Fatal(err)
	}
	back := openTest(t, restored, Options{})
	sum, err := back.Checksum(t.Context())
	if err != nil || sum.String() != m.Contents.Sum || r.Contents.Records != sum.Records || sum.Records < uint64(n) {
		t.Errorf("restored %d records with %s (%v), backed up %d with %s", sum.Records, sum, err, m.Contents.Records, m.Contents.Sum)
	}
}

func mustRead(tb testing.TB, path string) []byte {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func lengthOf(tb testing.TB, path string) int64 {
	tb.Helper()
	info, err := os.Stat(path)
	if err != nil {
		tb.Fatal(err)
	}
	return info.Size()
}

// backupToFile writes a backup as app/backup does, to the disk 16 MiB at a time.
func backupToFile(tb testing.TB, db *DB, path string) Manifest {
	tb.Helper()
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	m, _, err := db.Backup(tb.Context(), &syncing{f: f}, BackupOptions{})
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		tb.Fatal(err)
	}
	return m
}

// syncing is a file that goes to the disk in small parts.
type syncing struct {
	f  *os.File
	at int
}

// Write implements io.Writer.
func (s *syncing) Write(p []byte) (int, error) {
	n, err := s.f.Write(p)
	if s.at += n; s.at >= 2<<20 && err == nil {
		s.at, err = 0, s.f.Sync()
	}
	return n, err
}

// load is sixteen writers of messages.
type load struct {
	db    *DB
	mu    sync.Mutex
	took  []time.Duration
	grown *sync.Cond
}

func newLoad(db *DB) *load {
	l := &load{db: db}
	l.grown = sync.NewCond(&l.mu)
	return l
}

// during runs fn beside the writers and tells how long their writes took.
func (l *load) during(tb testing.TB, fn func()) string {
	tb.Helper()
	l.took = nil
	ctx, cancel := context.WithCancel(tb.Context())
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				if err := l.db.Update(context.WithoutCancel(ctx), func(tx *Tx) error { return putMessage(tx, 1) }); err != nil {
					tb.Error(err)
					return
				}
				l.mu.Lock()
				l.took = append(l.took, time.Since(began))
				l.mu.Unlock()
				l.grown.Broadcast()
			}
		})
	}
	fn()
	cancel()
	wg.Wait()
	slices.Sort(l.took)
	at := func(part float64) time.Duration { return l.took[int(part*float64(len(l.took)-1))] }
	return fmt.Sprintf("%d writes, p50 %v, p99 %v, longest %v", len(l.took), at(0.5), at(0.99), at(1))
}

// wait returns when n writes are done.
func (l *load) wait(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.took) < n {
		l.grown.Wait()
	}
}

// TestBackupOpensWithAge has the age program of the system open a backup: an old
// one for a classic recipient, and a new one for the machine itself, named by
// KITH_AGE when it is not that of the path.
func TestBackupOpensWithAge(t *testing.T) {
	s := newSampleStore(t, 5)
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, program string
		to            []string
		identity      []byte
		quantum       bool
	}{
		{"classic", "age", []string{classic.Recipient().String()}, []byte(classic.String() + "\n"), false},
		{"post-quantum", os.Getenv("KITH_AGE"), nil, mustRead(t, s.dir+identitySuffix), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.program == "" {
				c.program = "age"
			}
			program, err := exec.LookPath(c.program)
			if err != nil {
				t.Skipf("there is no %s", c.program)
			}
			version, _ := exec.CommandContext(t.Context(), program, "--version").Output()
			if c.quantum && strings.HasPrefix(strings.TrimPrefix(string(version), "v"), "1.1") {
				t.Skipf("%s %s knows no post-quantum keys", program, bytes.TrimSpace(version))
			}
			b := take(t, s, BackupOptions{Recipients: c.to})
			identity := filepath.Join(t.TempDir(), "identity")
			if err := os.WriteFile(identity, c.identity, 0o600); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			// As an operator would: age, tar, sha256sum and nothing of kith.
			script := `"$0" -d -i "$1" | tar -x -C "$2" && cd "$2" && sha256sum --quiet -c SHA256SUMS`
			cmd := exec.CommandContext(t.Context(), "sh", "-c", script, program, identity, dir)
			cmd.Stdin = bytes.NewReader(b.file)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if size := lengthOf(t, filepath.Join(dir, dataFile)); size != b.manifest.Size {
				t.Errorf("data.db has %d bytes, want %d", size, b.manifest.Size)
			}
		})
	}
}

func BenchmarkBackup(b *testing.B) {
	db := newTest(b)
	fillMessages(b, db, sizeFrom(b, "KITH_BACKUP_MESSAGES", 50_000))
	for b.Loop() {
		m, _, err := db.Backup(b.Context(), io.Discard, BackupOptions{})
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(m.Size)
	}
}
