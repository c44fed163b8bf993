// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// parcel is one POST to the webhook: the same bytes at every attempt.
type parcel struct {
	body     []byte
	forged   bool     // signed with a wrong key, and sent once
	mine     []string // see change
	first    time.Time
	attempts int
	again    bool // a duplicate of one that was answered with 200
}

// Delivery tells how one POST to the webhook went.
type Delivery struct {
	At        time.Time
	Status    int    // 0 when no answer came
	Reason    string // why no answer came
	Bytes     int
	Attempt   int
	Duplicate bool
	Forged    bool
}

const (
	postTimeout = 20 * time.Second
	keepTrying  = 7 * 24 * time.Hour
	parallel    = 8
)

// pauses between attempts grow like this; the last one repeats for seven days.
var pauses = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute,
	15 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour,
}

// Run delivers webhooks until ctx is done. It may be called once.
func (w *World) Run(ctx context.Context) error {
	if w.o.Doer == nil {
		return errors.New("simulator: Options.Doer is missing")
	}
	defer w.once.Do(func() { close(w.stopped) })
	var posts sync.WaitGroup
	defer posts.Wait()
	gate := make(chan struct{}, parallel)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		parcels, wait, steady := w.due()
		for _, p := range parcels {
			if steady {
				w.deliver(ctx, p)
				continue
			}
			gate <- struct{}{}
			posts.Go(func() { defer func() { <-gate }(); w.deliver(ctx, p) })
		}
		if len(parcels) > 0 && ctx.Err() == nil {
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case <-w.wake:
		case <-timer.C:
		}
	}
}

// due makes happen what is due, and returns the parcels to post now and how
// long there is nothing to do.
func (w *World) due() (parcels []*parcel, wait time.Duration, steady bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	for {
		todo := w.later.ripe(now)
		if len(todo) == 0 {
			break
		}
		for _, do := range todo {
			do()
		}
	}
	wait = time.Hour
	sooner := func(t time.Time, ok bool) {
		if ok {
			wait = min(wait, max(t.Sub(now), 0))
		}
	}
	sooner(w.later.next())
	if w.webhook != "" {
		w.pack(now)
		parcels = w.parcels.ripe(now)
		sooner(w.changes.next())
		sooner(w.parcels.next())
	}
	return parcels, wait, w.chaos.steady()
}

// pack makes parcels of the changes that are due.
func (w *World) pack(now time.Time) {
	ripe := w.changes.ripe(now)
	for len(ripe) > 0 {
		n := 1
		for n < len(ripe) && ripe[n].group == ripe[0].group {
			n++
		}
		p := &parcel{first: now}
		for _, c := range ripe[:n] {
			p.mine = append(p.mine, c.mine...)
		}
		body, err := encode(w.envelope(ripe[:n]))
		if err != nil { // only a value that JSON cannot hold, such as NaN
			w.log.Error("webhook dropped", "reason", err)
		} else {
			p.body = body
			w.parcels.add(now, p)
		}
		ripe = ripe[n:]
	}
}

// envelope joins changes in one of the three ways that the network uses:
// several entries, several changes in an entry, several messages in a value.
func (w *World) envelope(cs []change) envelope {
	e := envelope{Object: "whatsapp_business_account"}
	if len(cs) > 1 && w.chance(0.5) { // disorder inside a batch
		w.rnd.Shuffle(len(cs), func(i, j int) { cs[i], cs[j] = cs[j], cs[i] })
	}
	way := w.rnd.IntN(3)
	for _, c := range cs {
		last := len(e.Entry) - 1
		switch {
		case last < 0 || way == 0:
			e.Entry = append(e.Entry, entry{ID: w.o.WABAID, Changes: []changeJSON{{c.value, c.field}}})
		case way == 1 || !join(&e.Entry[last].Changes[len(e.Entry[last].Changes)-1], c):
			e.Entry[last].Changes = append(e.Entry[last].Changes, changeJSON{c.value, c.field})
		}
	}
	return e
}

// join adds a change to a value of the same kind; false when they do not mix.
func join(to *changeJSON, c change) bool {
	a, b := &to.Value, c.value
	if to.Field != "messages" || c.field != "messages" || (len(a.Statuses) == 0) != (len(b.Statuses) == 0) {
		return false
	}
	for _, k := range b.Contacts {
		if !slices.Contains(a.Contacts, k) {
			a.Contacts = append(slices.Clip(a.Contacts), k)
		}
	}
	a.Messages = append(slices.Clip(a.Messages), b.Messages...)
	a.Statuses = append(slices.Clip(a.Statuses), b.Statuses...)
	return true
}

// deliver makes one attempt and settles it.
func (w *World) deliver(ctx context.Context, p *parcel) {
	status, err := w.attempt(ctx, p)
	if ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	p.attempts++
	d := Delivery{At: w.now(), Status: status, Bytes: len(p.body), Attempt: p.attempts, Duplicate: p.again, Forged: p.forged}
	if err != nil {
		d.Reason = err.Error()
		w.log.Warn("webhook not delivered", "attempt", p.attempts, "reason", err)
	}
	w.log50 = append(w.log50[max(0, len(w.log50)-49):], d)
	w.settle(p, status)
	w.stir()
}

func (w *World) settle(p *parcel, status int) {
	now := w.now()
	switch {
	case p.forged:
	case status != http.StatusOK:
		due := now.Add(pauses[min(p.attempts, len(pauses))-1])
		if due.Sub(p.first) < keepTrying {
			w.parcels.add(due, p)
		}
	default:
		for _, id := range p.mine {
			if m := w.byID[id]; m != nil && m.Ticks < TicksDelivered {
				m.Ticks = TicksDelivered
			}
		}
		if !p.again && w.chance(w.chaos.Duplicate) {
			twin := &parcel{body: p.body, first: now, again: true}
			w.parcels.add(now.Add(time.Second+time.Duration(w.rnd.IntN(20))*time.Second), twin)
		}
	}
}

func (w *World) attempt(ctx context.Context, p *parcel) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	w.mu.Lock()
	to, verified := w.webhook, w.verified
	w.mu.Unlock()
	if !verified {
		if err := w.handshake(ctx, to, w.o.VerifyToken); err != nil {
			return 0, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(p.body))
	if err != nil {
		return 0, fmt.Errorf("making the webhook request: %w", err)
	}
	secret := w.o.AppSecret
	if p.forged {
		secret = "not " + secret
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "facebookexternalua")
	req.Header.Set("X-Hub-Signature-256", sign(secret, p.body))
	res, err := w.o.Doer.Do(req)
	if err != nil {
		return 0, fmt.Errorf("posting the webhook: %w", err)
	}
	defer res.Body.Close() //nolint:errcheck // nothing was written
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	return res.StatusCode, nil
}

// Handshake asks the webhook to prove that it knows the verify token.
func (w *World) Handshake(ctx context.Context) error {
	w.mu.Lock()
	to := w.webhook
	w.mu.Unlock()
	return w.handshake(ctx, to, w.o.VerifyToken)
}

func (w *World) handshake(ctx context.Context, to, token string) error {
	w.mu.Lock()
	challenge := w.random("123456789", 10)
	w.mu.Unlock()
	u, err := url.Parse(to)
	if err != nil {
		return fmt.Errorf("reading the webhook address: %w", err)
	}
	q := u.Query()
	q.Set("hub.mode", "subscribe")
	q.Set("hub.challenge", challenge)
	q.Set("hub.verify_token", token)
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return fmt.Errorf("making the handshake: %w", err)
	}
	res, err := w.o.Doer.Do(req)
	if err != nil {
		return fmt.Errorf("making the handshake: %w", err)
	}
	defer res.Body.Close() //nolint:errcheck // nothing was written
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if err != nil || res.StatusCode != http.StatusOK || string(body) != challenge {
		return fmt.Errorf("the webhook failed the handshake: it answered %d and did not repeat the challenge", res.StatusCode)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.webhook == to {
		w.verified = true
	}
	return nil
}

// Deliveries returns the latest POSTs to the webhook, oldest first.
func (w *World) Deliveries() []Delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Delivery(nil), w.log50...)
}
