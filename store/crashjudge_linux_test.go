// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// judgeEnv makes TestCrashJudge a judge.
const judgeEnv = "KITH_CRASH_JUDGE"

// court asks a process of its own: what is wrong with a state may end it.
type court struct {
	child *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	said  bytes.Buffer
}

// question is a directory and what was promised of it.
type question struct {
	Dir      string
	Promises promises
	Spoiled  bool // see judgeFlip
}

const (
	verdictPrefix = "\x01verdict "
	stagePrefix   = "\x01stage "
)

// ask returns the verdict. A judge that dies is replaced, and its last words are
// what is wrong with the state.
func (c *court) ask(t *testing.T, q question) *verdict {
	t.Helper()
	if c.child == nil {
		c.open(t)
	}
	err := json.NewEncoder(c.in).Encode(q)
	if err != nil { // the last state ended the judge after the verdict
		c.close()
		c.open(t)
		err = json.NewEncoder(c.in).Encode(q)
	}
	if err != nil {
		t.Fatal(err)
	}
	stage := ""
	for {
		line, err := c.out.ReadString('\n')
		if name, ok := strings.CutPrefix(line, stagePrefix); ok {
			stage = strings.TrimSpace(name)
		}
		if err != nil {
			c.close()
			v := &verdict{Died: true, Stage: stage}
			words := strings.Join(strings.Fields(c.said.String()), " ")
			v.broken("the process died: %s", words[:min(len(words), 300)])
			return v
		}
		if text, ok := strings.CutPrefix(line, verdictPrefix); ok {
			v := &verdict{}
			if err := json.Unmarshal([]byte(text), v); err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
}

func (c *court) open(t *testing.T) {
	t.Helper()
	c.said.Reset()
	c.child = exec.CommandContext(t.Context(), thisBinary(t), "-test.run=^TestCrashJudge$", "-test.timeout=3h") //nolint:gosec // this very test binary
	c.child.Env = append(os.Environ(), judgeEnv+"=1")
	c.child.Stderr = &c.said
	in, err := c.child.StdinPipe()
	out, oerr := c.child.StdoutPipe()
	if err = errors.Join(err, oerr); err == nil {
		err = c.child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	c.in, c.out = in, bufio.NewReader(out)
	t.Cleanup(c.close)
}

// close lets the judge go home.
func (c *court) close() {
	if c.child == nil {
		return
	}
	_ = c.in.Close()
	_ = c.child.Wait() // how it ended shows in what it said
	c.child = nil
}

func isAny(err error, all ...error) bool {
	return slices.ContainsFunc(all, func(is error) bool { return errors.Is(err, is) })
}

// TestCrashJudge answers the questions of a court; alone it does nothing.
func TestCrashJudge(t *testing.T) {
	if os.Getenv(judgeEnv) == "" {
		t.Skip("it is run by the crash oracles")
	}
	questions := json.NewDecoder(os.Stdin)
	for {
		var q question
		if err := questions.Decode(&q); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		var v *verdict
		if q.Spoiled {
			v = judgeFlip(t, &q, func(name string) { _, _ = os.Stdout.WriteString(stagePrefix + name + "\n") })
		} else {
			v = judge(t, q.Dir, &q.Promises)
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stdout.WriteString(verdictPrefix + string(text) + "\n"); err != nil {
			t.Fatal(err)
		}
	}
}

// verdict is what is wrong with a state.
type verdict struct {
	Lost, Corrupt []string
	Numbers       []string // of Corrupt, what is in indexes of plain numbers
	Died          bool     // the process that looked
	Stage, Found  string   // of a spoiled store: how far it came, and the sentence
}

func (v *verdict) missing(format string, a ...any) {
	v.Lost = append(v.Lost, fmt.Sprintf(format, a...))
}

func (v *verdict) broken(format string, a ...any) {
	v.Corrupt = append(v.Corrupt, fmt.Sprintf(format, a...))
}

// judge opens the store in dir and holds it against the promises.
func judge(t *testing.T, dir string, p *promises) *verdict {
	t.Helper()
	v := &verdict{}
	if err := os.MkdirAll(filepath.Join(dir, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := Open(filepath.Join(dir, "data"), workOptions(dir))
	if err != nil {
		v.broken("open: %v", err)
		return v
	}
	judgeAll(t, db, p, v)
	if err := db.Close(); err != nil {
		v.broken("close: %v", err)
	}
	return v
}

func judgeAll(t *testing.T, db *DB, p *promises, v *verdict) {
	t.Helper()
	err := db.View(t.Context(), func(tx *Tx) error {
		for w := uint64(1); w <= workWriters; w++ {
			judgeWriter(tx, db, w, p, v)
		}
		return nil
	})
	if err != nil {
		v.broken("view: %v", err)
	}
	for s, verb := range p.Victims {
		judgeVictim(t, db, s, verb, v)
	}
	// Nothing else writes while the pages are checked: what was begun is done.
	if err := db.resumeErasing(t.Context()); err != nil {
		v.broken("resuming: %v", err)
	}
	err = db.Update(t.Context(), func(tx *Tx) error {
		for err := range tx.b.Check() {
			v.broken("pages: %v", err)
		}
		return byNumber.Put(tx, []uint64{999}, 1)
	})
	if err != nil {
		v.broken("writing on: %v", err)
	}
}

func judgeVictim(t *testing.T, db *DB, s Subject, verb string, v *verdict) {
	t.Helper()
	var got error
	if err := db.View(t.Context(), func(tx *Tx) error {
		_, got = people.Get(tx, s, 1)
		return nil
	}); err != nil {
		v.broken("view: %v", err)
		return
	}
	alive := db.keys.alive(s)
	gone := errors.Is(got, ErrNotFound) || errors.Is(got, ErrErased)
	switch {
	case verb == "erased" && (alive || !errors.Is(got, ErrNotFound)):
		v.missing("victim %d was erased: alive %t, %v", s, alive, got)
	case verb == "made" && got != nil:
		v.missing("victim %d was made: %v", s, got)
	case verb == "erase" && got != nil && (!gone || alive):
		v.broken("victim %d: alive %t, %v", s, alive, got)
	}
}

// judgeWriter finds the version of a writer and looks for all of it.
func judgeWriter(tx *Tx, db *DB, w uint64, p *promises, verdict *verdict) {
	row, ok := threads.Get(tx, w)
	v := row.Last
	if v < p.Done[w] {
		verdict.missing("writer %d is at version %d, promised %d", w, v, p.Done[w])
	}
	if v > p.Begun[w] {
		verdict.broken("writer %d is at version %d, begun %d", w, v, p.Begun[w])
	}
	if !ok {
		return
	}
	for _, err := range []error{judgeRecords(tx, w, v), judgeQueue(tx, w, v), judgeBlobs(tx, db, w, v), judgeLookups(tx, w, v), judgeJournal(tx, w, v)} {
		if err == nil {
			continue
		}
		verdict.broken("writer %d version %d: %v", w, v, err)
		if !errors.Is(err, errOnPurpose) { // of a record that is not what was sealed
			verdict.Numbers = append(verdict.Numbers, err.Error())
		}
	}
}

func judgeRecords(tx *Tx, w, v uint64) error {
	s := Subject(w) //nolint:gosec // small
	row, _ := threads.Get(tx, w)
	one, err := people.Get(tx, s, 1)
	if err != nil || one.Name != workText(w, v) || row.Title != workText(w, v) {
		return fmt.Errorf("row or record: %w", errors.Join(err, errOnPurpose))
	}
	for i := uint64(1); i <= v; i++ {
		m, err := messages.Get(tx, Ref{workDay(i), w, i})
		if i%5 == 1 && i+2 <= v {
			if !errors.Is(err, ErrNotFound) {
				return fmt.Errorf("message %d was deleted: %w", i, err)
			}
			continue
		}
		if err != nil || m.Text != workText(w, i) {
			return fmt.Errorf("message %d: %w", i, errors.Join(err, errOnPurpose))
		}
	}
	if _, err := messages.Get(tx, Ref{workDay(v + 1), w, v + 1}); !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("message %d is there too soon", v+1)
	}
	return nil
}

func judgeLookups(tx *Tx, w, v uint64) error {
	for i := uint64(1); i <= v; i++ {
		n, ok, err := numbers.Get(tx, "v", workName(w, i))
		if err != nil || ok != (i+2 > v) || ok && n != i {
			return fmt.Errorf("lookup %d: %d %t %w", i, n, ok, err)
		}
		group, seq, ok, err := provider.Get(tx, workDay(i), workName(w, i))
		if err != nil || !ok || group != w || seq != i {
			return fmt.Errorf("lookup of the day %d: %d %d %t %w", i, group, seq, ok, err)
		}
		if n, ok := byNumber.Get(tx, []uint64{w, i % 7}); !ok || n > v || n%7 != i%7 || n+7 <= v {
			return fmt.Errorf("index %d: %d %t", i, n, ok)
		}
	}
	return nil
}

func judgeJournal(tx *Tx, w, v uint64) error {
	all, err := journal.Read(tx, 0, 1<<30)
	if err != nil {
		return err
	}
	var count, last uint64
	for _, e := range all {
		if uint64(e.Kind) != w {
			continue
		}
		if count++; e.A != count {
			return fmt.Errorf("entry %d of the log says %d", count, e.A)
		}
		last = e.Seq
	}
	at, err := journal.Cursor(tx, fmt.Sprint("w", w))
	if err != nil || count != v || at != last {
		return fmt.Errorf("%d entries, cursor %d of %d: %w", count, at, last, err)
	}
	return nil
}

func judgeQueue(tx *Tx, w, v uint64) error {
	for i := uint64(1); i <= v; i++ {
		id, ok := byNumber.Get(tx, []uint64{100 + w, i})
		if ok != (i+2 > v) {
			return fmt.Errorf("job %d in the index: %t", i, ok)
		}
		if !ok {
			continue
		}
		it, err := outbox.Get(tx, id)
		if err != nil || it.Job.Text != workText(w, i) {
			return fmt.Errorf("job %d: %w", i, errors.Join(err, errOnPurpose))
		}
	}
	return nil
}

func judgeBlobs(tx *Tx, db *DB, w, v uint64) error {
	n := uint64(0)
	err := byNumber.Scan(tx, []uint64{200 + w}, 0, func(key []uint64, _ uint64) error {
		n++
		ref := BlobRef{About: Subject(w)} //nolint:gosec // small
		copy(ref.ID[:], bytes.Join([][]byte{rowBytes(key[2]), rowBytes(key[3])}, nil))
		m, err := BlobInfo(tx, ref)
		if err != nil {
			return err
		}
		b, err := db.OpenBlob(ref)
		if err != nil {
			return err
		}
		defer b.Close() //nolint:errcheck // only read
		text, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
		if err != nil || string(text) != workText(w, key[1]) || m.Size != b.Size() {
			return fmt.Errorf("attachment of %d: %w", key[1], errors.Join(err, errOnPurpose))
		}
		return nil
	})
	if err == nil && n != v/6 {
		err = fmt.Errorf("%d attachments of %d", n, v/6)
	}
	return err
}

func rowBytes(n uint64) []byte {
	k := rowKey(n)
	return k[:]
}
