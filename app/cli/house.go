// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"kith/app"
	"kith/app/auth"
	"kith/app/backup"
	"kith/app/channel"
	"kith/app/channel/all"
	"kith/app/channel/whatsapp"
	"kith/app/egress"
	"kith/app/server"
	"kith/store"
)

// house is an open installation.
type house struct {
	db     *store.DB
	desk   *app.Desk
	auth   *auth.Auth
	set    channel.Set
	egress *egress.Egress
	// backups keeps the copies of the keys in step with the keyring.
	backups *backup.Service
	opened  uint64 // the generation of the keyring when the house was opened
	log     *slog.Logger
	// about says what doctor asks of a running server; nil when none runs.
	about *running
}

// running is what a server that runs tells about itself.
type running struct {
	url string
	tls server.TLS
}

// open opens the store in dir and what lives on it, with the passphrase that was handed over without asking.
func open(dir string, log *slog.Logger) (*house, error) {
	secret, err := givenPassphrase("")
	if err != nil {
		return nil, err
	}
	return openWith(dir, secret, log)
}

// openWith opens the store in dir with a passphrase.
func openWith(dir, secret string, log *slog.Logger) (*house, error) {
	if err := preflight(dir); err != nil {
		return nil, err
	}
	db, err := store.Open(dir, store.Options{Log: log, Passphrase: secret})
	if err != nil {
		return nil, err
	}
	set := all.All()
	rules := make(map[string]app.Rules, len(set))
	for kind, c := range set {
		l := c.Limits()
		rules[kind] = app.Rules{Window: l.Window, TextLength: l.TextLength, CaptionLimit: l.CaptionLimit, File: l.File}
	}
	desk := app.NewDesk(db, app.Options{Rules: rules, Log: log})
	h := &house{
		db: db, desk: desk, auth: auth.New(db, desk, auth.Options{Log: log}), set: set,
		egress: egress.New(egress.Options{Log: log}), opened: db.Generation(), log: log,
	}
	h.backups = backup.New(db, desk, backup.Options{Client: h.storage, Log: log})
	return h, nil
}

func (h *house) close() error {
	if h.db.Generation() != h.opened {
		if err := h.backups.Settle(context.Background()); err != nil {
			h.log.Warn("a copy of the keys could not be brought to date; it is tried again at the next start", "error", err)
		}
	}
	h.egress.Close()
	if err := h.db.Close(); err != nil {
		return fmt.Errorf("closing the store: %w", err)
	}
	return nil
}

// exists returns an error that says what to do when there is no data directory.
func exists(dir string) error {
	if _, err := os.Stat(filepath.Clean(dir)); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no data directory %s; name it with --data, or make one with kith serve", dir)
	} else if err != nil {
		return fmt.Errorf("%w: looking at %s: %w", store.ErrPermission, dir, err)
	}
	return nil
}

// client returns what makes the calls of an inbox. An address that the operator typed may be a private one.
func (h *house) client(in *app.Inbox) channel.Doer {
	var hosts []string
	if in.Kind == whatsapp.Kind {
		hosts = whatsapp.Hosts(in.Settings)
		if base := in.Settings[whatsapp.SettingAPIBase]; base != "" && base != whatsapp.DefaultAPIBase {
			h.egress.Trust(base)
		}
	}
	return h.egress.Client(in.Kind, hosts...)
}

// within runs fn on the open installation in dir.
func within(ctx context.Context, dir string, fn func(ctx context.Context, h *house) error) (err error) {
	log := slog.New(slog.DiscardHandler)
	h, err := open(dir, log) //nolint:contextcheck // a store is opened whole or not at all
	if errors.Is(err, store.ErrSealed) && isTerminal(os.Stdin) {
		var secret string
		if secret, err = askPassphrase(streams{in: os.Stdin, err: os.Stderr}, "Passphrase: "); err == nil {
			h, err = openWith(dir, secret, log) //nolint:contextcheck // as above
		}
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }() //nolint:contextcheck // closing ends whatever ctx says
	return fn(ctx, h)
}
