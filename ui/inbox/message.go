// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"strconv"
	"strings"

	"kith/app"
	"kith/ui/component"
)

// messageFacts is what a message is made of, for those who ask the network about it.
func (v *threadView) messageFacts(m *app.Message) []component.Fact {
	facts := []component.Fact{
		{Label: v.l.T("inbox.fact_from"), Value: v.maker.author(m)},
		{Label: v.l.T("inbox.fact_type"), Value: v.l.T("inbox.type_" + m.Type.String())},
	}
	if st := statusOf(m.Status); st != "" {
		facts = append(facts, component.Fact{Label: v.l.T("inbox.fact_status"), Value: v.l.T("component.status_" + string(st))})
	}
	facts = append(facts, moments(v.l, m)...)
	if f := m.Failure; f != nil {
		facts = append(facts, component.Fact{Label: v.l.T("inbox.fact_failure"), Value: failureText(v.l, f), Detail: f.Detail})
	}
	for i := range m.Attachments {
		a := &m.Attachments[i]
		facts = append(facts, component.Fact{
			Label: v.l.T("inbox.fact_file"), Value: strings.TrimSpace(a.Name + " " + fileDetail(v.l, a)),
			Detail: v.l.T("inbox.file_" + a.State.String()),
		})
	}
	if p := m.Pricing; p != nil {
		facts = append(facts, component.Fact{Label: v.l.T("inbox.fact_price"), Value: strings.Trim(p.Category+", "+p.Type, ", ")})
	}
	if m.ExternalID != "" {
		facts = append(facts, component.Fact{Label: v.l.T("inbox.fact_external"), Value: m.ExternalID})
	}
	if m.Content.Code != 0 {
		facts = append(facts, component.Fact{Label: v.l.T("inbox.fact_code"), Value: strconv.Itoa(m.Content.Code)})
	}
	return append(facts, component.Fact{Label: v.l.T("inbox.fact_id"), Value: m.ID.String()})
}
