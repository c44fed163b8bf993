// SPDX-License-Identifier: Apache-2.0

// Package simulator is a second WhatsApp: sample customers with phones, and the
// network between them and a business.
//
// It speaks to the business as Meta's Cloud API does, over HTTP and nothing
// else. World.Graph answers the Graph endpoints, with Meta's limits, error
// codes and error shape. World.Run posts signed webhooks to one address and
// tries again for seven days when the answer is not 200. World.Say and
// World.Thread are what a person holding one of the phones does and sees.
//
// The world lives in memory and starts empty. What is simplified: media sent by
// link is shown as a link and not fetched, groups and calls do not exist, and
// interactive messages other than buttons, lists, links, location requests and
// contact requests are refused.
package simulator

import (
	crand "crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Doer makes one HTTP request. The world posts its webhooks through it.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// Options says what a world is made of. Zero values are filled: identifiers
// with plain sample numbers, secrets with random ones.
type Options struct {
	Doer          Doer             // carries the webhooks; required before Run
	Webhook       string           // full address of the business's hook; SetWebhook may give it later
	AppSecret     string           // key of the webhook signature
	VerifyToken   string           // what the hook must recognise in the handshake
	AccessToken   string           // the Bearer that the Graph endpoints demand
	PhoneNumberID string           // the business number, as an identifier
	WABAID        string           // the business account
	DisplayPhone  string           // the business number, as digits
	BaseURL       string           // public base of Graph, without a slash at the end; media addresses start with it
	Chaos         Chaos            // how unruly the network is; the zero value is Calm
	Now           func() time.Time // nil is time.Now
	Rand          rand.Source      // nil is a random seed
	Log           *slog.Logger     // nil discards
}

// Connection holds what a business types into its settings to connect the
// world's number.
type Connection struct {
	AppSecret, VerifyToken, AccessToken, PhoneNumberID, WABAID, DisplayPhone, BaseURL string
}

// World is the network, its customers and their phones. Its methods may be
// called from several goroutines.
type World struct {
	o   Options
	log *slog.Logger

	mu        sync.Mutex
	rnd       *rand.Rand
	chaos     Chaos
	webhook   string
	verified  bool
	idle      bool // the business unsubscribed: webhooks are not made
	people    []*person
	byID      map[string]*message
	media     map[string]*medium
	mediaIDs  []string // oldest first
	mediaSize int
	templates []Template
	trouble   Trouble
	left      int
	number    bucket
	seq       uint64
	later     timeline[func()]
	changes   timeline[change]
	parcels   timeline[*parcel]
	log50     []Delivery
	changed   chan struct{}

	wake    chan struct{}
	stopped chan struct{}
	once    sync.Once
}

// New makes a world with its sample customers and templates. Nothing moves
// until Run.
func New(o Options) *World {
	o = filled(o)
	w := &World{
		o: o, log: o.Log, rnd: rand.New(o.Rand), chaos: o.Chaos, webhook: o.Webhook, //nolint:gosec // chance is harmless here; secrets come from crypto/rand
		byID: map[string]*message{}, media: map[string]*medium{}, templates: sampleTemplates(),
		changed: make(chan struct{}), wake: make(chan struct{}, 1), stopped: make(chan struct{}),
	}
	for _, c := range sampleCustomers() {
		w.people = append(w.people, &person{Customer: c, bucket: bucket{size: pairBurst, every: pairEvery}})
	}
	w.number = bucket{size: numberBurst, every: numberEvery}
	return w
}

func filled(o Options) Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Rand == nil {
		var seed [32]byte
		_, _ = crand.Read(seed[:]) // never fails, by its documentation
		o.Rand = rand.NewChaCha8(seed)
	}
	orSecret(&o.AppSecret)
	orSecret(&o.VerifyToken)
	orSecret(&o.AccessToken)
	orText(&o.PhoneNumberID, "100000000000001")
	orText(&o.WABAID, "200000000000001")
	orText(&o.DisplayPhone, "15550100100")
	o.BaseURL = strings.TrimRight(o.BaseURL, "/")
	return o
}

func orText(s *string, otherwise string) {
	if *s == "" {
		*s = otherwise
	}
}

func orSecret(s *string) {
	if *s == "" {
		var b [24]byte
		_, _ = crand.Read(b[:]) // never fails, by its documentation
		*s = hex.EncodeToString(b[:])
	}
}

// Connection returns what connects a business to this world's number.
func (w *World) Connection() Connection {
	return Connection{w.o.AppSecret, w.o.VerifyToken, w.o.AccessToken, w.o.PhoneNumberID, w.o.WABAID, w.o.DisplayPhone, w.o.BaseURL}
}

// SetWebhook names the address that webhooks go to. The world makes the
// handshake with it before the first webhook.
func (w *World) SetWebhook(url string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.webhook, w.verified = url, false
	w.stir()
}

// SetChaos changes how unruly the network is from now on.
func (w *World) SetChaos(c Chaos) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.chaos = c
	w.stir()
}

// Chaos returns how unruly the network is.
func (w *World) Chaos() Chaos {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.chaos
}

// Watch returns a channel that is closed at the next change that a phone or
// the settings could show. Ask again for the change after it.
func (w *World) Watch() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

// stir tells watchers that something changed and the loop that something may
// be due. The lock is held.
func (w *World) stir() {
	close(w.changed)
	w.changed = make(chan struct{})
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *World) now() time.Time { return w.o.Now() }

// Errors of the phone's side, for the page to put into words.
var (
	ErrNoCustomer = errors.New("simulator: no such customer")
	ErrNoMessage  = errors.New("simulator: no such message on this phone")
	ErrEmpty      = errors.New("simulator: the message is empty")
	ErrTooLarge   = errors.New("simulator: the file is larger than 16 MB")
	ErrNotYours   = errors.New("simulator: only an own message can be edited or deleted")
	ErrNoChoice   = errors.New("simulator: the message offers no such choice")
)
