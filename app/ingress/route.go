// SPDX-License-Identifier: Apache-2.0

package ingress

import (
	"context"
	"errors"
	"net/http"

	"kith/app"
	"kith/app/channel"
	"kith/app/channel/whatsapp"
)

// router is a channel whose webhooks may speak of several addresses, as those of one Meta app with several numbers do.
type router interface {
	// Concerns is a quick look: true means that the body speaks of this address alone.
	Concerns(body []byte, s channel.Settings) bool
	// Numbers returns the addresses that a body speaks of, each once.
	Numbers(body []byte) []string
	// Only returns the part of a body that speaks of one address or of none.
	Only(body []byte, number string) ([]byte, error)
}

// whatsAppNumbers lets the functions of package whatsapp stand as methods.
type whatsAppNumbers struct{}

func (whatsAppNumbers) Concerns(body []byte, s channel.Settings) bool {
	return whatsapp.Concerns(body, s[whatsapp.SettingPhoneNumberID])
}

func (whatsAppNumbers) Numbers(body []byte) []string { return whatsapp.Numbers(body) }

func (whatsAppNumbers) Only(body []byte, number string) ([]byte, error) {
	return whatsapp.Only(body, number)
}

func routerOf(ch channel.Channel) router {
	switch c := ch.(type) {
	case router:
		return c
	case whatsapp.Channel:
		return whatsAppNumbers{}
	}
	return nil
}

// part is what one inbox receives of a webhook.
type part struct {
	inbox app.InboxID
	body  []byte
}

// route gives each number's news to the inbox of that number, when its secrets signed the body as well. Everything else
// stays with the inbox that was addressed, so that nothing is lost. News without a number goes with every part.
func (i *Ingress) route(ctx context.Context, ch channel.Channel, in *app.Inbox, h http.Header, body []byte) ([]part, error) {
	whole := []part{{in.ID, body}}
	r := routerOf(ch)
	if r == nil || r.Concerns(body, in.Settings) {
		return whole, nil // its own, the common case: nothing is read twice
	}
	numbers := r.Numbers(body)
	var parts []part
	elsewhere := false
	for _, n := range numbers {
		id, err := i.owner(ctx, ch, in, n, h, body)
		if err != nil {
			return nil, err
		}
		elsewhere = elsewhere || id != in.ID
		if len(numbers) == 1 {
			return []part{{id, body}}, nil
		}
		one, err := r.Only(body, n)
		if err != nil {
			i.log.WarnContext(ctx, "a webhook of several numbers could not be split", "inbox", in.ID, "error", err)
			return whole, nil
		}
		parts = append(parts, part{id, one})
	}
	if !elsewhere {
		return whole, nil
	}
	return parts, nil
}

// owner returns the inbox of a number: the addressed one unless another is connected to it and has the same secret.
func (i *Ingress) owner(ctx context.Context, ch channel.Channel, in *app.Inbox, number string, h http.Header, body []byte) (app.InboxID, error) {
	for _, v := range in.Settings {
		if v == number {
			return in.ID, nil
		}
	}
	other, err := i.desk.InboxByAddress(ctx, in.Kind, number)
	if errors.Is(err, app.ErrNotFound) {
		return in.ID, nil
	}
	if err != nil {
		return 0, err
	}
	if signed := ch.Verify(other.Settings, h, body) == nil; !signed {
		return in.ID, nil
	}
	return other.ID, nil
}
