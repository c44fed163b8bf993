// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"kith/app/server"
	"kith/store"
)

const unsealHelp = `A kith whose identity has a passphrase starts sealed. This opens it from the machine it runs on, without a restart. The
passphrase comes from the terminal or from --passphrase-file.`

type unsealParams struct {
	Passphrase string `json:"passphrase"`
}

func setUnseal(f *flags) func(context.Context, streams) error {
	data, file := f.data(), f.passphrase()
	return func(ctx context.Context, s streams) error {
		if err := exists(*data); err != nil {
			return err
		}
		secret, err := givenPassphrase(*file)
		if err == nil && secret == "" {
			secret, err = askPassphrase(s, "Passphrase: ")
		}
		if err != nil {
			return err
		}
		conn, err := dial(ctx, *data)
		if err != nil {
			return fmt.Errorf("no kith runs on %s; start it with kith serve", *data)
		}
		if err := conn.Close(); err != nil {
			return fmt.Errorf("looking for the server: %w", err)
		}
		if _, err := perform[struct{}](ctx, *data, opUnseal, unsealParams{secret}); err != nil {
			return err
		}
		if err := awaitOpen(ctx, *data); err != nil {
			return err
		}
		fmt.Fprintln(s.out, "kith is open.")
		return nil
	}
}

// openWait is how long opening a store may take, openPoll how often it is looked whether it is done.
const (
	openWait = 5 * time.Minute
	openPoll = 50 * time.Millisecond
)

// awaitOpen waits until the server answers with its store open.
func awaitOpen(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, openWait)
	defer cancel()
	for {
		conn, err := dial(ctx, dir)
		if err == nil {
			if _, err = converse(ctx, conn, request{opKeysList, json.RawMessage("{}")}); err == nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the passphrase was right, but kith does not answer yet; its log says why: %w", err)
		case <-time.After(openPoll):
		}
	}
}

// openSealed waits until somebody gives the passphrase, and opens the installation then. The ports answer meanwhile.
func openSealed(ctx context.Context, o serveOptions, ports *server.Ports, log *slog.Logger) (*house, error) {
	if err := harden(); err != nil {
		log.WarnContext(ctx, "the process could not be hardened", "error", err)
	}
	gate := server.NewGate(func(secret string) error {
		return store.CheckPassphrase(o.data, store.Options{Passphrase: secret})
	}, time.Now)
	ctl, err := listenSealed(ctx, o.data, gate, log)
	if err != nil {
		return nil, err
	}
	log.InfoContext(ctx, "kith is sealed; open its page or run kith unseal, and give its passphrase", "url", ports.URL(), "listen", ports.Addr())
	if !ports.Secure() && !ports.Loopback() {
		log.WarnContext(ctx, "a passphrase given on the page would pass the network in the clear; use kith unseal")
	}
	waiting, done := context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error { return ctl.run(waiting) })
	err = (&server.Sealed{Ports: ports, TLS: o.tls, Gate: gate, Log: log}).Serve(ctx)
	done()
	if err = errors.Join(err, g.Wait()); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, errStopped
	}
	return openWith(o.data, gate.Passphrase(), log) //nolint:contextcheck // a store is opened whole or not at all
}

// errStopped says that a signal came before the passphrase.
var errStopped = errors.New("stopped while sealed")

// listenSealed takes the socket for commands. The store is not open, so that nobody else is kept from it: a server that
// answers there already is left alone.
func listenSealed(ctx context.Context, dir string, gate *server.Gate, log *slog.Logger) (*control, error) {
	if conn, err := dial(ctx, dir); err == nil {
		return nil, errors.Join(fmt.Errorf("%w: another kith waits for the passphrase of %s", store.ErrLocked, dir), conn.Close())
	}
	return listenOn(ctx, dir, log, func(ctx context.Context, r request) (json.RawMessage, error) {
		if r.Op != opUnseal {
			return nil, fmt.Errorf("%w and waits for its passphrase; run kith unseal", store.ErrSealed)
		}
		return on(ctx, r.Params, func(_ context.Context, p unsealParams) (struct{}, error) {
			return struct{}{}, gate.Try(p.Passphrase)
		})
	})
}

// unseal answers kith unseal in a server that is open.
func (h *house) unseal(context.Context, unsealParams) (struct{}, error) {
	return struct{}{}, errors.New("kith is open already; there is nothing to unseal")
}
