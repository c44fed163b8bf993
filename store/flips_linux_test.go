// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// TestFlips flips one random byte of a store, in every one of its files in turn.
// What kith serve does then must end in a sentence or go well: preflight, start,
// reading everything, writing. What is wrong is found, or nothing is. KITH_FLIPS
// says how many bytes are tried.
func TestFlips(t *testing.T) {
	flips := casesOf(t, "KITH_FLIPS", 24)
	dir, said := storeToSpoil(t)
	chance := rand.New(rand.NewPCG(11, uint64(flips))) //nolint:gosec // any bytes will do
	judges, sum := &court{}, map[string]int{}
	files := filesOf(t, dir)
	for n := range flips {
		file := files[n%len(files)]
		what := ""
		spoiled := spoiledCopy(t, dir, func(to string) {
			what = flipByte(t, filepath.Join(to, file), chance)
			if n%4 < 2 { // as after a stop that was not clean
				_ = os.Remove(filepath.Join(to, "data", cleanFile)) // it may be the file itself
			}
		})
		judgeSpoiled(t, judges, spoiled, said, file+" "+what, sum)
	}
	t.Logf("%d flips: %v", flips, sum)
}

// TestPagesThatAreNot gives pages another number, one after the other: bbolt
// panics wherever it meets one, and no process may die of it.
func TestPagesThatAreNot(t *testing.T) {
	dir, said := storeToSpoil(t)
	judges, sum := &court{}, map[string]int{}
	for page := 2; page < 12; page++ {
		spoiled := spoiledCopy(t, dir, func(to string) {
			path := filepath.Join(to, "data", dataFile)
			b, err := os.ReadFile(path) //nolint:gosec // a place of the test
			if err != nil {
				t.Fatal(err)
			}
			b[page*os.Getpagesize()+4] ^= 0x55
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		})
		judgeSpoiled(t, judges, spoiled, said, fmt.Sprint("page ", page), sum)
	}
	t.Logf("%v", sum)
}

// TestCutFiles takes away each file of a store, all of it or half.
func TestCutFiles(t *testing.T) {
	dir, said := storeToSpoil(t)
	judges, sum := &court{}, map[string]int{}
	for _, file := range filesOf(t, dir) {
		for what, cut := range map[string]func(string) error{
			"missing": os.Remove,
			"empty":   func(path string) error { return os.Truncate(path, 0) },
			"half": func(path string) error {
				info, err := os.Stat(path)
				if err != nil {
					return err
				}
				return os.Truncate(path, info.Size()/2)
			},
		} {
			spoiled := spoiledCopy(t, dir, func(to string) {
				if err := cut(filepath.Join(to, file)); err != nil {
					t.Fatal(err)
				}
			})
			judgeSpoiled(t, judges, spoiled, said, file+" "+what, sum)
		}
	}
	t.Logf("%v", sum)
}

// storeToSpoil makes a store with a little of everything, stopped cleanly.
func storeToSpoil(t *testing.T) (dir string, said *promises) {
	t.Helper()
	dir, said = t.TempDir(), &promises{}
	if err := os.Mkdir(filepath.Join(dir, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := Open(filepath.Join(dir, "data"), workOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	work(t, db, &speaker{f: said}, 0, 7)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, said
}

// Write lets promises hear what is said at once.
func (p *promises) Write(b []byte) (int, error) {
	p.hear(string(b))
	return len(b), nil
}

// filesOf lists what makes up a store; data.db comes several times, it is most of it.
func filesOf(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		name, rerr := filepath.Rel(dir, path)
		if err == nil && rerr == nil && d.Type().IsRegular() && d.Name() != "LOCK" {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for range len(files) {
		files = append(files, filepath.Join("data", dataFile))
	}
	return files
}

func spoiledCopy(t *testing.T, dir string, spoil func(to string)) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"keys/identity", "data"} { // CopyFS widens rights
		if err := os.Chmod(filepath.Join(to, path), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	spoil(to)
	return to
}

// flipByte changes a byte of a file, in the used part of data.db mostly.
func flipByte(t *testing.T, path string, chance *rand.Rand) string {
	t.Helper()
	b, err := os.ReadFile(path) //nolint:gosec // a place of the test
	if err != nil {
		t.Fatal(err)
	}
	if len(b) == 0 {
		return "is empty"
	}
	used := len(b)
	for used > 1 && b[used-1] == 0 {
		used--
	}
	at := chance.IntN(used)
	b[at] ^= byte(1 + chance.IntN(255)) //nolint:gosec // a byte
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("byte %d of %d", at, len(b))
}

func judgeSpoiled(t *testing.T, judges *court, dir string, said *promises, what string, sum map[string]int) {
	t.Helper()
	v := judges.ask(t, question{Dir: dir, Promises: *said, Spoiled: true})
	switch {
	case v.Found != "":
		sum["found at "+v.Stage]++
	case v.Died && v.Stage == "preflight":
		sum["ended the preflight"]++
	case v.Died:
		t.Errorf("%s: the process died at %s: %q", what, v.Stage, v.Corrupt)
	case len(v.Lost) == 0 && len(v.Corrupt) == len(v.Numbers) && len(v.Numbers) > 0:
		// Numbers of indexes have no seal. What they lead to has one.
		sum["changed a number of an index"]++
	case len(v.Lost)+len(v.Corrupt) > 0:
		t.Errorf("%s: nobody noticed: lost %q, corrupt %q", what, v.Lost, v.Corrupt)
	default:
		sum["harmless"]++
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

// judgeFlip does what kith serve would with a store that may be spoiled.
func judgeFlip(t *testing.T, q *question, stage func(string)) *verdict {
	t.Helper()
	v := &verdict{}
	stage("preflight")
	if err := Preflight(filepath.Join(q.Dir, "data")); err != nil {
		v.found("preflight", err)
		return v
	}
	stage("start")
	db, err := Open(filepath.Join(q.Dir, "data"), workOptions(q.Dir))
	if err != nil {
		v.found("start", err)
		return v
	}
	defer func() { _ = db.Close() }()
	stage("work")
	found, err := db.Verify(t.Context(), VerifyOptions{})
	switch {
	case err != nil:
		v.found("verify", err)
	case !found.Fine():
		v.found("verify", fmt.Errorf("%w: %v %v", ErrDamaged, found.Damaged, found.Problems))
	}
	if v.Found == "" {
		judgeAll(t, db, &q.Promises, v)
		return v
	}
	// Damaged, and up: the rest must be there to read and to write.
	if err := db.Update(t.Context(), func(tx *Tx) error { return byNumber.Put(tx, []uint64{999}, 1) }); err != nil && !spoken(err) {
		v.broken("writing on: %v", err)
	}
	return v
}

func (v *verdict) found(stage string, err error) {
	v.Stage, v.Found = stage, err.Error()
	if !spoken(err) {
		v.Found = ""
		v.broken("%s: no error that kith knows: %v", stage, err)
	}
}

// spoken tells whether an error has an exit code of its own.
func spoken(err error) bool {
	return expected(err) || passedOver(err) || isAny(err, ErrWrongKey, ErrNewer, ErrLocked)
}
