// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"

	"golang.org/x/sys/unix"
)

// isTerminal tells whether somebody sits at the other end.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS) //nolint:gosec // a file descriptor fits
	return err == nil
}

// withoutEcho runs read while what is typed is not shown.
func withoutEcho(f *os.File, read func() error) error {
	fd := int(f.Fd()) //nolint:gosec // a file descriptor fits
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return read()
	}
	quiet := *before
	quiet.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &quiet); err != nil {
		return wrapped("hiding what is typed", err)
	}
	defer func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, before) }() // the terminal may be gone
	return read()
}
