// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// Command gives what write writes to the standard input of a command of the shell. It succeeds when the command does:
// one that ends early or with another status than 0 has not taken the backup. After an error the command sees the end
// of its input too, hence it is killed first.
func Command(ctx context.Context, command string, stdout io.Writer, write func(io.Writer) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command) //nolint:gosec // the operator's own command line
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = stdout, &head{to: &said}
	killWhole(cmd)
	cmd.WaitDelay = waitDelay // for what it started, and left behind
	in, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("starting the command: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the command: %w", err)
	}
	written := write(in)
	if written != nil && !isBroken(written) {
		cancel()
		return errors.Join(written, ignoreKilled(cmd.Wait()))
	}
	closed := in.Close()
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("the command did not take the backup: %w%s", err, quote(said.String()))
	}
	if err := errors.Join(written, closed); err != nil {
		return fmt.Errorf("the command ended before the backup did: %w", err)
	}
	return nil
}

// waitDelay is how long the output of a command that ended may stay open.
const waitDelay = 10 * time.Second

// quote adds what the command said.
func quote(said string) string {
	if said = strings.Join(strings.Fields(said), " "); said != "" {
		return "; it says: " + said
	}
	return ""
}

// ignoreKilled passes over that the command was killed, which was meant.
func ignoreKilled(err error) error {
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil
	}
	return err
}

// head keeps the beginning of what a command says.
type head struct{ to *bytes.Buffer }

// Write implements io.Writer.
func (h *head) Write(p []byte) (int, error) {
	h.to.Write(p[:min(len(p), max(0, 500-h.to.Len()))])
	return len(p), nil
}
