// SPDX-License-Identifier: Apache-2.0

// Package backup keeps copies of the installation in other places: directories, S3-compatible storage, the standard
// input of a command. In each place it also keeps one copy of the keyring and one of the ledger, and brings both to
// date whenever a key is destroyed.
package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"kith/store"
)

// ErrInvalid says that a place or a setting cannot be; the sentence with it says what to do.
var ErrInvalid = errors.New("the backup is not set up right")

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// Source is what backups are made of: the open store, or one that another process has open.
type Source interface {
	Instance() string
	Backup(ctx context.Context, w io.Writer, o store.BackupOptions) (store.Manifest, *store.Witness, error)
	Escrow() (sealed []byte, generation uint64, err error)
	Ledger(ctx context.Context) ([]byte, error)
}

var _ Source = (*store.DB)(nil)

// Target keeps files.
type Target interface {
	// Put stores what write writes under a name, whole or not at all.
	Put(ctx context.Context, name string, write func(io.Writer) error) error
	// Replace puts a small file in the place of the one of that name, whose bytes are overwritten where that is possible.
	Replace(ctx context.Context, name string, b []byte) error
	// Open returns the file of that name; os.ErrNotExist when there is none.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	List(ctx context.Context) ([]File, error)
	Remove(ctx context.Context, name string) error
}

// File is one that a target keeps.
type File struct {
	Name string
	Size int64
}

// Names are those of a backup and of what lies beside it.
type Names struct{ File, Keys, Ledger string }

const (
	keysSuffix   = ".keys"
	ledgerSuffix = ".ledger"
	fileSuffix   = ".age"
	stamp        = "20060102T150405Z"
)

// series is how the names of all backups of an installation begin.
func series(instance string) string { return "kith-" + instance[:min(8, len(instance))] }

// datedNames are those of a backup in a place that keeps several: its own, and one copy of keys and ledger for all.
func datedNames(instance string, at time.Time) Names {
	base := series(instance)
	return Names{base + "-" + at.UTC().Format(stamp) + fileSuffix, base + keysSuffix, base + ledgerSuffix}
}

// fileNames are those of a backup whose name somebody chose.
func fileNames(name string) Names { return Names{name, name + keysSuffix, name + ledgerSuffix} }

// besideNames are where keys and ledger of a backup may lie, the likeliest first.
func besideNames(file string) []Names {
	all := []Names{fileNames(file)}
	if base, _, ok := cutStamp(file); ok {
		all = append(all, Names{file, base + keysSuffix, base + ledgerSuffix})
	}
	return all
}

// Result is what came of writing a backup.
type Result struct {
	store.Manifest
	Names      Names
	Size       int64 // of the file, in bytes
	Generation uint64
	Witness    *store.Witness
}

// Write makes a backup in a target. The copies of ledger and keys are brought to date before the backup appears, so
// that there is never one that cannot be restored.
func Write(ctx context.Context, src Source, t Target, n Names, o store.BackupOptions) (Result, error) {
	r := Result{Names: n}
	err := t.Put(ctx, n.File, func(w io.Writer) error {
		c := &counting{w: w}
		var err error
		if r.Manifest, r.Witness, err = src.Backup(ctx, c, o); err != nil {
			return err
		}
		r.Size = c.n
		r.Generation, err = Beside(ctx, src, t, n)
		return err
	})
	return r, err
}

// Beside brings the copies of ledger and keys in a target to date and returns the generation of the keys.
func Beside(ctx context.Context, src Source, t Target, n Names) (uint64, error) {
	keys, generation, err := src.Escrow()
	if err != nil {
		return 0, err
	}
	ledger, err := src.Ledger(ctx) // after the keys: it knows of everything that they lack
	if err == nil {
		err = supersedes(ctx, t, n.Ledger, ledger)
	}
	if err != nil {
		return 0, err
	}
	if err := t.Replace(ctx, n.Ledger, ledger); err != nil {
		return 0, err
	}
	return generation, t.Replace(ctx, n.Keys, keys)
}

// ErrOlder says that a place knows of destructions that this installation does not: it was restored from a backup while
// another one of the same name went on.
var ErrOlder = errors.New("the place belongs to a newer copy of this installation")

// supersedes makes sure that a ledger is no older than the one in a place. The keys that go with an older one would
// bring back who was erased since.
func supersedes(ctx context.Context, t Target, name string, ledger []byte) error {
	text, err := read(ctx, t, name)
	if err != nil || text == nil {
		return err
	}
	there, err := store.ParseLedger(text)
	if err != nil {
		return nil //nolint:nilerr // what cannot be read is replaced
	}
	ours, err := store.ParseLedger(ledger)
	if err != nil {
		return err
	}
	if there.Instance != ours.Instance {
		return invalid("another installation keeps its keys under this name; choose another place")
	}
	if there.Len() > ours.Len() {
		return fmt.Errorf("%w: %d destructions are known there and %d here; use another place", ErrOlder, there.Len(), ours.Len())
	}
	return nil
}

// counting counts what passes.
type counting struct {
	w io.Writer
	n int64
}

// Write implements io.Writer.
func (c *counting) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
