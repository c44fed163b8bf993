// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	bberrors "go.etcd.io/bbolt/errors"
)

// What callers tell apart. Errors of Open wrap one of them in a sentence that
// names the file and the remedy.
var (
	ErrNotFound   = errors.New("no such record")
	ErrErased     = errors.New("the key of this record was destroyed")
	ErrStop       = errors.New("stop") // returned by callbacks to end an iteration early
	ErrLocked     = errors.New("the store is in use by another process")
	ErrPermission = errors.New("the store may not be read or written")
	ErrDamaged    = errors.New("the store is damaged")
	ErrWrongKey   = errors.New("the identity does not open the store")
	ErrNewer      = errors.New("the store was written by a newer version")
	ErrFull       = errors.New("the disk is full; nothing was kept")
	// ErrUnavailable says that a write was refused and nothing of it was kept.
	ErrUnavailable = errors.New("the store cannot write; nothing was kept")
	// ErrUnknown says that a commit failed in a way that leaves open whether it
	// will be there after a restart. No further write is accepted.
	ErrUnknown = errors.New("it is not known whether the write was kept")
	ErrClosed  = errors.New("the store is closed")
)

// errReadOnly is a programmer's mistake: a write inside View.
var errReadOnly = errors.New("store: write inside View")

// stopped turns the control value ErrStop into success.
func stopped(err error) error {
	if errors.Is(err, ErrStop) {
		return nil
	}
	return err
}

// filing wraps an error of the file system with what it means for the operator.
func filing(doing, path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: %s %s: %w; give the user that runs kith read and write access to it", ErrPermission, doing, path, err)
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.ELOOP):
		return fmt.Errorf("%w: %s %s: %w; name a directory that can be one", ErrPermission, doing, path, err)
	case isFull(err):
		return fmt.Errorf("%w: %s %s: %w; free some space on that disk", ErrFull, doing, path, err)
	default:
		return fmt.Errorf("%s %s: %w", doing, path, err)
	}
}

// isFull recognises a disk without space, also where bbolt flattened the cause
// into text.
func isFull(err error) bool {
	if err == nil {
		return false
	}
	for _, full := range []error{bberrors.ErrMaxSizeReached, syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, full) || strings.Contains(err.Error(), full.Error()) {
			return true
		}
	}
	return false
}

func isErased(err error) bool { return errors.Is(err, ErrErased) }
