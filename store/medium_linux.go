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
	kind := int64(st.Type) //nolint:unconvert // the width differs between machines
	switch kind {
	case unix.EXT4_SUPER_MAGIC:
		if journalsData(dir) {
			return reducedStrength, "ext4 with data=journal keeps old contents in its journal; mount it with data=ordered"
		}
		return fullStrength, ""
	case unix.XFS_SUPER_MAGIC:
		return fullStrength, ""
	case unix.BTRFS_SUPER_MAGIC:
		if hasFlag(filepath.Join(dir, anchorFile), fsNoCOW) {
			return fullStrength, ""
		}
		return reducedStrength, "btrfs copies on write; set chattr +C on the empty data directory"
	}
	if reason, ok := reducing[kind]; ok {
		return reducedStrength, reason
	}
	return reducedStrength, fmt.Sprintf("nothing is known about file systems of type %#x; ext4 and xfs are known to forget", kind)
}

const (
	zfsMagic      = 0x2FC12FC1
	bcachefsMagic = 0xCA451A4E
)

// reducing are file systems that write elsewhere than where they overwrite, or
// whose disks are out of reach.
var reducing = map[int64]string{
	unix.OVERLAYFS_SUPER_MAGIC: "overlayfs may keep old contents in a lower layer; use a volume",
	zfsMagic:                   "zfs copies on write and keeps snapshots; use ext4 or xfs",
	bcachefsMagic:              "bcachefs copies on write; use ext4 or xfs",
	unix.F2FS_SUPER_MAGIC:      "f2fs writes to another place each time; use ext4 or xfs",
	unix.NILFS_SUPER_MAGIC:     "nilfs writes to another place each time; use ext4 or xfs",
	unix.NFS_SUPER_MAGIC:       "what a network file system keeps is out of reach; use a disk of this machine",
	unix.SMB_SUPER_MAGIC:       "what a network file system keeps is out of reach; use a disk of this machine",
	unix.SMB2_SUPER_MAGIC:      "what a network file system keeps is out of reach; use a disk of this machine",
	unix.CIFS_SUPER_MAGIC:      "what a network file system keeps is out of reach; use a disk of this machine",
	unix.CEPH_SUPER_MAGIC:      "what a network file system keeps is out of reach; use a disk of this machine",
	unix.FUSE_SUPER_MAGIC:      "what lies behind a FUSE file system is not known; use ext4 or xfs",
	unix.TMPFS_MAGIC:           "tmpfs may be written to the swap, and forgets everything at a restart; use a disk",
}

// journalsData tells whether ext4 writes contents into its journal too: by the
// options of the mount, those in the superblock, which only /proc/fs shows, or
// the flag of the anchor.
func journalsData(dir string) bool {
	source, options := mountOf(dir)
	if all, err := os.ReadFile(filepath.Join("/proc/fs/ext4", filepath.Base(source), "options")); err == nil {
		options += "," + strings.Join(strings.Fields(string(all)), ",")
	}
	return strings.Contains(options, "data=journal") || hasFlag(filepath.Join(dir, anchorFile), fsJournalData)
}

// Flags of files.
const (
	fsNoCOW       = 0x00800000
	fsJournalData = 0x00004000
)

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

func hasFlag(path string, flag int) bool {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS) //nolint:gosec // a file descriptor fits
	return err == nil && flags&flag != 0
}

// mountOf is the device and the options of the file system that dir is on.
func mountOf(dir string) (source, options string) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", ""
	}
	defer func() { _ = f.Close() }()
	abs, err := filepath.EvalSymlinks(dir)
	if err == nil {
		abs, err = filepath.Abs(abs)
	}
	if err != nil {
		return "", ""
	}
	point := ""
	for s := bufio.NewScanner(f); s.Scan(); {
		before, after, ok := strings.Cut(s.Text(), " - ")
		fields, of := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 6 || len(of) < 3 {
			continue
		}
		at := fields[4]
		inside := at == "/" || abs == at || strings.HasPrefix(abs, at+"/")
		if inside && len(at) >= len(point) {
			point, source, options = at, of[1], of[2]
		}
	}
	return source, options
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
