// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"kith/store"
)

// Commands reach a running server over a Unix socket in the data directory, which only its owner enters: one request and
// one answer, each one line of JSON, then the connection ends.

const (
	socketName     = "control.sock"
	controlTimeout = time.Minute
	maxRequest     = 4 << 20
	startWait      = 5 * time.Second // for a server that holds the store but does not listen yet
)

// request asks for an operation.
type request struct {
	Op     string          `json:"op"`
	Params json.RawMessage `json:"params"`
}

// response is the result, or the error with its exit code.
type response struct {
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
	Code   int             `json:"code,omitempty"`
}

// longOperations are worth waiting for however long they take.
var longOperations = map[string]bool{opCompact: true, opErase: true, opRetentionPreview: true, opRetentionRun: true, opBackupStream: true, opVerify: true}

// patience is how long an operation may take.
func patience(op string) time.Duration {
	if longOperations[op] {
		return 24 * time.Hour
	}
	return controlTimeout
}

// perform runs an operation: in the server when one runs on dir, else here.
func perform[R any](ctx context.Context, dir, op string, params any) (result R, err error) {
	raw, err := json.Marshal(params)
	if err != nil {
		return result, fmt.Errorf("encoding %s: %w", op, err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience(op))
	defer cancel()
	answer, err := deliver(ctx, dir, request{op, raw})
	if err != nil {
		return result, err
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		return result, fmt.Errorf("reading the answer to %s: %w", op, err)
	}
	return result, nil
}

func deliver(ctx context.Context, dir string, r request) (answer json.RawMessage, err error) {
	for deadline := time.Now().Add(startWait); ; {
		conn, dialed := dial(ctx, dir)
		if dialed == nil {
			return converse(ctx, conn, r)
		}
		err = within(ctx, dir, func(ctx context.Context, h *house) (err error) {
			answer, err = h.operate(ctx, r)
			return err
		})
		if !errors.Is(err, store.ErrLocked) || time.Now().After(deadline) {
			return answer, err
		}
		if errors.Is(dialed, os.ErrPermission) {
			return nil, fmt.Errorf("%w: %w; run this as the user that runs kith serve", store.ErrPermission, dialed)
		}
	}
}

// converse sends the request and returns the result.
func converse(ctx context.Context, conn net.Conn, r request) (json.RawMessage, error) {
	defer conn.Close() //nolint:errcheck // everything was read
	if end, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(end); err != nil {
			return nil, fmt.Errorf("speaking to the server: %w", err)
		}
	}
	if err := json.NewEncoder(conn).Encode(r); err != nil {
		return nil, fmt.Errorf("speaking to the server: %w", err)
	}
	var a response
	if err := json.NewDecoder(conn).Decode(&a); err != nil {
		return nil, fmt.Errorf("the server did not answer; look before you try again: %w", err)
	}
	if a.Error != "" {
		return nil, &remoteError{a.Error, a.Code}
	}
	return a.Result, nil
}

// control answers commands in a running server.
type control struct {
	house   *house // nil while the store is sealed
	dir     string
	operate func(context.Context, request) (json.RawMessage, error)
	log     *slog.Logger
	l       net.Listener
	conns   sync.WaitGroup
}

// listenControl takes the socket. A socket that is left over is removed: whoever holds the store is the only server.
func listenControl(ctx context.Context, h *house) (*control, error) {
	c, err := listenOn(ctx, h.db.Dir(), h.log, h.operate)
	if err != nil {
		return nil, err
	}
	c.house = h
	return c, nil
}

func listenOn(ctx context.Context, dir string, log *slog.Logger, operate func(context.Context, request) (json.RawMessage, error)) (*control, error) {
	path := filepath.Join(dir, socketName)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: removing %s: %w", store.ErrPermission, path, err)
	}
	short, done, err := shortPath(dir)
	if err != nil {
		return nil, err
	}
	defer done()
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", filepath.Join(short, socketName))
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", store.ErrPermission, err), l.Close())
	}
	return &control{dir: dir, operate: operate, log: log, l: l}, nil
}

// run answers until ctx ends, then lets what is under way finish and removes the socket.
func (c *control) run(ctx context.Context) error {
	defer func() { _ = os.Remove(filepath.Join(c.dir, socketName)) }() // mostly the listener did
	defer context.AfterFunc(ctx, func() { _ = c.l.Close() })()         // a listener that is closed already is fine
	defer c.conns.Wait()
	for {
		conn, err := c.l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting a command: %w", err)
		}
		c.conns.Go(func() { c.answer(ctx, conn) })
	}
}

// answer runs what a connection asks for. An operation that has begun is finished, but a backup, which takes as long as
// who reads it, ends with the server.
func (c *control) answer(running context.Context, conn net.Conn) {
	defer conn.Close() //nolint:errcheck // the answer was written
	ctx := context.WithoutCancel(running)
	if err := conn.SetDeadline(time.Now().Add(controlTimeout)); err != nil {
		return
	}
	var r request
	line, err := bufio.NewReader(io.LimitReader(conn, maxRequest)).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &r)
	}
	if err != nil {
		return // somebody looked whether a server is here
	}
	ctx, cancel := context.WithTimeout(ctx, patience(r.Op))
	defer cancel()
	if end, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(end); err != nil {
			return
		}
	}
	var a response
	if r.Op == opBackupStream && c.house != nil {
		defer context.AfterFunc(running, func() { _ = conn.Close() })() // it may wait for its reader
		a = c.house.streamBackup(running, conn, r.Params)
	} else if a.Result, err = c.operate(ctx, r); err != nil {
		a = response{Error: err.Error(), Code: codeOf(err)}
	}
	if err := json.NewEncoder(conn).Encode(a); err != nil {
		c.log.WarnContext(ctx, "a command went away before its answer", "op", r.Op, "error", err)
	}
}

// dial connects to the server that runs on dir.
func dial(ctx context.Context, dir string) (net.Conn, error) {
	short, done, err := shortPath(dir)
	if err != nil {
		return nil, err
	}
	defer done()
	var d net.Dialer
	return d.DialContext(ctx, "unix", filepath.Join(short, socketName))
}

// longest is the longest path that fits into the address of a socket everywhere.
const longest = 100

// shortPath returns a name of dir that is short enough for the address of a socket, for as long as done is not called.
func shortPath(dir string) (short string, done func(), err error) {
	if len(dir)+len(socketName) < longest || runtime.GOOS != "linux" {
		return dir, func() {}, nil
	}
	f, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return "", nil, fmt.Errorf("opening %s: %w", dir, err)
	}
	return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())), func() { _ = f.Close() }, nil // it was only looked at
}
