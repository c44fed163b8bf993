// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"kith/app"
	"kith/app/channel/simulator"
	"kith/app/channel/whatsapp"
	"kith/app/server"
)

// The identifiers of the simulator's number. A real number has others.
const (
	simulatorNumber  = "100000000000001"
	simulatorAccount = "200000000000001"
)

// simulate connects an inbox to a simulated WhatsApp that is reached at local. The first start makes the inbox; later
// ones give the world the inbox's settings back.
func (h *house) simulate(ctx context.Context, local, chaos string) (*simulator.World, error) {
	base := local + server.GraphPath
	in, err := h.simulatorInbox(ctx, base)
	if err != nil {
		return nil, fmt.Errorf("connecting the simulator: %w", err)
	}
	mood := simulator.Lively()
	if chaos == "calm" {
		mood = simulator.Calm()
	}
	h.egress.Trust(local)
	world := simulator.New(simulator.Options{
		Doer:          h.egress.Client("simulator", local),
		Webhook:       fmt.Sprintf("%s/hooks/%s/%d", local, in.Kind, in.ID),
		AppSecret:     in.Settings[whatsapp.SettingAppSecret],
		VerifyToken:   in.Settings[whatsapp.SettingVerifyToken],
		AccessToken:   in.Settings[whatsapp.SettingAccessToken],
		PhoneNumberID: in.Settings[whatsapp.SettingPhoneNumberID],
		WABAID:        in.Settings[whatsapp.SettingWABA],
		BaseURL:       base, Chaos: mood, Log: h.log,
	})
	return world, h.remind(ctx, world, in.ID)
}

// remind tells the world, which forgets everything with the process, who wrote before.
func (h *house) remind(ctx context.Context, world *simulator.World, in app.InboxID) error {
	lines, _, err := h.desk.Conversations(ctx, app.Host(), app.ConversationQuery{Inbox: in, Limit: 100})
	if err != nil {
		return err
	}
	for i := range lines {
		c, err := h.desk.Contact(ctx, app.Host(), lines[i].Contact)
		if errors.Is(err, app.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		for _, id := range c.Identities {
			if id.Kind == app.IdentityBSUID {
				world.Remember(id.Value, lines[i].InboundAt.Time())
			}
		}
	}
	return nil
}

// simulatorInbox returns the inbox of the simulator, whose address may have changed since the last start.
func (h *house) simulatorInbox(ctx context.Context, base string) (*app.Inbox, error) {
	all, err := h.desk.Inboxes(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		in := &all[i]
		was := in.Settings[whatsapp.SettingAPIBase]
		if in.Kind != whatsapp.Kind || !strings.HasSuffix(was, server.GraphPath) {
			continue
		}
		if was != base {
			change := map[string]string{whatsapp.SettingAPIBase: base}
			if err := h.desk.SetInboxSettings(ctx, app.Host(), in.ID, change); err != nil {
				return nil, err
			}
			in.Settings[whatsapp.SettingAPIBase] = base
		}
		return in, nil
	}
	return h.desk.AddInbox(ctx, app.Host(), app.NewInbox{
		Kind: whatsapp.Kind, Name: "WhatsApp simulator", Address: simulatorNumber, Settings: map[string]string{
			whatsapp.SettingPhoneNumberID: simulatorNumber, whatsapp.SettingWABA: simulatorAccount,
			whatsapp.SettingAppSecret: rand.Text(), whatsapp.SettingAccessToken: rand.Text() + rand.Text(),
			whatsapp.SettingVerifyToken: rand.Text(), whatsapp.SettingAPIBase: base,
			whatsapp.SettingAPIVersion: whatsapp.DefaultAPIVersion,
		},
	})
}
