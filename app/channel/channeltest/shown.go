// SPDX-License-Identifier: Apache-2.0

package channeltest

import (
	"strings"

	"kith/app"
)

// Shown names each part of in by one line: what an agent or admin will see of it.
func Shown(in app.Inbound) []string {
	var out []string
	line := func(words ...string) { out = append(out, strings.Join(words, " ")) }
	for _, m := range in.Messages {
		line(append([]string{"message", m.Direction.String(), m.Type.String()}, detail(&m)...)...)
	}
	for _, r := range in.Receipts {
		line("receipt", r.Status.String())
	}
	for _, c := range in.Changes {
		line("change", string(c.Old.Kind), "to", string(c.New.Kind))
	}
	for _, p := range in.Preferences {
		line("preference", map[bool]string{true: "stop", false: "resume"}[p.Stop])
	}
	for range in.People {
		line("person")
	}
	for _, n := range in.Notices {
		line("notice", map[app.NoticeLevel]string{1: "info", 2: "warning", 3: "alarm"}[n.Level], n.Topic, n.Event)
	}
	for _, u := range in.Unreadable {
		line("unreadable:", u.Reason)
	}
	return out
}

func detail(m *app.InboundMessage) []string {
	var out []string
	if m.Content.Choice != nil {
		out = append(out, m.Content.Choice.Kind)
	}
	if m.Content.System != "" {
		out = append(out, m.Content.System)
	}
	if m.Content.Call != nil {
		out = append(out, m.Content.Call.Event)
	}
	if len(m.Media) > 0 {
		out = append(out, "with file")
	}
	if m.ReplyTo != "" {
		out = append(out, "as reply")
	}
	if m.Content.Referral != nil {
		out = append(out, "from ad")
	}
	if m.Content.Product != nil {
		out = append(out, "about product")
	}
	if m.Forwarded != app.NotForwarded {
		out = append(out, map[app.Forwarded]string{app.ForwardedOnce: "forwarded", app.ForwardedOften: "forwarded often"}[m.Forwarded])
	}
	if m.Past {
		out = append(out, "from the past")
	}
	if m.Type == app.TypeUnsupported {
		out = append(out, m.Content.Detail)
	}
	return out
}
