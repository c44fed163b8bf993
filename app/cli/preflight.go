// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"kith/store"
)

const preflightHelp = `kith serve runs this in a process of its own after a stop that was not clean: what is wrong with data.db may end that
process, and then not the server.`

// inPreflight keeps a preflight from starting another one.
const inPreflight = "KITH_IN_PREFLIGHT"

func setPreflight(f *flags) func(context.Context, streams) error {
	data := f.data()
	return func(context.Context, streams) error {
		if err := exists(*data); err != nil {
			return err
		}
		return store.Preflight(*data)
	}
}

// preflight lets a child process check data.db before the store is opened. After a clean stop there is nothing to do.
func preflight(dir string) error {
	if os.Getenv(inPreflight) != "" || !store.NeedsPreflight(dir) {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the program of kith: %w", err)
	}
	child := exec.CommandContext(context.Background(), self, "preflight", "--data", dir) //nolint:gosec // this very program
	child.Args[0] = "kith"
	child.Env = append(os.Environ(), inPreflight+"=1")
	var said bytes.Buffer
	child.Stderr = &said
	err = child.Run()
	exit, ended := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return nil
	case !ended:
		return fmt.Errorf("starting the check of data.db: %w", err)
	case exit.ExitCode() == exitDamaged || exit.ExitCode() == exitPermission || exit.ExitCode() == exitFailed:
		return &remoteError{strings.TrimPrefix(strings.TrimSpace(said.String()), "kith: "), exit.ExitCode()}
	}
	return fmt.Errorf("%w: data.db in %s cannot be read, the check of it ended with %q; restore it from a backup",
		store.ErrDamaged, dir, exit.String())
}
