// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"slices"
	"time"
)

// Customer is a sample person with a phone.
type Customer struct {
	ID       string // short and stable: "dewi"
	Name     string // the profile name, plainly a sample
	Username string // of those who adopted one
	Phone    string // digits
	Private  bool   // the network hides the phone number and shows UserID alone
	UserID   string // the business-scoped user id
	Language string // what the person writes in
	Country  string // two letters
}

// sampleCustomers are the people of a new world. Numbers are of ranges that no
// person has: toll-free, impossible, or reserved for drama.
func sampleCustomers() []Customer {
	return []Customer{
		{ID: "dewi", Name: "Dewi (sample)", Phone: "628000000001", UserID: "ID.90000000000000000001", Language: "id", Country: "ID"},
		{ID: "budi", Name: "Budi (sample)", Username: "budi.sample", Phone: "628000000002", Private: true, UserID: "ID.90000000000000000002", Language: "id", Country: "ID"},
		{ID: "asha", Name: "Asha आशा (sample)", Phone: "918000000003", UserID: "IN.90000000000000000003", Language: "hi", Country: "IN"},
		{ID: "arjun", Name: "Arjun (sample)", Username: "arjun.sample", Phone: "918000000004", Private: true, UserID: "IN.90000000000000000004", Language: "en", Country: "IN"},
		{ID: "zoe", Name: "Zoë (sample)", Phone: "33639980005", UserID: "FR.90000000000000000005", Language: "fr", Country: "FR"},
		{ID: "anna", Name: "Anna (sample)", Username: "anna.sample", Phone: "4917139200006", UserID: "DE.90000000000000000006", Language: "de", Country: "DE"},
		{ID: "nour", Name: "نور (sample)", Phone: "447700900007", UserID: "GB.90000000000000000007", Language: "ar", Country: "GB"},
	}
}

// person is a customer with the state of the phone.
type person struct {
	Customer
	thread  []*message
	lastIn  time.Time // opens the reply window
	looking int       // pages that show this phone
	offline bool
	held    []change  // said while offline
	typing  time.Time // the business types until then
	bucket  bucket
}

// Remember tells a new world when the customer with a user id last wrote, in an earlier one: the reply window of the
// network outlives a restart of kith. A user id that nobody has is no error.
func (w *World) Remember(userID string, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.people {
		if p.UserID == userID && at.After(p.lastIn) {
			p.lastIn = at
		}
	}
}

func (p *person) waID() string {
	if p.Private {
		return ""
	}
	return p.Phone
}

// Phone is what the list of customers shows of one.
type Phone struct {
	Customer
	Offline bool
	Typing  bool
	Unread  int
	Last    *Bubble // nil before the first message
}

// Customers returns every customer with the state of the phone, in a stable order.
func (w *World) Customers() []Phone {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]Phone, 0, len(w.people))
	for _, p := range w.people {
		out = append(out, w.phone(p))
	}
	return out
}

// Customer returns one customer with the state of the phone.
func (w *World) Customer(id string) (Phone, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.person(id)
	if p == nil {
		return Phone{}, false
	}
	return w.phone(p), true
}

func (w *World) phone(p *person) Phone {
	out := Phone{Customer: p.Customer, Offline: p.offline, Typing: p.typing.After(w.now())}
	for _, m := range p.thread {
		if !m.onPhone() {
			continue
		}
		b := m.copied()
		out.Last = &b
		if !m.Mine && m.rank < rankRead {
			out.Unread++
		}
	}
	return out
}

// Add brings another customer into the world, for tests that need their own.
// A customer of the same ID is replaced.
func (w *World) Add(c Customer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.people = slices.DeleteFunc(w.people, func(p *person) bool { return p.ID == c.ID })
	w.people = append(w.people, &person{Customer: c, bucket: bucket{size: pairBurst, every: pairEvery}})
	w.stir()
}

func (w *World) person(id string) *person {
	for _, p := range w.people {
		if p.ID == id {
			return p
		}
	}
	return nil
}

func (w *World) byPhone(digits string) *person {
	for _, p := range w.people {
		if p.Phone != "" && p.Phone == digits {
			return p
		}
	}
	return nil
}

func (w *World) byUserID(id string) *person {
	for _, p := range w.people {
		if p.UserID != "" && p.UserID == id {
			return p
		}
	}
	return nil
}
