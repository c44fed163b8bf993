// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"kith/app"
	"kith/ui/component"
	"kith/ui/locale"
)

func (v *threadView) hue() int {
	return component.HueOf(strconv.FormatUint(uint64(v.line.Contact), 10))
}

// subline is how the conversation goes and where to: "WhatsApp · +62 812".
func (v *threadView) subline() string {
	parts := []string{channelName(v.l, v.inbox.Kind)}
	switch {
	case len(v.contact.Phones) > 0:
		parts = append(parts, isolated(v.contact.Phones[0]))
	case v.contact.Username != "" && v.line.Name != "@"+v.contact.Username:
		parts = append(parts, "@"+v.contact.Username)
	}
	if len(v.inboxes) > 1 { // after the number, which a phone has to show
		parts = append(parts[1:], "\u2068"+v.inbox.Name+"\u2069")
	}
	return strings.Join(parts, " · ")
}

func (v *threadView) assignee() string {
	switch v.line.Assignee {
	case 0:
		return v.l.T("inbox.unassigned")
	case v.a.Agent():
		return v.l.T("inbox.me")
	}
	for _, one := range v.agents {
		if one.ID == v.line.Assignee {
			return one.Name
		}
	}
	return v.l.T("inbox.somebody")
}

func (v *threadView) labelled(id uint32) bool { return slices.Contains(v.line.Labels, id) }

func (v *threadView) labelChips() []component.ChipProps {
	var chips []component.ChipProps
	for _, id := range v.line.Labels {
		chip := labelChip(v.labels, id)
		chip.Large = true
		chips = append(chips, chip)
	}
	for _, name := range v.contact.Labels {
		chips = append(chips, component.ChipProps{Label: name, Large: true, Outline: true})
	}
	return chips
}

func (v *threadView) closedAt() string {
	if v.line.Window.Unix() == 0 {
		return ""
	}
	return v.l.Stamp(v.line.Window, v.now)
}

// identityLine is an address of the contact.
type identityLine struct{ icon, value, mark string }

func (v *threadView) identities() []identityLine {
	var out []identityLine
	for i, phone := range v.contact.Phones {
		one := identityLine{icon: "phone", value: phone}
		if i == 0 && v.inbox.Kind == "whatsapp" {
			one.icon = "ch-whatsapp"
		}
		out = append(out, one)
	}
	for _, mail := range v.contact.Emails {
		out = append(out, identityLine{icon: "mail", value: mail})
	}
	if v.contact.Username != "" {
		out = append(out, identityLine{icon: "at-sign", value: v.contact.Username})
	}
	if len(out) == 0 {
		for _, id := range v.contact.Identities {
			out = append(out, identityLine{icon: "key-round", value: id.Value})
		}
	}
	return out
}

// facts are what the business keeps about the contact, in a fixed order.
func (v *threadView) facts() []component.Fact {
	facts := []component.Fact{{Label: v.l.T("inbox.since"), Value: v.l.Date(v.contact.CreatedAt.Time())}}
	names := make([]string, 0, len(v.contact.Fields))
	for name := range v.contact.Fields {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		facts = append(facts, component.Fact{Label: name, Value: v.contact.Fields[name]})
	}
	return facts
}

// fieldLines is the same for editing: one "name: value" on a line.
func (v *threadView) fieldLines() string {
	lines := make([]string, 0, len(v.contact.Fields))
	for name, value := range v.contact.Fields {
		lines = append(lines, name+": "+strings.Join(strings.Fields(value), " "))
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

func (v *threadView) consent() component.Fact {
	c := v.contact.Consent
	chip := component.ChipProps{Label: v.l.T("inbox.consent_none")}
	switch {
	case c.MarketingStopped:
		chip = component.ChipProps{Label: v.l.T("inbox.consent_stopped"), Kind: component.Danger, Icon: "ban"}
	case c.MarketingChangedAt != 0:
		chip = component.ChipProps{Label: v.l.T("inbox.consent_yes"), Kind: component.OK, Icon: "check"}
	}
	f := component.Fact{Label: v.l.T("inbox.consent_marketing"), Chip: &chip}
	if c.MarketingChangedAt != 0 {
		f.Detail = v.l.Date(c.MarketingChangedAt.Time())
	}
	return f
}

// other is another conversation of the same person.
type other struct{ path, inbox, line, at string }

func (v *threadView) otherLines() []other {
	var out []other
	for i := range v.others {
		ln := &v.others[i]
		o := other{path: Path(ln.ID), at: v.l.Stamp(ln.LastAt.Time(), v.now), inbox: inboxName(v.inboxes, ln.Inbox)}
		if ln.Last != nil {
			o.line, _ = snippet(v.l, ln.Last)
		}
		out = append(out, o)
	}
	return out
}

func inboxName(all []app.Inbox, id app.InboxID) string {
	for i := range all {
		if all[i].ID == id {
			return all[i].Name
		}
	}
	return ""
}

// contactInput reads the contact form.
func contactInput(old *app.Contact, name, phones, emails, fields string) app.ContactInput {
	in := app.ContactInput{Phones: splitList(phones), Emails: splitList(emails), Fields: map[string]string{}}
	if name = strings.TrimSpace(name); name != old.DisplayName() || old.Named {
		in.Name = &name
	}
	for key := range old.Fields {
		in.Fields[key] = ""
	}
	for line := range strings.Lines(fields) {
		key, value, ok := strings.Cut(line, ":")
		if key = strings.TrimSpace(key); ok && key != "" {
			in.Fields[key] = strings.TrimSpace(value)
		}
	}
	return in
}

func splitList(s string) []string {
	out := []string{}
	for _, one := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ';' || r == '\n' }) {
		if one = strings.TrimSpace(one); one != "" {
			out = append(out, one)
		}
	}
	return out
}

// moments are when a message was written, sent, delivered and read, for its details.
func moments(l *locale.Locale, m *app.Message) []component.Fact {
	var out []component.Fact
	add := func(key string, at app.Instant) {
		if at != 0 {
			out = append(out, component.Fact{Label: l.T("inbox.at_" + key), Value: l.DateTime(at.Time()) + ":" + secondsOf(l, at)})
		}
	}
	add("time", m.At)
	if m.Direction == app.In {
		add("stored", m.CreatedAt)
	}
	add("delivered", m.DeliveredAt)
	add("read", m.ReadAt)
	add("revoked", m.RevokedAt)
	return out
}

func secondsOf(l *locale.Locale, at app.Instant) string {
	return at.Time().In(l.Zone()).Format(time.TimeOnly)[6:]
}

// isolated keeps a number readable among words that run from right to left.
func isolated(s string) string { return "\u2066" + s + "\u2069" }
