// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// harden keeps keys out of core files and out of reach of other processes of the same user.
func harden() error {
	none := unix.Rlimit{}
	return errors.Join(
		wrapped("forbidding core files", unix.Setrlimit(unix.RLIMIT_CORE, &none)),
		wrapped("hiding the memory from debuggers", unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)),
	)
}

func wrapped(doing string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// memoryOf returns the memory that this process may use: of the machine, or of its control group when that is less.
func memoryOf() uint64 {
	var si unix.Sysinfo_t
	if err := unix.Sysinfo(&si); err != nil {
		return 0
	}
	total := uint64(si.Totalram) * uint64(si.Unit) //nolint:unconvert // the width differs between machines
	if b, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64); err == nil && n < total {
			return n
		}
	}
	return total
}

// freeOf returns the free bytes on the disk that holds dir.
func freeOf(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("looking at the disk of %s: %w", dir, err)
	}
	return st.Bavail * uint64(st.Bsize), nil //nolint:unconvert // the width differs between machines
}
