// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"kith/app/channel/whatsapp"
)

const inboxHelp = `Copy the two numbers and the app secret from Meta's App Dashboard, make a token for a system user, and choose a verify
token: any long random word. Enter the printed webhook, behind the address of this server, and the verify token in
WhatsApp > Configuration. The two secrets are read from files, which may be removed afterwards.`

func setInboxAdd(f *flags) func(context.Context, streams) error {
	data := f.data()
	name := f.must("name", "`N` is what the inbox is called here")
	number := f.must("phone-number-id", "`ID` of the number at Meta")
	account := f.must("waba-id", "`ID` of the WhatsApp Business Account")
	secret := f.must("app-secret-file", "`F` holds the app secret; several, one per line, while it is being changed")
	token := f.must("access-token-file", "`F` holds the access token")
	verify := f.must("verify-token", "`T` is the word that Meta says at the handshake")
	base := f.set.String("api-base", "", "`URL` of another Graph host, for tests and proxies")
	return func(ctx context.Context, s streams) error {
		appSecret, err := secretFile("app-secret-file", *secret)
		if err != nil {
			return err
		}
		accessToken, err := secretFile("access-token-file", *token)
		if err != nil {
			return err
		}
		row, err := perform[inboxRow](ctx, *data, opInboxAdd, inboxParams{Kind: whatsapp.Kind, Name: *name, Settings: map[string]string{
			whatsapp.SettingPhoneNumberID: *number, whatsapp.SettingWABA: *account, whatsapp.SettingAppSecret: appSecret,
			whatsapp.SettingAccessToken: accessToken, whatsapp.SettingVerifyToken: *verify, whatsapp.SettingAPIBase: *base,
		}})
		if err != nil {
			return err
		}
		return json.NewEncoder(s.out).Encode(struct {
			ID      string `json:"id"`
			Webhook string `json:"webhook"`
		}{row.ID, row.Webhook})
	}
}

func setInboxList(f *flags) func(context.Context, streams) error {
	data := f.data()
	asJSON := f.set.Bool("json", false, "print JSON")
	return func(ctx context.Context, s streams) error {
		if err := exists(*data); err != nil {
			return err
		}
		rows, err := perform[[]inboxRow](ctx, *data, opInboxList, struct{}{})
		if err != nil {
			return err
		}
		if *asJSON {
			return json.NewEncoder(s.out).Encode(rows)
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tCHANNEL\tNAME\tWEBHOOK\tSTATE")
		for _, r := range rows {
			state := "working"
			if r.Paused != "" {
				state = "paused: " + r.Paused
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.ID, r.Kind, r.Name, r.Webhook, state)
		}
		return w.Flush()
	}
}
