// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sync/errgroup"

	"kith/app/channel/simulator"
	"kith/app/delivery"
	"kith/app/ingress"
	"kith/app/server"
	"kith/store"
)

const serveHelp = `The first start makes the data directory and its keys. While nobody owns this kith, each start prints a link on
standard output with which the first owner claims it. The log goes to standard error.

--tls off       no encryption: for this machine only, or behind a proxy that ends TLS (name it with --domain)
--tls auto      a certificate for --domain from a public authority; ports 80 and 443 must reach kith
--tls internal  an authority of kith's own; browsers trust it after /kith-ca.crt is installed
--tls files     --tls-cert and --tls-key, which somebody else renews`

// serveOptions are the flags of kith serve.
type serveOptions struct {
	data, listen, level string
	tls                 server.TLS
	simulator           bool
	chaos               string
	passphrase          string
	follow              primary
}

func setServe(f *flags) func(context.Context, streams) error {
	var o serveOptions
	data := f.data()
	f.set.StringVar(&o.listen, "listen", "", "`HOST:PORT` to listen on (default 127.0.0.1:8480, with TLS :443)")
	mode := f.set.String("tls", "off", "`MODE` of encryption: off, auto, internal or files")
	f.set.StringVar(&o.tls.Domain, "domain", "", "`D` is the public name of this server")
	f.set.StringVar(&o.tls.Cert, "tls-cert", "", "`F` holds the certificate in PEM form (files)")
	f.set.StringVar(&o.tls.Key, "tls-key", "", "`F` holds its key (files)")
	f.set.StringVar(&o.tls.Email, "acme-email", "", "`E` is told to the authority, which may warn there (auto)")
	f.set.StringVar(&o.tls.Directory, "acme-directory", "", "`URL` of another ACME authority (auto)")
	f.set.StringVar(&o.tls.Plain, "http-listen", ":80", "`HOST:PORT` where the authority looks (auto)")
	f.set.BoolVar(&o.simulator, "simulator", false, "add a WhatsApp to try kith with; nothing leaves this machine")
	f.set.StringVar(&o.chaos, "simulator-chaos", "lively", "`MOOD` of the simulator's network: calm or lively")
	f.set.StringVar(&o.level, "log", "info", "`LEVEL` of the log: debug, info, warn or error")
	f.set.StringVar(&o.follow.URL, "follow", "", "`URL` of the primary that this server follows as a standby")
	token := f.set.String("follow-token-file", "", "`F` holds the token that kith standby add printed there")
	file := f.passphrase()
	return func(ctx context.Context, s streams) (err error) {
		o.data, o.tls.Mode = *data, server.TLSMode(*mode)
		if o.passphrase, err = givenPassphrase(*file); err != nil {
			return err
		}
		if err := o.followed(*token); err != nil {
			return err
		}
		return serve(ctx, o, s)
	}
}

// check completes the options and finds what cannot work.
func (o *serveOptions) check() (slog.Level, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.level)); err != nil {
		return level, usage("--log is debug, info, warn or error, not %q", o.level)
	}
	if o.chaos != "calm" && o.chaos != "lively" {
		return level, usage("--simulator-chaos is calm or lively, not %q", o.chaos)
	}
	if o.listen == "" {
		o.listen = ":443"
		if o.tls.Mode == server.TLSOff {
			o.listen = "127.0.0.1:8480"
		}
	}
	_, port, err := net.SplitHostPort(o.listen)
	if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil {
		return level, usage("--listen is HOST:PORT such as 127.0.0.1:8480, not %q", o.listen)
	}
	return level, o.tls.Check()
}

// serve runs the appliance until a signal, or until something that it cannot live without ends.
func serve(ctx context.Context, o serveOptions, s streams) (err error) {
	level, err := o.check()
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	context.AfterFunc(ctx, cancel) // a second signal ends the process at once
	log := slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: level}))
	tuneMemory()
	ports, err := server.Listen(ctx, o.listen, o.tls, o.simulator)
	if err != nil {
		return ownPort(ctx, o.data, err)
	}
	defer func() { err = errors.Join(err, ports.Close()) }()
	if o.simulator && o.tls.Mode == server.TLSOff && !ports.Loopback() {
		return usage("--simulator lets everybody who reaches %s write as a customer; listen on 127.0.0.1 or turn TLS on", o.listen)
	}
	if o.follow.URL != "" {
		return followServer(ctx, o, ports, log)
	}
	h, err := openWith(o.data, o.passphrase, log) //nolint:contextcheck // a store is opened whole or not at all
	if errors.Is(err, store.ErrSealed) {
		if h, err = openSealed(ctx, o, ports, log); errors.Is(err, errStopped) {
			return nil
		}
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }() //nolint:contextcheck // closing ends whatever ctx says
	return h.serve(ctx, o, ports, s.out)
}

// ownPort says that kith runs already when the port was taken by a server on the same data.
func ownPort(ctx context.Context, dir string, taken error) error {
	if !errors.Is(taken, syscall.EADDRINUSE) {
		return taken
	}
	conn, err := dial(ctx, dir)
	if err != nil {
		return taken
	}
	return errors.Join(fmt.Errorf("%w: another kith serves %s and has the port", store.ErrLocked, dir), conn.Close())
}

// serve wires the loops together and waits for them.
func (h *house) serve(ctx context.Context, o serveOptions, ports *server.Ports, out io.Writer) error {
	ctl, err := listenControl(ctx, h)
	if err != nil {
		return err
	}
	if err := harden(); err != nil {
		h.log.WarnContext(ctx, "the process could not be hardened", "error", err)
	}
	in := ingress.New(h.desk, h.set, h.log)
	options := server.Options{
		Ports: ports, TLS: o.tls, Version: version, Desk: h.desk, Store: h.db, Auth: h.auth, Hooks: in, Log: h.log,
	}
	if o.simulator {
		if options.Simulator, err = h.simulate(ctx, ports.Local(), o.chaos); err != nil {
			return errors.Join(err, ctl.l.Close())
		}
	}
	srv, err := server.New(ctx, options)
	if err != nil {
		return errors.Join(err, ctl.l.Close())
	}
	h.about = &running{url: ports.URL(), tls: o.tls}
	if ports.Secure() || !ports.Loopback() {
		h.auth.Insist() // others than this machine's people reach kith
	}
	if err := h.announce(ctx, ports, out); err != nil {
		return errors.Join(err, ctl.l.Close())
	}
	work := delivery.New(h.desk, h.set, delivery.Options{Client: h.client, Log: h.log})
	return h.runAll(ctx, srv, ctl, work, options.Simulator)
}

// runAll serves until ctx ends; then requests finish, and only then the loops stop.
func (h *house) runAll(ctx context.Context, srv *server.Server, ctl *control, work *delivery.Delivery, world *simulator.World) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	loops, stopLoops := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLoops()
	var g errgroup.Group
	loop := func(fn func(context.Context) error) {
		g.Go(func() error {
			err := fn(loops)
			if err != nil {
				stop(err)
			}
			return err
		})
	}
	loop(ctl.run)
	loop(work.Run)
	loop(h.keepRetention)
	loop(h.desk.KeepAudit)
	loop(h.backups.Run)
	loop(h.tellOldPrimary)
	if world != nil {
		loop(world.Run)
	}
	loop(func(ctx context.Context) error {
		select {
		case <-h.db.Failed():
			if errors.Is(h.db.Err(), store.ErrFenced) {
				return fmt.Errorf("%w: %w", store.ErrPermission, store.ErrFenced)
			}
			return fmt.Errorf("%w; nothing more is written, start kith again: %w", store.ErrUnknown, h.db.Err())
		case <-ctx.Done():
			return nil
		}
	})
	err := srv.Serve(ctx)
	stopLoops()
	return errors.Join(err, ignoreStop(g.Wait()))
}

func ignoreStop(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// announce prints the claim link while nobody owns this kith, and says where it is: who waits for that line has the link.
func (h *house) announce(ctx context.Context, ports *server.Ports, out io.Writer) error {
	if !ports.Secure() && !ports.Loopback() {
		h.log.WarnContext(ctx, "passwords and messages pass the network in the clear; use --tls, or a proxy that ends TLS")
	}
	if !h.db.Custody().Recovery {
		h.log.WarnContext(ctx, "there is no recovery key: if the identity is lost, everything is; make one with kith keys recovery")
	}
	token, err := h.auth.NewClaim(ctx)
	if err != nil {
		return err
	}
	if token != "" {
		if _, err := fmt.Fprintf(out, "claim: %s/claim/%s\n", ports.URL(), token); err != nil {
			return err
		}
	}
	h.log.InfoContext(ctx, "kith is ready", "url", ports.URL(), "listen", ports.Addr(), "version", version)
	return nil
}

var _ server.Hooks = (*ingress.Ingress)(nil)
