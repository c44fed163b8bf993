// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"kith/store"
)

// Masks say which personal values leave the desk masked. Every role can have its own; without one nothing is masked.
// What people write to each other is not masked.
type Masks struct {
	Phones bool `cbor:"1,keyasint,omitempty" json:"phones"`
	Emails bool `cbor:"2,keyasint,omitempty" json:"emails"`
	Names  bool `cbor:"3,keyasint,omitempty" json:"names"`
}

// dots stand for what is not shown, however long it is.
const dots = "•••"

var roleMasks = store.NewTable[Masks]("role_masks", func(*Masks) store.Subject { return store.Nobody })

func masksOf(tx *store.Tx, r Role) (Masks, error) {
	k, err := roleMasks.Get(tx, store.Nobody, uint64(r))
	if err != nil {
		return Masks{}, ignoreMissing(err)
	}
	return *k, nil
}

// MasksOf returns what people with the role see masked.
func (d *Desk) MasksOf(ctx context.Context, r Role) (k Masks, err error) {
	err = d.db.View(ctx, func(tx *store.Tx) error {
		k, err = masksOf(tx, r)
		return err
	})
	return k, err
}

// SaveMasks decides what people with the role see masked.
func (d *Desk) SaveMasks(ctx context.Context, a Actor, r Role, k Masks) error {
	if !r.BuiltIn() && r < firstCustom {
		return unknownRole()
	}
	defer d.grants.forget()
	return d.act(ctx, a, MayRoles, AuditMaskChanged, func(tx *store.Tx, e *AuditEvent) error {
		e.Object = uint64(r)
		if r >= firstCustom {
			if _, err := roles.Get(tx, store.Nobody, uint64(r)); err != nil {
				return found(err, "problem.role_missing", "This role does not exist.")
			}
		}
		return roleMasks.Put(tx, uint64(r), &k)
	})
}

// Reveal returns a contact without masks. Every time is audited and counted.
func (d *Desk) Reveal(ctx context.Context, a Actor, id ContactID) (c *Contact, err error) {
	err = d.act(ctx, a, MayReveal, AuditRevealed, func(tx *store.Tx, e *AuditEvent) error {
		if c, err = d.seenContact(tx, a, id); err == nil {
			e.Subject = c.ID
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// mask hides in c what the actor does not see.
func (d *Desk) mask(tx *store.Tx, a Actor, c *Contact) error {
	g, err := d.grant(tx, a)
	if err == nil {
		g.masks.contact(c)
	}
	return err
}

// contact masks a copy of a contact.
func (k Masks) contact(c *Contact) {
	if k == (Masks{}) {
		return
	}
	c.Masked = true
	if k.Phones {
		mapAll(c.Phones, maskPhone)
	}
	if k.Emails {
		mapAll(c.Emails, maskEmail)
	}
	if k.Names {
		c.Name, c.Username = maskName(c.Name), maskName(c.Username)
	}
	k.identities(c.Identities)
	k.identities(c.Former)
}

func (k Masks) identities(all []Identity) {
	for i := range all {
		switch id := &all[i]; {
		case k.Phones && (id.Kind == IdentityPhone || id.Kind == IdentityWaID):
			id.Value = maskPhone(id.Value)
		case k.Emails && id.Kind == IdentityEmail:
			id.Value = maskEmail(id.Value)
		case k.Names && id.Kind == IdentityUsername:
			id.Value = maskName(id.Value)
		}
	}
}

// message masks a copy of a message: the cards in it, what the network says in numbers, and its ids, which hold the
// customer's number.
func (k Masks) message(m *Message) {
	if m == nil || k == (Masks{}) {
		return
	}
	for i := range m.Content.Cards {
		card := &m.Content.Cards[i]
		if k.Phones {
			mapAll(card.Phones, maskPhone)
		}
		if k.Emails {
			mapAll(card.Emails, maskEmail)
		}
		if k.Names {
			card.Name = maskName(card.Name)
		}
	}
	if !k.Phones {
		return
	}
	for _, id := range []*string{&m.ExternalID, &m.ReplyToID, &m.Target} {
		if *id != "" {
			*id = dots
		}
	}
	if m.Type == TypeSystem {
		m.Content.Text = numbers.ReplaceAllStringFunc(m.Content.Text, maskPhone)
		m.Content.Detail = numbers.ReplaceAllStringFunc(m.Content.Detail, maskPhone)
	}
}

// numbers finds what may be a telephone number.
var numbers = regexp.MustCompile(`\+?[0-9][0-9 .()/-]{5,}[0-9]`)

// hides reports whether the words by which the contact was found are hidden from whom they are masked for: a search
// must not tell them letter by letter.
func (k Masks) hides(c *Contact, text string) bool {
	if k == (Masks{}) {
		return false
	}
	copied := *c
	copied.Phones, copied.Emails = slices.Clone(c.Phones), slices.Clone(c.Emails)
	copied.Identities, copied.Former = slices.Clone(c.Identities), slices.Clone(c.Former)
	k.contact(&copied)
	shown := contactName{c.ID, termsOf(&copied)}
	return !shown.is(peopleTerms(text))
}

// restore puts values that come back as they were shown, masked, in the place where they belong: a form that was sent
// without touching them changes nothing.
func (k Masks) restore(c *Contact, in *ContactInput) error {
	if k == (Masks{}) {
		return nil
	}
	shown := *c
	if k.Names {
		shown.Name, shown.Username = maskName(c.Name), maskName(c.Username)
	}
	if k.Phones {
		shown.Phones = mapped(c.Phones, maskPhone)
	}
	if k.Emails {
		shown.Emails = mapped(c.Emails, maskEmail)
	}
	if in.Name != nil && strings.Contains(*in.Name, dots) {
		if *in.Name != shown.DisplayName() {
			return invalid("name", "problem.masked", maskedText)
		}
		in.Name = nil
	}
	var err error
	if k.Phones {
		if in.Phones, err = restored("phones", in.Phones, c.Phones, shown.Phones); err != nil {
			return err
		}
	}
	if k.Emails {
		in.Emails, err = restored("emails", in.Emails, c.Emails, shown.Emails)
	}
	return err
}

const maskedText = "Part of this value is masked. Leave it as it is, or enter the whole value."

// restored replaces each masked value by the next one that looks like it.
func restored(field string, given, real, shown []string) ([]string, error) {
	if given == nil {
		return nil, nil
	}
	out, used := make([]string, 0, len(given)), make([]bool, len(real))
	for _, v := range given {
		if !strings.Contains(v, dots) {
			out = append(out, v)
			continue
		}
		i := slices.IndexFunc(shown, func(s string) bool { return s == strings.TrimSpace(v) })
		for i >= 0 && i < len(shown) && (used[i] || shown[i] != strings.TrimSpace(v)) {
			i++
		}
		if i < 0 || i == len(shown) {
			return nil, invalid(field, "problem.masked", maskedText)
		}
		used[i] = true
		out = append(out, real[i])
	}
	return out, nil
}

func mapAll(list []string, fn func(string) string) {
	for i := range list {
		list[i] = fn(list[i])
	}
}

func mapped(list []string, fn func(string) string) []string {
	out := slices.Clone(list)
	mapAll(out, fn)
	return out
}

// maskPhone leaves the beginning, which tells the country, and the last two digits: "+62 ••• ••34".
func maskPhone(s string) string {
	n := digits(s)
	if len(n) < 6 {
		return dots
	}
	plus := ""
	if strings.HasPrefix(s, "+") {
		plus = "+"
	}
	return plus + n[:2] + " " + dots + " ••" + n[len(n)-2:]
}

// maskEmail leaves the first letter and what follows the last dot: "s•••@•••.com".
func maskEmail(s string) string {
	at, dot := strings.LastIndexByte(s, '@'), strings.LastIndexByte(s, '.')
	if at < 1 || dot < at {
		return dots
	}
	return firstRune(s) + dots + "@" + dots + s[dot:]
}

// maskName leaves the first letters of the first three words: "S••• C•••".
func maskName(s string) string {
	words := strings.Fields(s)
	for i, w := range words {
		words[i] = firstRune(w) + dots
	}
	return strings.Join(words[:min(3, len(words))], " ")
}

func firstRune(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return s[:n]
}

// flag marks the contact as sensitive, with everything that belongs to it, or takes the mark away.
func (g *Grant) flag(tx *store.Tx, c *Contact, on *bool) error {
	if on == nil || *on == c.Sensitive {
		return nil
	}
	if !*on && !g.May(MaySensitive) {
		return invalid("sensitive", "problem.sensitive", "Only who may see what is sensitive can take this flag away.")
	}
	c.Sensitive = *on
	return flagConversations(tx, c)
}

// flagConversations gives the conversations of a contact its flag.
func flagConversations(tx *store.Tx, c *Contact) error {
	var all []Conversation
	for _, s := range append([]ContactID{c.ID}, c.Merged...) {
		err := conversationsOf(tx, s, func(id ConversationID) error {
			conv, err := conversationOf(tx, id)
			if err == nil && conv.Sensitive != c.Sensitive {
				all = append(all, conv)
			}
			return ignoreMissing(err)
		})
		if err != nil {
			return err
		}
	}
	for i := range all {
		all[i].Sensitive = c.Sensitive
		if err := touch(tx, &all[i]); err != nil {
			return err
		}
	}
	return nil
}
