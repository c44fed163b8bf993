// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"kith/app"
)

const eraseHelp = `The contact's key is destroyed, and with it everything about that person: in the data, in free pages and in every backup.
Nothing brings it back. The ID is that of the API and of the address of the contact's page.

The certificate says what was destroyed and proves it to anybody: kith verify FILE checks it without this server. It is
kept in the directory certificates.`

// eraseParams names the contact and, if it has one, the request.
type eraseParams struct {
	Contact app.ContactID `json:"contact"`
	Request string        `json:"request,omitempty"`
}

// eraseResult is what kith erase prints.
type eraseResult struct {
	Contact     string         `json:"contact"`
	Removed     map[string]int `json:"removed"`
	Certificate string         `json:"certificate"`
	Pending     []string       `json:"pending,omitempty"`
}

func setErase(f *flags) func(context.Context, streams) error {
	data := f.data()
	contact := f.must("contact", "`ID` of the contact")
	request := f.set.String("request", "", "`NAME` of the request this answers, for the certificate; letters, digits, - and _")
	asJSON := f.set.Bool("json", false, "print JSON")
	return func(ctx context.Context, s streams) error {
		if err := exists(*data); err != nil {
			return err
		}
		id, err := strconv.ParseUint(*contact, 10, 32)
		if err != nil || id == 0 {
			return usage("--contact is the number of a contact, not %q", *contact)
		}
		done, err := perform[eraseResult](ctx, *data, opErase, eraseParams{app.ContactID(id), *request})
		if err != nil {
			return err
		}
		if *asJSON {
			return json.NewEncoder(s.out).Encode(done)
		}
		fmt.Fprintf(s.out, "erased contact %s: %s\n", done.Contact, countsText(done.Removed, 0))
		for _, p := range done.Pending {
			fmt.Fprintf(s.out, "pending: %s\n", p)
		}
		fmt.Fprintf(s.out, "certificate: %s\n", done.Certificate)
		return nil
	}
}

func (h *house) erase(ctx context.Context, p eraseParams) (eraseResult, error) {
	did, err := h.desk.CertifiedErasure(ctx, app.Host(), p.Contact, p.Request)
	if err != nil {
		return eraseResult{}, err
	}
	return eraseResult{fmt.Sprint(p.Contact), did.Removed, did.Certificate, did.Pending}, nil
}
