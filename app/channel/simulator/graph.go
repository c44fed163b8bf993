// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"crypto/subtle"
	"io"
	"net/http"
	"regexp"
	"strings"
)

// maxBody bounds the JSON bodies of the Graph endpoints.
const maxBody = 1 << 20

var version = regexp.MustCompile(`^v[0-9]{1,3}\.[0-9]$`)

// Graph answers as graph.facebook.com does for this world's number:
//
//	POST   /{v}/{phone-number-id}/messages
//	POST   /{v}/{phone-number-id}/media        GET, DELETE /{v}/{media-id}
//	GET    /{v}/{phone-number-id}              POST (webhook_configuration)
//	POST   /{v}/{phone-number-id}/register     DELETE .../contact_book
//	GET    /{v}/{waba-id}                      GET .../message_templates, .../phone_numbers
//	GET, POST, DELETE /{v}/{waba-id}/subscribed_apps
//	GET    /{v}/debug_token
//	GET    /whatsapp_business/attachments/     media, with the Bearer, for five minutes
func (w *World) Graph() http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
		if !w.allowed(r) {
			w.refuse(rw, &fault{code: 190, message: "Invalid OAuth access token - Cannot parse access token"})
			return
		}
		if len(path) == 2 && path[0] == "whatsapp_business" && path[1] == "attachments" {
			w.serveDownload(rw, r)
			return
		}
		if version.MatchString(path[0]) {
			path = path[1:]
		}
		if h := w.route(path, r.Method); h != nil {
			h(rw, r)
			return
		}
		id := ""
		if len(path) > 0 {
			id = path[0]
		}
		w.refuse(rw, unknownObject(strings.ToLower(r.Method), id))
	})
}

func (w *World) route(path []string, method string) http.HandlerFunc {
	type routes map[string]http.HandlerFunc
	var rs routes
	switch {
	case len(path) == 0 || path[0] == "":
	case len(path) == 1 && path[0] == "debug_token":
		rs = routes{"GET": w.serveToken}
	case path[0] == w.o.PhoneNumberID && len(path) == 1:
		rs = routes{"GET": w.serveNumber, "POST": w.serveNumberSettings}
	case path[0] == w.o.PhoneNumberID && len(path) == 2:
		rs = map[string]routes{
			"messages":     {"POST": w.serveMessages},
			"media":        {"POST": w.serveUpload},
			"register":     {"POST": w.serveRegister},
			"contact_book": {"DELETE": w.serveForget},
		}[path[1]]
	case path[0] == w.o.WABAID && len(path) == 1:
		rs = routes{"GET": w.serveAccount}
	case path[0] == w.o.WABAID && len(path) == 2:
		rs = map[string]routes{
			"message_templates": {"GET": w.serveTemplates},
			"subscribed_apps":   {"GET": w.serveSubscription, "POST": w.serveSubscribe, "DELETE": w.serveUnsubscribe},
			"phone_numbers":     {"GET": w.serveNumbers},
		}[path[1]]
	case len(path) == 1:
		rs = routes{"GET": w.serveMedia, "DELETE": w.serveMediaDelete}
	}
	return rs[method]
}

// allowed compares the token, which comes as a Bearer or as a query parameter.
func (w *World) allowed(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		token = r.URL.Query().Get("access_token")
	}
	return subtle.ConstantTimeCompare([]byte(token), []byte(w.o.AccessToken)) == 1
}

func unknownObject(verb, id string) *fault {
	return &fault{
		code: 100, subcode: 33, typ: "GraphMethodException",
		message: "Unsupported " + verb + " request. Object with ID '" + id +
			"' does not exist, cannot be loaded due to missing permissions, or does not support this operation",
	}
}

// read takes the whole JSON body of a request.
func read(rw http.ResponseWriter, r *http.Request) ([]byte, *fault) {
	raw, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
	if err != nil {
		return nil, &fault{code: 100, message: "(#100) The request body could not be read or is too large"}
	}
	return raw, nil
}
