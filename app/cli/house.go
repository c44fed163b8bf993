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
	log    *slog.Logger
	// about says what doctor asks of a running server; nil when none runs.
	about *running
}

// running is what a server that runs tells about itself.
type running struct {
	url string
	tls server.TLS
}

// open opens the store in dir and what lives on it.
func open(dir string, log *slog.Logger) (*house, error) {
	db, err := store.Open(dir, store.Options{Log: log})
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
	return &house{
		db: db, desk: desk, auth: auth.New(db, desk, auth.Options{Log: log}), set: set,
		egress: egress.New(egress.Options{Log: log}), log: log,
	}, nil
}

func (h *house) close() error {
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
	h, err := open(dir, slog.New(slog.DiscardHandler)) //nolint:contextcheck // a store is opened whole or not at all
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	return fn(ctx, h)
}
