// SPDX-License-Identifier: Apache-2.0

//go:build unix

package backup

import (
	"errors"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// free is the space on the disk of a directory that kith may still use; -1 when it is not known.
func free(dir string) int64 {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return -1
	}
	return int64(st.Bavail) * int64(st.Bsize) //nolint:unconvert // the width differs between machines
}

// isBroken tells whether nobody reads what is written.
func isBroken(err error) bool { return errors.Is(err, syscall.EPIPE) }

// Room tells whether a backup of a size can be unpacked in dir beside what is there.
func Room(dir string, size int64) bool {
	left := free(dir)
	return left < 0 || left >= size+room
}

// killWhole has a command and everything that it starts end together when it is cancelled.
func killWhole(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
