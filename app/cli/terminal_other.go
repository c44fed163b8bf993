// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package cli

import "os"

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func withoutEcho(_ *os.File, read func() error) error { return read() }
