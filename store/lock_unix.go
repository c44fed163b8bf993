// SPDX-License-Identifier: Apache-2.0

//go:build unix

package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockWait covers a process that is just stopping.
const lockWait = time.Second

// lock takes the directory for this process; closing the file gives it back.
func lock(dir string) (*os.File, error) {
	path := filepath.Join(dir, "LOCK")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, filing("opening", path, err)
	}
	for end := time.Now().Add(lockWait); ; {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) //nolint:gosec // a file descriptor fits
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, filing("locking", path, errors.Join(err, f.Close()))
		}
		if time.Now().After(end) {
			return nil, errors.Join(fmt.Errorf("%w: %s is held; stop the other kith or give this one its own data directory", ErrLocked, path), f.Close())
		}
		<-time.After(20 * time.Millisecond)
	}
}
