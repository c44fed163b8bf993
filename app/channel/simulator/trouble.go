// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"context"
	"fmt"
	"slices"
)

// Trouble is something that goes wrong with the next messages that the business
// sends. Later means that the message is accepted first and fails with a
// status; otherwise the request itself is refused.
type Trouble struct {
	Name  string
	Code  int // the network's error code
	Later bool
}

// Troubles without a code of the network.
const (
	TroubleServer  = "server"  // HTTP 502 and no JSON
	TroubleHangUp  = "hangup"  // accepted, then the connection breaks: the outcome is unknown to the sender
	TroubleTimeout = "timeout" // accepted, then no answer within two minutes
	TroubleSilence = "silence" // accepted, then no status ever
)

// Troubles lists every trouble that can be asked for.
func Troubles() []Trouble {
	return []Trouble{
		{"131026", 131026, true},
		{"131047", 131047, true},
		{"131049", 131049, true},
		{"131053", 131053, true},
		{"131056", 131056, false},
		{"130429", 130429, false},
		{"131000", 131000, false},
		{"131016", 131016, false},
		{"131042", 131042, false},
		{"368", 368, false},
		{"190", 190, false},
		{TroubleServer, 0, false},
		{TroubleHangUp, 0, false},
		{TroubleTimeout, 0, false},
		{TroubleSilence, 0, true},
	}
}

// SetTrouble lets the next messages of the business fail, times of them, or
// every one when times is negative. An empty name or zero times ends it.
func (w *World) SetTrouble(name string, times int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if name == "" || times == 0 {
		w.trouble, w.left = Trouble{}, 0
		w.stir()
		return nil
	}
	all := Troubles()
	i := slices.IndexFunc(all, func(t Trouble) bool { return t.Name == name })
	if i < 0 {
		return fmt.Errorf("simulator: no such trouble: %q", name)
	}
	w.trouble, w.left = all[i], times
	w.stir()
	return nil
}

// Trouble returns what goes wrong and how often it still will; no name means nothing.
func (w *World) Trouble() (Trouble, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.trouble, w.left
}

// takeTrouble uses up one failure. The lock is held.
func (w *World) takeTrouble() Trouble {
	t := w.trouble
	if w.left > 0 {
		w.left--
	}
	if w.left == 0 {
		w.trouble = Trouble{}
	}
	return t
}

// Forge posts a message in a customer's name with a wrong signature, once, as a
// stranger on the internet would. Deliveries shows the answer.
func (w *World) Forge(ctx context.Context, customer string) error {
	return w.odd(ctx, customer, true, map[string]any{"type": "text", "text": map[string]any{"body": "Forged"}})
}

// Garble posts a rightly signed message that no documentation describes.
func (w *World) Garble(ctx context.Context, customer string) error {
	return w.odd(ctx, customer, false, map[string]any{"type": []any{"hologram"}, "hologram": 7})
}

func (w *World) odd(ctx context.Context, customer string, forged bool, wire map[string]any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.person(customer)
	if p == nil {
		return fmt.Errorf("%w: %q", ErrNoCustomer, customer)
	}
	wire["id"], wire["timestamp"], wire["from_user_id"] = w.wamid(p.handle(), true), seconds(w.now()), p.UserID
	set(wire, "from", p.waID())
	v := w.blank()
	v.Contacts, v.Messages = []contactJSON{p.contact(true)}, []map[string]any{wire}
	body, err := encode(envelope{"whatsapp_business_account", []entry{{w.o.WABAID, []changeJSON{{v, "messages"}}}}})
	if err != nil {
		return err
	}
	w.parcels.add(w.now(), &parcel{body: body, forged: forged, first: w.now()})
	w.stir()
	return nil
}
