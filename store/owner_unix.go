// SPDX-License-Identifier: Apache-2.0

//go:build unix

package store

import (
	"os"
	"syscall"
)

// sameOwner gives a file the owner of another one, so that what root writes for
// the server stays the server's.
func sameOwner(path, like string) error {
	info, err := os.Stat(like)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	mine, err := os.Stat(path)
	if err != nil {
		return err
	}
	if my, ok := mine.Sys().(*syscall.Stat_t); ok && my.Uid == st.Uid && my.Gid == st.Gid {
		return nil
	}
	return os.Chown(path, int(st.Uid), int(st.Gid))
}
