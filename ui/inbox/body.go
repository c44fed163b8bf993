// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"context"
	"fmt"
	"io"
	"math/big"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"kith/app"
	"kith/ui/component"
	"kith/ui/locale"
)

// body is what stands inside the bubble of a message.
func (k *itemMaker) body(m *app.Message) templ.Component {
	c := &m.Content
	switch {
	case m.RevokedAt != 0:
		return component.RevokedBody(k.l)
	case m.Type.Media():
		return k.media(m)
	case m.Type == app.TypeLocation && c.Location != nil:
		return component.LocationBody(place(k.l, c.Location))
	case m.Type == app.TypeContacts:
		return component.ContactsBody(k.l, cards(k.l, c.Cards))
	case m.Type == app.TypeOrder && c.Order != nil:
		lines, total := order(k.l, c.Order)
		return component.OrderBody(k.l, c.Text, lines, total)
	case m.Type == app.TypeChoice && c.Choice != nil:
		return picked(k.l, c.Choice)
	case m.Type == app.TypeTemplate && c.Template != nil:
		return component.ChoiceBody(templateBody(k.l, c.Template))
	case m.Type == app.TypeInteractive && c.Interactive != nil:
		return component.ChoiceBody(interactive(k.l, c))
	case m.Type == app.TypeDamaged:
		return headed(typeIcons[m.Type], k.l.T("inbox.type_damaged"), nil)
	case m.Type == app.TypeUnsupported:
		return component.UnsupportedBody(k.l, unsupported(c))
	case c.Product != nil:
		return productText(k.l, c.Product.ID, links(c.Text))
	case m.Type == app.TypeEdit:
		return headed("pencil", k.l.T("inbox.orphan_edit"), links(c.Text))
	}
	return linkedText(links(c.Text))
}

func unsupported(c *app.Content) string {
	if c.Code == 0 {
		return c.Detail
	}
	return strings.TrimSpace(c.Detail + " (" + strconv.Itoa(c.Code) + ")")
}

// media draws the files of a message; networks send one per message.
func (k *itemMaker) media(m *app.Message) templ.Component {
	if len(m.Attachments) == 0 {
		return headed(typeIcons[m.Type], k.l.T("inbox.type_"+m.Type.String()), links(m.Content.Text))
	}
	var parts []templ.Component
	for i := range m.Attachments {
		p := k.mediaProps(m, i)
		switch m.Type {
		case app.TypeImage:
			parts = append(parts, component.ImageBody(p))
		case app.TypeVideo:
			parts = append(parts, component.VideoBody(p))
		case app.TypeVoice:
			parts = append(parts, component.VoiceBody(p))
		case app.TypeAudio:
			parts = append(parts, component.AudioBody(p))
		case app.TypeSticker:
			parts = append(parts, component.StickerBody(p))
		default:
			parts = append(parts, component.DocumentBody(p))
		}
	}
	if text := m.Content.Text; text != "" && (m.Type == app.TypeVoice || m.Type == app.TypeAudio || m.Type == app.TypeSticker) {
		parts = append(parts, linkedText(links(text)))
	}
	return templ.Join(parts...)
}

func (k *itemMaker) mediaProps(m *app.Message, n int) component.MediaProps {
	a := &m.Attachments[n]
	p := component.MediaProps{
		L: k.l, Alt: k.l.T("inbox.file_from", "type", k.l.T("inbox.type_"+m.Type.String()), "name", k.author(m)),
		Name: a.Name, Detail: fileDetail(k.l, a),
	}
	if n == 0 && m.Type != app.TypeVoice && m.Type != app.TypeAudio {
		p.Caption = m.Content.Text
	}
	if p.Name == "" {
		p.Name = k.l.T("inbox.type_" + m.Type.String())
	}
	switch a.State {
	case app.AttachmentReady:
		p.Src = FilePath(m.ID, n)
		p.Download = p.Src + "?download=1"
	case app.AttachmentLost:
		if p.Lost = k.l.T("inbox.file_lost"); k.l.Has(a.Problem) {
			p.Lost = k.l.T(a.Problem)
		} else if a.Problem != "" {
			p.Lost = a.Problem
		}
	default:
	}
	return p
}

// fileDetail is "PDF, 1.2 MB".
func fileDetail(l *locale.Locale, a *app.Attachment) string {
	kind := strings.ToUpper(strings.TrimPrefix(path.Ext(a.Name), "."))
	if kind == "" {
		sub, _, _ := strings.Cut(a.MIME, ";")
		_, sub, _ = strings.Cut(sub, "/")
		kind = strings.ToUpper(strings.TrimSpace(sub))
	}
	switch {
	case len(kind) > 5:
		kind = l.T("inbox.type_document")
	case kind == "":
		kind = l.T("inbox.type_document")
	}
	if a.Size == 0 {
		return kind
	}
	return kind + ", " + l.Bytes(a.Size)
}

// place links to a map elsewhere; nothing is loaded from there.
func place(l *locale.Locale, at *app.Location) component.LocationProps {
	href := fmt.Sprintf("https://www.openstreetmap.org/?mlat=%.6f&mlon=%.6f#map=17/%.6f/%.6f",
		at.Latitude, at.Longitude, at.Latitude, at.Longitude)
	return component.LocationProps{
		L: l, Name: at.Name, Address: at.Address, Href: href,
		Position: l.Decimal(at.Latitude, 5) + " · " + l.Decimal(at.Longitude, 5),
	}
}

func cards(l *locale.Locale, list []app.Card) []component.Card {
	out := make([]component.Card, 0, len(list))
	for _, c := range list {
		one := component.Card{Name: nameOf(l, c.Name), Initials: component.Initials(c.Name), Hue: component.HueOf(c.Name), Org: c.Org}
		add := func(icon string, values ...string) {
			for _, v := range values {
				if v != "" {
					one.Lines = append(one.Lines, component.CardLine{Icon: icon, Value: v})
				}
			}
		}
		add("phone", c.Phones...)
		add("mail", c.Emails...)
		add("map-pin", c.Addresses...)
		add("globe", c.URLs...)
		add("star", c.Birthday)
		if c.Requested && len(one.Lines) > 0 {
			one.Lines[0].Label = l.T("inbox.card_requested")
		}
		if c.Name == "" && c.Org == "" && len(one.Lines) > 0 {
			one.Name = "" // the number says it all
		}
		out = append(out, one)
	}
	return out
}

// order adds up as decimal numbers: money is never a float.
func order(l *locale.Locale, o *app.Order) (lines []component.OrderLine, total string) {
	sum, currency := new(big.Rat), ""
	known := true
	for _, it := range o.Items {
		price, ok := new(big.Rat).SetString(it.Price)
		known = known && ok && (currency == "" || currency == it.Currency)
		currency = it.Currency
		line := component.OrderLine{Name: it.Product, Quantity: l.Number(int64(it.Quantity)), Price: it.Price + " " + it.Currency}
		if ok {
			price.Mul(price, new(big.Rat).SetInt64(int64(it.Quantity)))
			sum.Add(sum, price)
			line.Price = money(l, price, it.Currency)
		}
		lines = append(lines, line)
	}
	if !known {
		return lines, l.T("inbox.order_mixed")
	}
	return lines, money(l, sum, currency)
}

func money(l *locale.Locale, v *big.Rat, currency string) string {
	places := 2
	if v.IsInt() {
		places = 0
	}
	f, _ := v.Float64()
	return currency + "\u00a0" + l.Decimal(f, places)
}

func picked(l *locale.Locale, c *app.Choice) templ.Component {
	title := c.Title
	if title == "" {
		title = c.ID
	}
	if len(c.Fields) == 0 {
		return component.PickedBody(l, title, c.Description)
	}
	facts := make([]component.Fact, len(c.Fields))
	for i, f := range c.Fields {
		facts[i] = component.Fact{Label: strings.ReplaceAll(f.Name, "_", " "), Value: f.Value}
	}
	return templ.Join(component.PickedBody(l, title, c.Description), component.Facts(facts))
}

func templateBody(l *locale.Locale, t *app.TemplateUse) component.ChoiceProps {
	p := component.ChoiceProps{
		L: l, Kind: l.T("inbox.template_kind", "name", t.Name), Icon: "layout-template",
		Header: t.Title, Text: t.Text, Footer: t.Footer,
	}
	for _, label := range t.Labels {
		p.Buttons = append(p.Buttons, component.Choice{Label: label, Icon: "corner-down-left"})
	}
	if p.Text == "" {
		values := make([]string, len(t.Body))
		for i, f := range t.Body {
			values[i] = f.Value
		}
		p.Text = strings.Join(values, " · ")
	}
	return p
}

func interactive(l *locale.Locale, c *app.Content) component.ChoiceProps {
	in := c.Interactive
	p := component.ChoiceProps{L: l, Header: in.Header, Text: c.Text, Footer: in.Footer}
	for _, b := range in.Buttons {
		p.Buttons = append(p.Buttons, component.Choice{Label: b.Title, Icon: "corner-down-left"})
	}
	for _, r := range in.Rows {
		p.Buttons = append(p.Buttons, component.Choice{Label: r.Title, Icon: "list"})
	}
	return p
}

// textPart is a piece of text, or an address that can be followed.
type textPart struct{ text, href string }

// links finds web addresses in a text.
func links(text string) []textPart {
	var parts []textPart
	for text != "" {
		at := strings.Index(text, "https://")
		if plain := strings.Index(text, "http://"); at < 0 || (plain >= 0 && plain < at) {
			at = plain
		}
		if at < 0 {
			break
		}
		end := at + len(text[at:])
		if i := strings.IndexAny(text[at:], " \n\t\r\u00a0<>\"“”"); i >= 0 {
			end = at + i
		}
		addr := strings.TrimRight(text[at:end], ".,;:!?)]}'*_~")
		if href := webLink(addr); href != "" {
			if at > 0 {
				parts = append(parts, textPart{text: text[:at]})
			}
			parts = append(parts, textPart{addr, href})
			text = text[at+len(addr):]
			continue
		}
		parts = append(parts, textPart{text: text[:end]})
		text = text[end:]
	}
	if text != "" || len(parts) == 0 {
		parts = append(parts, textPart{text: text})
	}
	return parts
}

// webLink returns s when it is an address of the web, else "".
func webLink(s string) string {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return ""
	}
	return s
}

func host(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return u.Host
}

// written draws the parts without a space between them: the text of a customer stays as it was typed.
func written(parts []textPart) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		var b strings.Builder
		for _, p := range parts {
			if p.href == "" {
				b.WriteString(templ.EscapeString(p.text))
				continue
			}
			b.WriteString(`<a class="b-link" href="` + templ.EscapeString(p.href) +
				`" target="_blank" rel="noopener noreferrer nofollow">` + templ.EscapeString(p.text) + `</a>`)
		}
		_, err := io.WriteString(w, b.String())
		return err
	})
}
