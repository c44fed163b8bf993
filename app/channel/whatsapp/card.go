// SPDX-License-Identifier: Apache-2.0

package whatsapp

import (
	"strings"

	"kith/app"
)

type wireCard struct {
	Name struct {
		Formatted text `json:"formatted_name"`
		First     text `json:"first_name"`
		Last      text `json:"last_name"`
	} `json:"name"`
	Phones []struct {
		Phone text `json:"phone"`
		WaID  text `json:"wa_id"`
	} `json:"phones"`
	Emails []struct {
		Email text `json:"email"`
	} `json:"emails"`
	Addresses []wireAddress `json:"addresses"`
	Org       struct {
		Company    text `json:"company"`
		Department text `json:"department"`
		Title      text `json:"title"`
	} `json:"org"`
	URLs []struct {
		URL text `json:"url"`
	} `json:"urls"`
	Birthday text `json:"birthday"`
	VCard    text `json:"vcard"`
	Origin   text `json:"origin"`
}

type wireAddress struct {
	Street  text `json:"street"`
	City    text `json:"city"`
	State   text `json:"state"`
	Zip     text `json:"zip"`
	Country text `json:"country"`
}

// cards reads shared contact cards; any part may be missing, even the name (PROTOCOLS 1.4).
func cards(list []wireCard) []app.Card {
	out := make([]app.Card, 0, len(list))
	for i := range list {
		w := &list[i]
		c := app.Card{
			Name: w.Name.Formatted.cut(maxName), Org: join(", ", w.Org.Company, w.Org.Department, w.Org.Title),
			Birthday: w.Birthday.cut(32), Requested: w.Origin == "contact_request",
		}
		if c.Name == "" {
			c.Name = join(" ", w.Name.First, w.Name.Last)
		}
		for _, p := range w.Phones {
			c.Phones = appendText(c.Phones, firstOf(p.Phone, p.WaID))
		}
		for _, e := range w.Emails {
			c.Emails = appendText(c.Emails, e.Email)
		}
		for _, a := range w.Addresses {
			c.Addresses = appendText(c.Addresses, text(join(", ", a.Street, a.Zip, a.City, a.State, a.Country)))
		}
		for _, u := range w.URLs {
			c.URLs = appendText(c.URLs, u.URL)
		}
		if w.VCard != "" {
			readVCard(string(w.VCard), &c)
		}
		out = append(out, c)
	}
	return out
}

func appendText(list []string, t text) []string {
	if s := t.cut(maxTitle); s != "" {
		return append(list, s)
	}
	return list
}

func join(sep string, parts ...text) string {
	var out []string
	for _, p := range parts {
		if s := p.cut(maxName); s != "" {
			out = append(out, s)
		}
	}
	return strings.Join(out, sep)
}

// readVCard takes name, telephone and address lines of a vCard (RFC 6350) where the card itself has none.
func readVCard(v string, c *app.Card) {
	noPhones, noEmails := len(c.Phones) == 0, len(c.Emails) == 0
	for line := range strings.Lines(v) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			continue
		}
		key, _, _ = strings.Cut(strings.ToUpper(key), ";")
		if _, after, grouped := strings.Cut(key, "."); grouped {
			key = after
		}
		value = strings.NewReplacer(`\,`, ",", `\;`, ";", `\n`, " ").Replace(value)
		switch {
		case key == "FN" && c.Name == "":
			c.Name = text(value).cut(maxName)
		case key == "TEL" && noPhones:
			c.Phones = appendText(c.Phones, text(strings.TrimPrefix(value, "tel:")))
		case key == "EMAIL" && noEmails:
			c.Emails = appendText(c.Emails, text(value))
		case key == "ORG" && c.Org == "":
			c.Org = text(value).cut(maxName)
		}
	}
}
