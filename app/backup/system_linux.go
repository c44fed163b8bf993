// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"os"

	"golang.org/x/sys/unix"
)

// forget takes a part of a file out of the RAM that caches it.
func forget(f *os.File, at, n int64) {
	_ = unix.Fadvise(int(f.Fd()), at, n, unix.FADV_DONTNEED) // advice, no more
}
