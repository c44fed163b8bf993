// SPDX-License-Identifier: Apache-2.0

// Package ingress takes in what networks tell: it finds the inbox, checks the signature over the raw bytes, has the
// channel read them, and returns only when all of it is on disk. What is signed but cannot be read is kept as it came.
package ingress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"

	"kith/app"
	"kith/app/channel"
	"kith/store"
)

// MaxBody is the largest webhook in bytes (PROTOCOLS 1.2).
const MaxBody = 3 << 20

// Why a webhook is turned away. Any other error means that it could not be stored and must be sent again.
var (
	ErrUnknownInbox = errors.New("no inbox of this kind has this address")
	ErrUnsigned     = errors.New("the signature is missing or does not match the secrets of this inbox")
	ErrTooLarge     = fmt.Errorf("a webhook may have at most %d bytes", MaxBody)
)

// Ingress receives webhooks. It is safe for concurrent use.
type Ingress struct {
	desk *app.Desk
	set  channel.Set
	log  *slog.Logger
}

// New returns an ingress to desk for the channels of set. log may be nil.
func New(desk *app.Desk, set channel.Set, log *slog.Logger) *Ingress {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Ingress{desk: desk, set: set, log: log}
}

// Accept receives one webhook that came to the address of an inbox. When it returns nil, everything the webhook told is
// on disk, or was before; the network may be told so. It returns ErrUnknownInbox, ErrUnsigned or ErrTooLarge when nothing
// was stored and nothing will be, and any other error when the network should try again. It does not keep body.
func (i *Ingress) Accept(ctx context.Context, kind string, inbox app.InboxID, h http.Header, body []byte) error {
	if len(body) > MaxBody {
		return ErrTooLarge
	}
	in, ch, err := i.inbox(ctx, kind, inbox)
	if err != nil {
		return err
	}
	if err := ch.Verify(in.Settings, h, body); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsigned, err)
	}
	parts, err := i.route(ctx, ch, in, h, body)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if err := i.receive(ctx, ch, p); err != nil {
			return err
		}
	}
	return nil
}

// Handshake answers a network that asks for proof that the address is ours.
func (i *Ingress) Handshake(ctx context.Context, kind string, inbox app.InboxID, query url.Values) (string, error) {
	in, ch, err := i.inbox(ctx, kind, inbox)
	if err != nil {
		return "", err
	}
	answer, ok := ch.Handshake(in.Settings, query)
	if !ok {
		return "", fmt.Errorf("%w: the verify token is not the one of this inbox", ErrUnsigned)
	}
	return answer, nil
}

// Replay reads a kept webhook again, as after an update that understands more. The entry is gone when that worked.
func (i *Ingress) Replay(ctx context.Context, a app.Actor, id app.MessageID) error {
	in, err := i.desk.Inbox(ctx, app.InboxID(id.Group))
	if err != nil {
		return err
	}
	ch, ok := i.set[in.Kind]
	if !ok {
		return ErrUnknownInbox
	}
	return i.desk.Replay(ctx, a, id, func(raw []byte) (app.Inbound, error) { return parse(ch, raw) })
}

func (i *Ingress) inbox(ctx context.Context, kind string, id app.InboxID) (*app.Inbox, channel.Channel, error) {
	ch, ok := i.set[kind]
	if !ok {
		return nil, nil, ErrUnknownInbox
	}
	in, err := i.desk.Inbox(ctx, id)
	if errors.Is(err, app.ErrNotFound) {
		return nil, nil, ErrUnknownInbox
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading inbox %d: %w", id, err)
	}
	if in.Kind != kind {
		return nil, nil, ErrUnknownInbox
	}
	return in, ch, nil
}

// receive stores what one part of a webhook tells. A part that cannot be read, or that the Desk cannot take although the
// store works, would come back for days: it is kept raw instead, and can be replayed.
func (i *Ingress) receive(ctx context.Context, ch channel.Channel, p part) error {
	what, err := parse(ch, p.body)
	if err != nil {
		return i.keep(ctx, p, "The channel could not read it: "+err.Error()+".")
	}
	err = i.desk.Receive(ctx, p.inbox, what)
	if err == nil || again(err) {
		return err
	}
	i.log.ErrorContext(ctx, "a webhook could not be taken in; it is kept unread", "inbox", p.inbox, "error", err)
	return i.keep(ctx, p, "It was read but could not be stored; see the log of the server.")
}

func (i *Ingress) keep(ctx context.Context, p part, reason string) error {
	if err := i.desk.KeepUnreadable(ctx, p.inbox, app.Unread{Reason: reason, Raw: p.body}); err != nil {
		return fmt.Errorf("keeping what could not be read: %w", err)
	}
	return nil
}

// again reports whether the same webhook may be taken in later: the store or the caller is at fault, not its contents.
func again(err error) bool {
	for _, e := range []error{
		store.ErrFull, store.ErrUnavailable, store.ErrUnknown, store.ErrClosed, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

var errPanic = errors.New("kith stumbled over its form")

// parse reads a body; a mistake of ours in it must not take the server down or make the network repeat it for days.
func parse(ch channel.Channel, body []byte) (what app.Inbound, err error) {
	defer func() {
		if recover() != nil {
			what, err = app.Inbound{}, errPanic
		}
	}()
	return ch.Parse(body)
}
