// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	crashDir  = "KITH_CRASH_DIR"
	crashTest = "KITH_CRASH_TEST"
	// CrashRounds is the environment variable with the number of rounds of Crash.
	CrashRounds = "KITH_CRASH_ROUNDS"
)

// Writer works in the child process until it is killed: it opens what is in dir
// and calls acked with a line for everything that it was told is durable.
type Writer func(t *testing.T, dir string, acked func(line string))

// Crash runs the calling test again as a child process that writes, kills it
// with SIGKILL at a random moment under load, and hands every line that the
// child had acknowledged, in all rounds so far, to verify. It repeats that on
// the same directory: three times, or as often as KITH_CRASH_ROUNDS says.
//
// The calling test must do nothing but call Crash.
func Crash(t *testing.T, write Writer, verify func(t *testing.T, dir string, acked []string)) {
	t.Helper()
	if dir := os.Getenv(crashDir); dir != "" && os.Getenv(crashTest) == t.Name() {
		out := bufio.NewWriter(os.Stdout)
		write(t, dir, acknowledge(out))
		return
	}
	rounds := 3
	if n, err := strconv.Atoi(os.Getenv(CrashRounds)); err == nil && n > 0 {
		rounds = n
	}
	dir := t.TempDir() + "/data"
	var acked []string
	for range rounds {
		lines := crashOnce(t, dir, time.Duration(20+rand.IntN(300))*time.Millisecond) //nolint:gosec // any moment will do
		acked = append(acked, lines...)
		verify(t, dir, acked)
		if t.Failed() {
			return
		}
	}
	if len(acked) == 0 {
		t.Error("nothing was acknowledged before the children were killed; the test shows nothing")
	}
}

const ackPrefix = "\x01acked "

// acknowledge writes lines that the parent tells from what a test prints.
func acknowledge(out *bufio.Writer) func(string) {
	turn := make(chan struct{}, 1)
	return func(line string) {
		turn <- struct{}{}
		defer func() { <-turn }()
		_, _ = out.WriteString(ackPrefix + line + "\n")
		_ = out.Flush()
	}
}

// crashOnce runs one child, kills it some time after its first line and returns
// its lines. A line that was cut off by the kill does not count.
func crashOnce(t *testing.T, dir string, after time.Duration) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v=false") //nolint:gosec // this very test binary
	child.Env = append(os.Environ(), crashDir+"="+dir, crashTest+"="+t.Name())
	var said strings.Builder
	child.Stderr = &said
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines, rest := readAcked(out, func() { time.AfterFunc(after, func() { _ = child.Process.Kill() }) })
	err = child.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("the child ended by itself: %v\n%s%s", err, rest, said.String())
	}
	return lines
}

// readAcked reads the child to its end; began is called at the first line.
func readAcked(out io.Reader, began func()) (lines []string, rest string) {
	in := bufio.NewReader(out)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return lines, rest
		}
		text, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), ackPrefix)
		if !ok {
			rest += line
			continue
		}
		if lines = append(lines, text); len(lines) == 1 {
			began()
		}
	}
}
