// SPDX-License-Identifier: Apache-2.0

// Command kith is customer messaging on your own server.
package main

import (
	"os"

	"kith/app/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
