// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

const appID = "300000000000001"

// fields answers a node with the fields that were asked for, and its id.
func (w *World) fields(rw http.ResponseWriter, r *http.Request, node map[string]any, standard ...string) {
	asked := standard
	if q := r.URL.Query().Get("fields"); q != "" {
		asked = strings.Split(q, ",")
	}
	out := map[string]any{"id": node["id"]}
	for _, name := range asked {
		v, ok := node[name]
		if !ok {
			w.refuse(rw, &fault{code: 100, message: "(#100) Tried accessing nonexisting field (" + name + ")"})
			return
		}
		out[name] = v
	}
	reply(rw, http.StatusOK, out)
}

func (w *World) numberNode() map[string]any {
	w.mu.Lock()
	defer w.mu.Unlock()
	return map[string]any{
		"id": w.o.PhoneNumberID, "display_phone_number": "+" + w.o.DisplayPhone, "verified_name": "Sample business",
		"quality_rating": "GREEN", "status": "CONNECTED", "name_status": "APPROVED", "code_verification_status": "VERIFIED",
		"throughput": map[string]any{"level": "STANDARD"}, "platform_type": "CLOUD_API", "account_mode": "SANDBOX",
		"whatsapp_business_manager_messaging_limit": "TIER_250",
		"webhook_configuration":                     map[string]any{"application": w.webhook},
	}
}

func (w *World) serveNumber(rw http.ResponseWriter, r *http.Request) {
	w.fields(rw, r, w.numberNode(), "verified_name", "code_verification_status", "display_phone_number", "quality_rating", "platform_type", "throughput", "webhook_configuration")
}

func (w *World) serveNumbers(rw http.ResponseWriter, _ *http.Request) {
	reply(rw, http.StatusOK, map[string]any{"data": []any{w.numberNode()}})
}

func (w *World) serveAccount(rw http.ResponseWriter, r *http.Request) {
	w.fields(rw, r, map[string]any{
		"id": w.o.WABAID, "name": "Sample business", "currency": "USD", "timezone_id": "1",
		"message_template_namespace": "00000000_0000_0000_0000_000000000000", "account_review_status": "APPROVED",
	}, "name", "currency", "timezone_id", "message_template_namespace")
}

// serveNumberSettings is POST /{phone-number-id} with a webhook_configuration.
func (w *World) serveNumberSettings(rw http.ResponseWriter, r *http.Request) {
	var in struct {
		Hook struct {
			URI   string `json:"override_callback_uri"`
			Token string `json:"verify_token"`
		} `json:"webhook_configuration"`
	}
	if raw, f := read(rw, r); f != nil || json.Unmarshal(raw, &in) != nil {
		w.refuse(rw, &fault{code: 100})
		return
	}
	w.override(rw, r, in.Hook.URI, in.Hook.Token)
}

// override sets another webhook after a handshake with it.
func (w *World) override(rw http.ResponseWriter, r *http.Request, uri, token string) {
	if uri != "" {
		if len(uri) > 200 {
			w.refuse(rw, &fault{code: 100, detail: "override_callback_uri must be at most 200 characters long."})
			return
		}
		if w.o.Doer == nil || w.handshake(r.Context(), uri, token) != nil {
			w.refuse(rw, &fault{code: 100, message: "(#2200) Callback verification failed", subcode: 2200})
			return
		}
	}
	w.mu.Lock()
	w.idle = false
	if uri != "" {
		w.webhook, w.verified = uri, true
	}
	w.stir()
	w.mu.Unlock()
	reply(rw, http.StatusOK, map[string]any{"success": true})
}

func (w *World) serveSubscription(rw http.ResponseWriter, _ *http.Request) {
	w.mu.Lock()
	data := []any{}
	if !w.idle {
		data = append(data, map[string]any{
			"whatsapp_business_api_data": map[string]any{"id": appID, "name": "Sample app", "link": "https://www.facebook.com/games/?app_id=" + appID},
			"override_callback_uri":      w.webhook,
		})
	}
	w.mu.Unlock()
	reply(rw, http.StatusOK, map[string]any{"data": data})
}

func (w *World) serveSubscribe(rw http.ResponseWriter, r *http.Request) {
	var in struct {
		URI   string `json:"override_callback_uri"`
		Token string `json:"verify_token"`
	}
	raw, f := read(rw, r)
	if f != nil || len(raw) > 0 && json.Unmarshal(raw, &in) != nil {
		w.refuse(rw, &fault{code: 100})
		return
	}
	w.override(rw, r, in.URI, in.Token)
}

func (w *World) serveUnsubscribe(rw http.ResponseWriter, _ *http.Request) {
	w.mu.Lock()
	w.idle = true
	w.mu.Unlock()
	reply(rw, http.StatusOK, map[string]any{"success": true})
}

func (w *World) serveRegister(rw http.ResponseWriter, r *http.Request) {
	var in struct {
		Product string `json:"messaging_product"`
		Pin     string `json:"pin"`
	}
	raw, f := read(rw, r)
	if f != nil || json.Unmarshal(raw, &in) != nil || in.Product != "whatsapp" || len(in.Pin) != 6 || strings.Trim(in.Pin, "0123456789") != "" {
		w.refuse(rw, &fault{code: 100, detail: "register needs messaging_product and a pin of six digits."})
		return
	}
	reply(rw, http.StatusOK, map[string]any{"success": true})
}

// serveForget is DELETE /{phone-number-id}/contact_book.
func (w *World) serveForget(rw http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("messaging_product") != "whatsapp" || q.Get("bsuid") == "" {
		w.refuse(rw, &fault{code: 100, detail: "contact_book needs messaging_product and bsuid."})
		return
	}
	w.mu.Lock()
	known := w.byUserID(q.Get("bsuid")) != nil
	w.mu.Unlock()
	reply(rw, http.StatusOK, map[string]any{"success": true, "deleted": known})
}

// serveToken is GET /debug_token.
func (w *World) serveToken(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("input_token") != w.o.AccessToken {
		reply(rw, http.StatusOK, map[string]any{"data": map[string]any{
			"error":    map[string]any{"code": 190, "message": "Invalid OAuth access token - Cannot parse access token"},
			"is_valid": false, "scopes": []string{},
		}})
		return
	}
	reply(rw, http.StatusOK, map[string]any{"data": map[string]any{
		"app_id": appID, "type": "SYSTEM_USER", "application": "Sample app", "data_access_expires_at": 0, "expires_at": 0,
		"is_valid": true, "issued_at": 1767225600, "user_id": "400000000000001",
		"scopes": []string{"whatsapp_business_management", "whatsapp_business_messaging"},
	}})
}

// serveTemplates is GET /{waba-id}/message_templates with cursors.
func (w *World) serveTemplates(rw http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit, err := strconv.Atoi(q.Get("limit"))
	if q.Get("limit") == "" {
		limit, err = 25, nil
	}
	start, ok := cursor(q.Get("after"))
	if err != nil || limit < 1 || !ok {
		w.refuse(rw, &fault{code: 100, detail: "limit must be a positive number and after a cursor of this list."})
		return
	}
	var found []Template
	for _, t := range w.templates {
		if want(q.Get("name"), t.Name) && want(q.Get("status"), t.Status) && want(q.Get("language"), t.Language) && want(q.Get("category"), t.Category) {
			found = append(found, t)
		}
	}
	start = min(start, len(found))
	end := min(start+min(limit, 250), len(found))
	data := make([]map[string]any, 0, end-start)
	for _, t := range found[start:end] {
		data = append(data, t.node(q.Get("fields")))
	}
	out := map[string]any{"data": data}
	if len(data) > 0 {
		paging := map[string]any{"cursors": map[string]any{"before": mark(start), "after": mark(end)}}
		if end < len(found) {
			q.Set("after", mark(end))
			q.Del("access_token")
			paging["next"] = w.o.BaseURL + "/" + strings.TrimLeft(r.URL.Path, "/") + "?" + q.Encode()
		}
		out["paging"] = paging
	}
	reply(rw, http.StatusOK, out)
}

func want(asked, have string) bool { return asked == "" || strings.EqualFold(asked, have) }

func mark(i int) string { return base64.RawURLEncoding.EncodeToString([]byte("at" + strconv.Itoa(i))) }

func cursor(s string) (int, bool) {
	if s == "" {
		return 0, true
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return 0, false
	}
	n, err := strconv.Atoi(strings.TrimPrefix(string(b), "at"))
	return n, err == nil && n >= 0
}

// node is a template with the fields that were asked for.
func (t Template) node(fields string) map[string]any {
	all := map[string]any{
		"id": t.ID, "name": t.Name, "language": t.Language, "status": t.Status, "category": t.Category,
		"parameter_format": t.Format, "components": t.Components, "rejected_reason": t.Rejected,
		"quality_score": map[string]any{"score": "UNKNOWN", "date": 1767225600},
	}
	if fields == "" {
		fields = "name,parameter_format,components,language,status,category"
	}
	out := map[string]any{"id": t.ID}
	for name := range strings.SplitSeq(fields, ",") {
		if v, ok := all[name]; ok {
			out[name] = v
		}
	}
	return out
}
