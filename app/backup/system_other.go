// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package backup

import "os"

func forget(*os.File, int64, int64) {}
