// SPDX-License-Identifier: Apache-2.0

package whatsapp

import (
	"context"
	"encoding/json"
	"net/url"

	"kith/app"
)

const probeFields = "display_phone_number,verified_name,quality_rating,status,name_status,throughput," +
	"whatsapp_business_manager_messaging_limit,webhook_configuration"

// Probe asks WhatsApp about the number and whether our app hears its webhooks ("subscribed": "yes" or "no").
func (s *sender) Probe(ctx context.Context) ([]app.Field, error) {
	raw, err := s.call(ctx, request{method: "GET", url: s.base + "/" + s.numberID + "?fields=" + url.QueryEscape(probeFields)})
	if err != nil {
		return nil, err
	}
	if !json.Valid(raw) {
		return nil, again("WhatsApp answered in a form that kith cannot read.", nil)
	}
	fields := flatten(raw, func(key string) bool { return key == "id" })
	raw, err = s.call(ctx, request{method: "GET", url: s.base + "/" + url.PathEscape(s.waba) + "/subscribed_apps"})
	if err != nil {
		return nil, err
	}
	var apps struct {
		Data []json.RawMessage `json:"data"`
	}
	subscribed := "no"
	if json.Unmarshal(raw, &apps) == nil && len(apps.Data) > 0 {
		subscribed = "yes"
	}
	return append(fields, app.Field{Name: "subscribed", Value: subscribed}), nil
}
