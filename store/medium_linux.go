// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	fullStrength    = "full"
	reducedStrength = "reduced"
)

// erasureStrength says whether overwriting the anchor in place reaches the old
// blocks on this file system, and if not, why.
func erasureStrength(dir string) (strength, reason string) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return reducedStrength, "the file system could not be asked: " + err.Error()
	}
	switch int64(st.Type) { //nolint:unconvert // the width differs between machines
	case unix.EXT4_SUPER_MAGIC:
		if strings.Contains(mountOptions(dir), "data=journal") {
			return reducedStrength, "ext4 with data=journal keeps old contents in its journal"
		}
		return fullStrength, ""
	case unix.XFS_SUPER_MAGIC:
		return fullStrength, ""
	case unix.BTRFS_SUPER_MAGIC:
		if noCopyOnWrite(filepath.Join(dir, anchorFile)) {
			return fullStrength, ""
		}
		return reducedStrength, "btrfs copies on write; set chattr +C on the empty data directory"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return reducedStrength, "overlayfs may keep old contents in a lower layer; use a volume"
	}
	return reducedStrength, fmt.Sprintf("nothing is known about file systems of type %#x", st.Type)
}

const fsNoCOW = 0x00800000

// avoidCopyOnWrite asks btrfs to overwrite an empty file in place.
func avoidCopyOnWrite(f *os.File) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil || int64(st.Type) != unix.BTRFS_SUPER_MAGIC { //nolint:gosec,unconvert // a file descriptor fits; the width differs between machines
		return
	}
	flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS) //nolint:gosec // a file descriptor fits
	if err == nil {
		_ = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags|fsNoCOW) //nolint:gosec // a file descriptor fits
	}
}

func noCopyOnWrite(path string) bool {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS) //nolint:gosec // a file descriptor fits
	return err == nil && flags&fsNoCOW != 0
}

// mountOptions are those of the file system that dir is on.
func mountOptions(dir string) string {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	abs, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	point, options := "", ""
	for s := bufio.NewScanner(f); s.Scan(); {
		fields := strings.Fields(s.Text())
		if len(fields) < 6 {
			continue
		}
		at := fields[4]
		inside := at == "/" || abs == at || strings.HasPrefix(abs, at+"/")
		if inside && len(at) >= len(point) {
			point, options = at, fields[len(fields)-1]
		}
	}
	return options
}

// forgetPages drops the mapped pages of a file from resident memory; they stay
// in the page cache.
func forgetPages(addr uintptr, size int64) {
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, addr, uintptr(size), unix.MADV_DONTNEED)
}

// readSequentially tells the kernel to read far ahead.
func readSequentially(f *os.File) {
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_SEQUENTIAL) //nolint:gosec // a file descriptor fits
}
