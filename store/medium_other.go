// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package store

import "os"

func erasureStrength(string) (strength, reason string) {
	return "reduced", "file systems are only known on Linux"
}

func avoidCopyOnWrite(*os.File) {}

func forgetPages(uintptr, int64) {}

func readSequentially(*os.File) {}
