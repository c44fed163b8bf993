// SPDX-License-Identifier: Apache-2.0

package whatsapp

import (
	"regexp"
	"strings"

	"kith/app"
)

// formBSUID is a business-scoped user id: country, optionally ENT for a parent, and letters and digits.
var (
	formBSUID  = regexp.MustCompile(`^[A-Z]{2}\.[A-Za-z0-9]{1,128}$`)
	formParent = regexp.MustCompile(`^[A-Z]{2}\.ENT\.[A-Za-z0-9]{1,128}$`)
	formWaID   = regexp.MustCompile(`^[1-9][0-9]{4,19}$`)
)

// person returns who has the ids, completed from the contacts of the change. Any id may be missing (PROTOCOLS 1.3).
func (r *reader) person(userID, parent, waID text) app.Person {
	c := r.contact(userID, waID)
	if c == nil {
		return newPerson(userID, parent, waID, "", "")
	}
	pick := func(own, other text) text {
		if own != "" {
			return own
		}
		return other
	}
	return newPerson(pick(userID, c.UserID), pick(parent, c.ParentUserID), pick(waID, c.WaID), c.Profile.Username, c.Profile.Name)
}

// contact finds the card of a person among the contacts of the change. A lone card belongs to a message that names
// nobody.
func (r *reader) contact(userID, waID text) *wireContact {
	for i := range r.v.Contacts {
		c := &r.v.Contacts[i]
		if (userID != "" && c.UserID == userID) || (waID != "" && digitsOf(c.WaID) == digitsOf(waID)) {
			return c
		}
	}
	if userID == "" && waID == "" && len(r.v.Contacts) == 1 {
		return &r.v.Contacts[0]
	}
	return nil
}

// newPerson orders the identities: the business-scoped id first, because it outlives a change of phone.
func newPerson(userID, parent, waID, username, name text) app.Person {
	var p app.Person
	add := func(kind app.IdentityKind, v string) {
		p.Identities = append(p.Identities, app.Identity{Kind: kind, Value: v})
	}
	if v := bsuid(userID); v != "" {
		add(app.IdentityBSUID, v)
	} else if v = bsuid(waID); v != "" { // some fields carry whichever id there is
		add(app.IdentityBSUID, v)
	}
	if v := strings.TrimSpace(string(parent)); formParent.MatchString(v) {
		add(app.IdentityParent, v)
	}
	wa := digitsOf(waID)
	if wa != "" {
		add(app.IdentityWaID, wa)
	}
	if u := strings.ToLower(strings.TrimPrefix(username.cut(maxName), "@")); u != "" {
		add(app.IdentityUsername, u)
		p.Username = u
	}
	if phone := phoneOf(wa); phone != "" {
		add(app.IdentityPhone, phone)
	}
	p.Name = name.cut(maxName)
	return p
}

func bsuid(t text) string {
	if v := strings.TrimSpace(string(t)); formBSUID.MatchString(v) {
		return v
	}
	return ""
}

// digitsOf returns a wa_id as digits, or "" when it is none.
func digitsOf(t text) string {
	v := strings.TrimPrefix(strings.TrimSpace(string(t)), "+")
	if formWaID.MatchString(v) {
		return v
	}
	return ""
}

// phoneOf returns the telephone number behind a wa_id, or "" when WhatsApp's form is known to differ from the real one:
// Mexico keeps a 1 that is no longer dialled, Brazil may lack the ninth digit.
func phoneOf(waID string) string {
	switch {
	case len(waID) < 8 || len(waID) > 15:
		return ""
	case strings.HasPrefix(waID, "521") && len(waID) == 13:
		return ""
	case strings.HasPrefix(waID, "55") && len(waID) == 12 && waID[4] >= '6':
		return ""
	}
	return "+" + waID
}
