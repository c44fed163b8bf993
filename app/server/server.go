// SPDX-License-Identifier: Apache-2.0

// Package server is the one port of the appliance: TLS, headers, limits, health, metrics, the hooks of the networks, the
// API and the pages. It is also the one place where errors become answers.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"

	"kith/app"
	"kith/app/api"
	"kith/app/auth"
	"kith/app/channel/simulator"
	"kith/store"
)

// Hooks takes in what the networks tell; it is an *ingress.Ingress.
type Hooks interface {
	Accept(ctx context.Context, kind string, inbox app.InboxID, h http.Header, body []byte) error
	Handshake(ctx context.Context, kind string, inbox app.InboxID, query url.Values) (string, error)
	Replay(ctx context.Context, a app.Actor, id app.MessageID) error
}

// Options say what the server serves and where.
type Options struct {
	Ports   *Ports // what Listen took
	TLS     TLS
	Version string
	Desk    *app.Desk
	Store   *store.DB
	Auth    *auth.Auth
	Hooks   Hooks
	Log     *slog.Logger // nil = none
	// Simulator is served with its page; nil = none.
	Simulator *simulator.World
	// Grace is how long requests may take to finish when the server stops; 0 = 10 seconds.
	Grace time.Duration
}

// Server serves one installation.
type Server struct {
	o       Options
	log     *slog.Logger
	echo    *echo.Echo
	certs   *certificates
	meter   meter
	cross   *http.CrossOriginProtection
	headers []header
	// unsigned keeps the log readable when somebody knocks without the secret.
	unsigned seldom
	// errorPage draws an error for a browser.
	errorPage func(c echo.Context, status int, p *app.Problem) error

	stopping context.Context
	stop     context.CancelFunc
}

// The time that a caller has: to send the head of a request, a webhook, any other body; and between requests.
const (
	headTimeout = 10 * time.Second
	hookTimeout = 30 * time.Second
	bodyTimeout = 15 * time.Minute
	idleTimeout = 2 * time.Minute
)

// New returns a server that does not listen yet.
func New(ctx context.Context, o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Grace == 0 {
		o.Grace = 10 * time.Second
	}
	s := &Server{o: o, log: o.Log, cross: http.NewCrossOriginProtection(), headers: securityHeaders(o.TLS)}
	s.stopping, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	var err error
	if s.certs, err = newCertificates(ctx, o); err != nil {
		return nil, err
	}
	s.echo = s.routes() //nolint:contextcheck // requests bring their own
	return s, nil
}

func (s *Server) routes() *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = s.addressOf()
	e.HTTPErrorHandler = s.answerError
	e.Use(s.logged, s.limited, s.guarded)
	api.Register(e, api.Deps{Desk: s.o.Desk, Auth: s.o.Auth, Replay: s.o.Hooks.Replay})
	s.pages(e)
	return e
}

// addressOf tells where a caller comes from. A proxy's word is taken only from the same machine, and only when kith was
// told that a proxy stands before it.
func (s *Server) addressOf() echo.IPExtractor {
	if !s.behindProxy() {
		return echo.ExtractIPDirect()
	}
	return echo.ExtractIPFromXFFHeader(echo.TrustLoopback(true), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false))
}

// behindProxy holds when somebody else ends TLS: there is a domain, and none of our certificates for it.
func (s *Server) behindProxy() bool { return s.o.TLS.Mode == TLSOff && s.o.TLS.Domain != "" }

// Serve answers until ctx ends: then streams end at once and other requests may finish.
func (s *Server) Serve(ctx context.Context) error {
	if err := s.meter.begin(ctx, s.o.Desk); err != nil {
		return err
	}
	if err := s.certs.start(ctx); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	s.serve(ctx, g, s.o.Ports.main, s, s.certs.config)
	if l := s.o.Ports.plain; l != nil {
		s.serve(ctx, g, l, s.certs.challenge(http.HandlerFunc(s.toHTTPS)), nil)
	}
	if l := s.o.Ports.inner; l != nil {
		s.serve(ctx, g, l, http.HandlerFunc(s.serveInner), nil)
	}
	g.Go(func() error {
		<-ctx.Done()
		s.stop()
		return nil
	})
	return g.Wait()
}

// serve runs one listener in g until ctx ends.
func (s *Server) serve(ctx context.Context, g *errgroup.Group, l net.Listener, h http.Handler, t *tls.Config) {
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: headTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), TLSConfig: t,
	}
	g.Go(func() error {
		var err error
		if t != nil {
			err = srv.ServeTLS(l, "", "")
		} else {
			err = srv.Serve(l)
		}
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return fmt.Errorf("serving %s: %w", l.Addr(), err)
	})
	g.Go(func() error {
		<-ctx.Done()
		s.stop()
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.o.Grace)
		defer cancel()
		if err := srv.Shutdown(late); err != nil {
			s.log.WarnContext(late, "some requests were cut off at the stop", "error", err)
			return srv.Close()
		}
		return nil
	})
}

// toHTTPS sends browsers to the encrypted address. Programs are refused instead: a key or a message sent in the clear
// should be noticed, not repeated.
func (s *Server) toHTTPS(w http.ResponseWriter, r *http.Request) {
	program := strings.HasPrefix(r.URL.Path, "/api/") || strings.HasPrefix(r.URL.Path, "/hooks/")
	if program || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
		http.Error(w, "This address speaks HTTPS only.", http.StatusForbidden)
		return
	}
	//nolint:gosec // the host is ours; what follows begins with a slash
	http.Redirect(w, r, s.o.Ports.URL()+"/"+strings.TrimLeft(r.URL.RequestURI(), "/"), http.StatusPermanentRedirect)
}
