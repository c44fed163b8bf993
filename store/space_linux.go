// SPDX-License-Identifier: Apache-2.0

package store

import (
	"os"

	"golang.org/x/sys/unix"
)

// diskSpace is what may still be written to the disk of dir, and its size.
func diskSpace(dir string) (free, total int64) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0
	}
	size := int64(st.Bsize)                                 //nolint:unconvert // the width differs between machines
	return int64(st.Bavail) * size, int64(st.Blocks) * size //nolint:gosec // no disk is that large
}

// preallocate takes blocks for a file without writing them.
func preallocate(f *os.File, size int64) error {
	return unix.Fallocate(int(f.Fd()), 0, 0, size) //nolint:gosec // a file descriptor fits
}
