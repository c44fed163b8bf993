// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package cli

import "errors"

func harden() error { return nil }

func memoryOf() uint64 { return 0 }

func freeOf(string) (uint64, error) {
	return 0, errors.New("kith cannot tell the free space on this system")
}
