// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"kith/store"
)

// answering opens an installation and answers commands on it until the test ends.
func answering(t *testing.T, dir string) (stop func()) {
	t.Helper()
	h, err := open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c, err := listenControl(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error)
	go func() { done <- c.run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-done, h.close()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func TestCommandsReachTheServer(t *testing.T) {
	for name, dir := range map[string]string{
		"short": filepath.Join(t.TempDir(), "d"),
		"long":  filepath.Join(t.TempDir(), strings.Repeat("long", 40), "d"),
	} {
		t.Run(name, func(t *testing.T) {
			stop := answering(t, dir)
			if info, err := os.Stat(filepath.Join(dir, socketName)); err != nil || info.Mode().Perm() != 0o600 {
				t.Fatalf("the socket: %v, %v", info, err)
			}
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					p := userParams{Email: fmt.Sprintf("p%d@example.com", i), Name: "P", Role: "agent"}
					if _, err := perform[string](t.Context(), dir, opUserAdd, p); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			_, err := perform[string](t.Context(), dir, opUserAdd, userParams{Email: "p1@example.com", Name: "P", Role: "agent"})
			if remote, ok := errors.AsType[*remoteError](err); !ok || remote.code != exitFailed {
				t.Errorf("an address twice: %v", err)
			}
			_, err = perform[string](t.Context(), dir, opUserAdd, userParams{Email: "x", Name: "P", Role: "agent"})
			if codeOf(err) != exitUsage {
				t.Errorf("no address: %v, code %d", err, codeOf(err))
			}
			if _, err = perform[string](t.Context(), dir, "fly", struct{}{}); err == nil {
				t.Error("an unknown operation is answered")
			}
			stop()
			if _, err := os.Stat(filepath.Join(dir, socketName)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the socket is left behind: %v", err)
			}
			if _, err := perform[string](t.Context(), dir, opUserAdd, userParams{Email: "q@example.com", Name: "Q", Role: "agent"}); err != nil {
				t.Errorf("without a server: %v", err)
			}
		})
	}
}

func TestNonsenseOnTheSocketHurtsNobody(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	answering(t, dir)
	for _, text := range []string{"", "\n", "{}\n", `{"op":"user.add","params":5}` + "\n", "GET / HTTP/1.1\n", strings.Repeat("x", 100_000) + "\n"} {
		conn, err := dial(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	}
	if _, err := perform[[]inboxRow](t.Context(), dir, opInboxList, struct{}{}); err != nil {
		t.Error(err)
	}
}

func TestExitCodes(t *testing.T) {
	for err, want := range map[error]int{
		store.ErrLocked: 3, store.ErrPermission: 4, store.ErrFull: 4, store.ErrDamaged: 5, store.ErrUnknown: 5,
		store.ErrWrongKey: 6, store.ErrNewer: 7, usage("x"): 2, io.EOF: 1,
	} {
		if got := codeOf(fmt.Errorf("doing: %w", err)); got != want {
			t.Errorf("codeOf(%v) = %d, want %d", err, got, want)
		}
	}
}
