// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"
)

// RestoreOptions say what a backup is restored with.
type RestoreOptions struct {
	// Identities are the contents of identity files: that of the machine or the
	// recovery key, and that of the recipient the backup was made for if it was
	// made for another. Passphrase opens those that are protected.
	Identities [][]byte
	Passphrase string
	// Keys and Ledger are what lies beside the backup. Both are needed.
	Keys, Ledger []byte
	// Identity is where the machine identity of the restored store is kept; empty
	// means where Open looks for it. It is made when there is none.
	Identity string
	// AcceptDamage restores although some records do not open. They were damaged
	// when the backup was made.
	AcceptDamage bool
	// Finish works on the store before it is there for anybody else; nil does
	// nothing. Its error undoes the restore.
	Finish func(context.Context, *DB) error
	// Progress hears of every step.
	Progress func(Progress)
	Now      func() time.Time
	Log      *slog.Logger
}

// Progress is how far a restore has come.
type Progress struct {
	Step        string // a few words
	Done, Total int64  // bytes or records; Total is 0 when it is not known
}

// Restored is what came of a restore.
type Restored struct {
	Manifest
	Identity    string // the file of the machine identity
	NewIdentity bool   // made by the restore
	Again       int    // destructions that were done again
	Damaged     int    // records that do not open
}

// restoringDir is where a restore works, inside the directory that it fills.
const restoringDir = "restoring"

// Restore makes a store in dir, which is empty or not there, from a backup. It
// believes nothing: what fails a check is refused, and nothing is left behind.
// What the ledger says was destroyed since the backup is destroyed again before
// the store is there. data.db comes last and at once: a restore that is cut short
// leaves no store, and the next one begins anew.
func Restore(ctx context.Context, dir string, from io.Reader, o RestoreOptions) (res Restored, err error) {
	r, err := newRestorer(dir, &o)
	if err != nil {
		return res, err
	}
	if err := r.prepare(); err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, r.leave(err != nil)) }()
	if err := r.receive(ctx, from); err != nil {
		return res, err
	}
	if err := r.examine(ctx); err != nil {
		return res, err
	}
	if err := r.build(ctx); err != nil {
		return res, err
	}
	if err := r.settle(); err != nil {
		return res, err
	}
	return r.result, nil
}

// restorer is a restore under way.
type restorer struct {
	o        *RestoreOptions
	dir      string // the data directory to be
	stage    string // where it is built
	made     bool   // dir was not there
	lock     *os.File
	ids      []age.Identity
	escrow   *escrow
	ledger   *Ledger
	backup   *readArchive
	identity kept
	result   Restored
}

func newRestorer(dir string, o *RestoreOptions) (*restorer, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("finding %s: %w", dir, err)
	}
	r := &restorer{o: o, dir: abs, stage: filepath.Join(abs, restoringDir)}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if len(o.Keys) == 0 {
		return nil, fmt.Errorf("%w: a backup opens with the copy of the keys beside it (.keys); give it", ErrWrongKey)
	}
	if len(o.Ledger) == 0 {
		return nil, fmt.Errorf("%w: without the ledger beside the backup (.ledger), what was erased would come back; give it", ErrLedger)
	}
	if r.ids, err = parseIdentities(o.Identities, o.Passphrase); err != nil {
		return nil, err
	}
	if r.escrow, err = openEscrow(o.Keys, r.ids); err != nil {
		return nil, err
	}
	if r.ledger, err = ParseLedger(o.Ledger); err != nil {
		return nil, err
	}
	if r.ledger.Instance != r.escrow.instance() {
		return nil, fmt.Errorf("%w: the ledger and the keys are of two installations; give those of the same one", ErrWrongKey)
	}
	return r, nil
}

// movingFile lists, in restoringDir, what is about to be moved into the directory.
// data.db is not among it: with that the restore is done.
const movingFile = "moving"

// prepare takes the directory and makes sure that it is empty.
func (r *restorer) prepare() (err error) {
	switch err := os.Mkdir(r.dir, 0o700); {
	case err == nil:
		r.made = true
	case errors.Is(err, os.ErrNotExist):
		if err := os.MkdirAll(r.dir, 0o700); err != nil {
			return filing("making", r.dir, err)
		}
		r.made = true
	case !errors.Is(err, os.ErrExist):
		return filing("making", r.dir, err)
	}
	if r.lock, err = lock(r.dir); err != nil {
		return err
	}
	if err := r.empty(); err != nil {
		return errors.Join(err, r.lock.Close())
	}
	if err := os.MkdirAll(r.stage, 0o700); err != nil {
		return errors.Join(filing("making", r.stage, err), r.lock.Close())
	}
	return nil
}

func (r *restorer) empty() error {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return filing("reading", r.dir, err)
	}
	names := map[string]bool{}
	for _, e := range entries {
		names[e.Name()] = true
	}
	delete(names, "LOCK")
	delete(names, "lost+found")
	if names[restoringDir] && !names[dataFile] { // cut short
		gone, err := r.clear()
		if err != nil {
			return err
		}
		for _, name := range gone {
			delete(names, name)
		}
	}
	if len(names) > 0 {
		return fmt.Errorf("%w: %s is not empty; name a directory that is, or that is not there", ErrNotEmpty, r.dir)
	}
	return nil
}

// clear removes what a restore has put into the directory so far, its list last.
func (r *restorer) clear() (gone []string, err error) {
	text, err := os.ReadFile(filepath.Join(r.stage, movingFile))
	if ignoreMissing(err) != nil {
		return nil, filing("reading", filepath.Join(r.stage, movingFile), err)
	}
	for _, name := range append(strings.Fields(string(text)), restoringDir) {
		if name != filepath.Base(name) || name == dataFile {
			continue
		}
		if err := os.RemoveAll(filepath.Join(r.dir, name)); err != nil { //nolint:gosec // a bare name, see above
			return gone, filing("removing", filepath.Join(r.dir, name), err)
		}
		gone = append(gone, name)
	}
	return gone, nil
}

// ErrNotEmpty says that a restore would overwrite something.
var ErrNotEmpty = errors.New("the restore is refused")

// leave gives the directory back, as it was when the restore failed.
func (r *restorer) leave(failed bool) (err error) {
	_, there := os.Stat(filepath.Join(r.dir, dataFile))
	switch {
	case !failed || there == nil: // also when only the last fsync failed
		if rerr := os.RemoveAll(r.stage); rerr != nil {
			err = filing("removing", r.stage, rerr)
		}
	default:
		if _, err = r.clear(); err == nil && r.made {
			err = errors.Join(os.Remove(filepath.Join(r.dir, "LOCK")), os.Remove(r.dir))
		}
	}
	return errors.Join(err, r.lock.Close())
}

// receive writes the entries of the backup beside the place they will have.
func (r *restorer) receive(ctx context.Context, from io.Reader) (err error) {
	progress := func(done int64) { r.o.Progress(Progress{Step: "reading the backup", Done: done}) }
	if r.backup, err = readBackup(ctx, from, r.ids, progress, r.put); err != nil {
		return err
	}
	r.result.Manifest = r.backup.Manifest
	return r.backup.checkAgainst(r.escrow)
}

func (r *restorer) put(name string, _ int64) (io.WriteCloser, error) {
	path := filepath.Join(r.stage, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, filing("making", filepath.Dir(path), err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, filing("creating", path, err)
	}
	return &durable{f}, nil
}

// durable is a file that is on disk once it is closed.
type durable struct{ f *os.File }

// Write implements io.Writer.
func (d *durable) Write(p []byte) (int, error) {
	n, err := d.f.Write(p)
	if err != nil {
		err = filing("writing", d.f.Name(), err)
	}
	return n, err
}

// Close implements io.Closer.
func (d *durable) Close() error {
	if err := errors.Join(d.f.Sync(), d.f.Close()); err != nil {
		return filing("writing", d.f.Name(), err)
	}
	return nil
}

// settle moves what was built to its place, data.db last.
func (r *restorer) settle() error {
	r.o.Progress(Progress{Step: "putting it in place"})
	entries, err := os.ReadDir(r.stage)
	if err != nil {
		return filing("reading", r.stage, err)
	}
	move := func(name string) error {
		if err := os.Rename(filepath.Join(r.stage, name), filepath.Join(r.dir, name)); err != nil {
			return filing("moving to", filepath.Join(r.dir, name), err)
		}
		return nil
	}
	var moving []string
	for _, e := range entries {
		if e.Name() != dataFile && e.Name() != "LOCK" {
			moving = append(moving, e.Name())
		}
	}
	if err := writeFile(filepath.Join(r.stage, movingFile), []byte(strings.Join(moving, "\n"))); err != nil {
		return err
	}
	if err := syncDir(r.stage); err != nil {
		return err
	}
	for _, name := range moving {
		if err := move(name); err != nil {
			return err
		}
	}
	if err := syncDir(r.dir); err != nil {
		return err
	}
	if err := move(dataFile); err != nil {
		return err
	}
	return errors.Join(syncDir(r.dir), syncDir(filepath.Dir(r.dir)))
}
