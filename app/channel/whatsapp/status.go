// SPDX-License-Identifier: Apache-2.0

package whatsapp

import (
	"encoding/json"

	"kith/app"
)

type wireStatus struct {
	ID              text  `json:"id"`
	Status          text  `json:"status"`
	Timestamp       stamp `json:"timestamp"`
	RecipientID     text  `json:"recipient_id"`
	RecipientUserID text  `json:"recipient_user_id"`
	RecipientParent text  `json:"recipient_parent_user_id"`
	RecipientType   text  `json:"recipient_type"`
	Callback        text  `json:"biz_opaque_callback_data"`
	Pricing         *struct {
		Type     text `json:"type"`
		Category text `json:"category"`
		Model    text `json:"pricing_model"`
	} `json:"pricing"`
	Errors []wireError `json:"errors"`
}

var statuses = map[text]app.Status{
	"sent": app.StatusSent, "delivered": app.StatusDelivered, "read": app.StatusRead, "played": app.StatusPlayed,
	"failed": app.StatusFailed,
}

// statuses reads news of messages that we sent (PROTOCOLS 1.5).
func (r *reader) statuses() {
	for _, raw := range r.v.Statuses {
		var w wireStatus
		if json.Unmarshal(raw, &w) != nil || w.ID == "" || len(w.ID) > maxID {
			r.lost("A status has an unknown form.", raw)
			continue
		}
		status, ok := statuses[w.Status]
		if !ok {
			r.lost("A status is of the unknown kind "+w.Status.cut(64)+".", raw)
			continue
		}
		r.in.Receipts = append(r.in.Receipts, r.receipt(&w, status))
	}
}

func (r *reader) receipt(w *wireStatus, status app.Status) app.Receipt {
	out := app.Receipt{
		ExternalID: string(w.ID), Callback: w.Callback.cut(maxID), Status: status, At: w.Timestamp.or(r.at),
	}
	if w.RecipientType == "group" {
		if id := w.RecipientID.cut(maxID); id != "" {
			out.Recipient = []app.Identity{{Kind: app.IdentityGroup, Value: id}}
		}
	} else {
		out.Recipient = r.person(w.RecipientUserID, w.RecipientParent, w.RecipientID).Identities
	}
	if p := w.Pricing; p != nil {
		out.Pricing = &app.Pricing{Type: p.Type.cut(64), Category: p.Category.cut(64), Model: p.Model.cut(64)}
	}
	if status == app.StatusFailed {
		f := app.Failure{Advice: AdviceUnexplained}
		if len(w.Errors) > 0 {
			f = w.Errors[0].failure()
		}
		out.Failure = &f
	}
	return out
}

// failure puts Meta's error into the words of kith.
func (e *wireError) failure() app.Failure {
	code := e.number()
	return app.Failure{
		Code: code, Title: firstOf(e.Title, e.Message).cut(maxTitle), Detail: e.Data.Details.cut(maxTitle),
		Advice: verdictOf(code).advice, Trace: e.Trace.cut(128),
	}
}
