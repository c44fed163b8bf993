// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"net/http"
	"strings"
	"time"
)

const typingLife = 25 * time.Second

// serveMessages is POST /{phone-number-id}/messages: a message, a mark of
// reading, or both with a typing indicator.
func (w *World) serveMessages(rw http.ResponseWriter, r *http.Request) {
	if ct := r.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/json") {
		w.refuse(rw, &fault{code: 100, message: "(#100) The Content-Type must be application/json"})
		return
	}
	raw, f := read(rw, r)
	if f != nil {
		w.refuse(rw, f)
		return
	}
	body, f := parse(raw)
	if f != nil {
		w.refuse(rw, f)
		return
	}
	if _, ok := body["status"]; ok {
		w.serveRead(rw, body)
		return
	}
	w.mu.Lock()
	m, answer, trouble, f := w.take(body)
	w.mu.Unlock()
	switch {
	case trouble.Name == TroubleServer:
		http.Error(rw, "Bad Gateway", http.StatusBadGateway)
	case f != nil:
		w.refuse(rw, f)
	case trouble.Name == TroubleHangUp:
		w.start(m)
		hangUp(rw)
	case trouble.Name == TroubleTimeout:
		w.start(m)
		w.stall(r)
		hangUp(rw)
	default:
		reply(rw, http.StatusOK, answer)
		_ = http.NewResponseController(rw).Flush() // the answer should leave before the first status
		w.start(m)
	}
}

// start sets an accepted message on its way.
func (w *World) start(m *message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m.Kind == "reaction" {
		w.reacted(m)
		return
	}
	w.accepted(m)
}

// stall waits until the sender gives up.
func (w *World) stall(r *http.Request) {
	timer := time.NewTimer(2 * time.Minute)
	defer timer.Stop()
	select {
	case <-r.Context().Done():
	case <-w.stopped:
	case <-timer.C:
	}
}

// hangUp breaks the connection without an answer, where the server can.
func hangUp(rw http.ResponseWriter) {
	c, _, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		http.Error(rw, "Gateway Timeout", http.StatusGatewayTimeout)
		return
	}
	_ = c.Close() // the peer learns it either way
}

// take decides on a message of right form: refused with a fault, or accepted
// with an answer. The lock is held.
func (w *World) take(body map[string]any) (*message, map[string]any, Trouble, *fault) {
	trouble := w.takeTrouble()
	if trouble.Code != 0 && !trouble.Later {
		return nil, nil, trouble, &fault{code: trouble.Code}
	}
	if trouble.Name == TroubleServer {
		return nil, nil, trouble, nil
	}
	m, f := w.addressed(body)
	if f == nil {
		f = w.limits(m)
	}
	if f == nil {
		f = w.content(body, m)
	}
	if f != nil {
		return nil, nil, trouble, f
	}
	m.opaque = str(body, "biz_opaque_callback_data")
	m.silent = trouble.Name == TroubleSilence
	w.doom(m)
	if trouble.Later && trouble.Code != 0 {
		m.fails = trouble.Code
	}
	return m, w.acceptance(m, body), trouble, nil
}

// addressed finds the recipient. A number that nobody has is accepted and fails
// later, as on the network.
func (w *World) addressed(body map[string]any) (*message, *fault) {
	m := &message{Bubble: Bubble{At: w.now()}}
	if to := str(body, "to"); to != "" {
		n, ok := digits(to)
		if !ok {
			return nil, &fault{code: 131009, detail: "Param to must be a phone number with its country code."}
		}
		if n == w.o.DisplayPhone {
			return nil, &fault{code: 131021, detail: "Recipient's phone number cannot be the same as the sender's."}
		}
		m.input, m.owner = n, w.byPhone(n)
	} else {
		m.input, m.byUserID = str(body, "recipient"), true
		m.owner = w.byUserID(m.input)
	}
	handle := m.input
	if m.owner != nil {
		handle = m.owner.handle()
	}
	m.ID = w.wamid(handle, false)
	return m, nil
}

func (w *World) limits(m *message) *fault {
	if w.chaos.Unlimited {
		return nil
	}
	if !w.number.take(w.now()) {
		return &fault{code: 130429}
	}
	if m.owner != nil && !m.owner.bucket.take(w.now()) {
		return &fault{code: 131056}
	}
	return nil
}

// doom decides what fails after it was accepted: recipients that do not exist,
// and free messages outside the window of 24 hours.
func (w *World) doom(m *message) {
	m.pricing = "regular"
	if !m.template {
		m.category, m.pricing = "service", "free_customer_service"
	}
	switch {
	case m.fails != 0:
	case m.owner == nil:
		m.fails = 131026
	case !m.template && w.now().Sub(m.owner.lastIn) >= 24*time.Hour:
		m.fails = 131047
	}
}

func (w *World) acceptance(m *message, body map[string]any) map[string]any {
	contact := map[string]any{}
	msg := map[string]any{"id": m.ID}
	if m.byUserID {
		contact["input"], contact["user_id"] = m.input, m.input
	} else {
		contact["input"], contact["wa_id"] = str(body, "to"), m.input
		if m.owner != nil && m.owner.UserID != "" {
			contact["user_id"] = m.owner.UserID
		}
	}
	if m.template {
		msg["message_status"] = "accepted"
	}
	return map[string]any{"messaging_product": "whatsapp", "contacts": []any{contact}, "messages": []any{msg}}
}

// reacted puts the business's reaction on the message, and sends its statuses.
func (w *World) reacted(m *message) {
	if on := w.byID[m.Quote.ID]; on != nil && m.fails == 0 {
		on.Reaction = m.Text
	}
	w.soon(func() { w.sent(m) })
	w.stir()
}

// serveRead marks a customer's message, and all before it, as read.
func (w *World) serveRead(rw http.ResponseWriter, body map[string]any) {
	w.mu.Lock()
	m := w.byID[str(body, "message_id")]
	ok := m != nil && m.Mine
	if ok {
		for _, o := range m.owner.thread {
			if o.Mine {
				o.Ticks = TicksRead
			}
			if o == m {
				break
			}
		}
		if body["typing_indicator"] != nil {
			m.owner.typing = w.now().Add(typingLife)
			w.later.add(m.owner.typing, w.stir)
		}
		w.stir()
	}
	w.mu.Unlock()
	if !ok {
		w.refuse(rw, &fault{code: 131009, detail: "Param message_id is not the id of a message that was received on this number."})
		return
	}
	reply(rw, http.StatusOK, map[string]any{"success": true})
}
