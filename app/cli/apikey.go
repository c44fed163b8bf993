// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"kith/app"
	"kith/app/auth"
)

const apikeyHelp = `The key is shown this once and kept only as a hash. Programs send it as "Authorization: Bearer KEY".
With --inbox, which may be repeated, the key sees only what belongs to those inboxes: conversations, contacts, files,
counts and searches. kith inbox list shows their numbers.`

func setAPIKeyAdd(f *flags) func(context.Context, streams) error {
	data := f.data()
	name := f.must("name", "`N` says what uses the key")
	role := f.must("role", "`R` is owner, admin, manager, agent, privacy_officer, auditor, or a role that you made")
	var lasts period
	f.set.Var(&lasts, "expires", "the key ends after `PERIOD`, such as 90d; without it, never")
	var inboxes []uint64
	f.set.Func("inbox", "`ID` of an inbox that the key is limited to; repeatable", func(s string) error {
		id, err := strconv.ParseUint(s, 10, 64)
		inboxes = append(inboxes, id)
		return err
	})
	return func(ctx context.Context, s streams) error {
		if _, err := app.ParseRole(*role); err != nil && exists(*data) != nil {
			return err // a role that kith does not have, and nobody made one
		}
		key, err := perform[string](ctx, *data, opKeyAdd, keyParams{*name, *role, time.Duration(lasts), inboxes})
		if err != nil {
			return err
		}
		fmt.Fprintln(s.out, key)
		return nil
	}
}

func (h *house) addKey(ctx context.Context, p keyParams) (string, error) {
	role, err := h.desk.RoleNamed(ctx, p.Role)
	if err != nil {
		return "", err
	}
	n := auth.NewKey{Name: p.Name, Role: role, Lasts: p.Lasts}
	for _, id := range p.Inboxes {
		n.Scope.Inboxes = append(n.Scope.Inboxes, app.InboxID(id))
	}
	text, _, err := h.auth.AddKey(ctx, app.Host(), n)
	return text, err
}

// keyRow is a line of kith apikey list. Nothing in it opens anything.
type keyRow struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Role    string   `json:"role"`
	Inboxes []uint64 `json:"inboxes,omitempty"`
	Made    string   `json:"made"`
	Expires string   `json:"expires,omitempty"`
	Used    string   `json:"used,omitempty"`
}

func setAPIKeyList(f *flags) func(context.Context, streams) error {
	data := f.data()
	return func(ctx context.Context, s streams) error {
		if err := exists(*data); err != nil {
			return err
		}
		rows, err := perform[[]keyRow](ctx, *data, opKeyList, struct{}{})
		if err != nil {
			return err
		}
		out := json.NewEncoder(s.out)
		for i := range rows {
			if err := out.Encode(rows[i]); err != nil {
				return err
			}
		}
		return nil
	}
}

func (h *house) listAPIKeys(ctx context.Context, _ struct{}) ([]keyRow, error) {
	keys, err := h.auth.Keys(ctx, app.Host())
	if err != nil {
		return nil, err
	}
	rows := make([]keyRow, len(keys))
	for i := range keys {
		k := &keys[i]
		role, err := h.desk.RoleName(ctx, k.Role)
		if err != nil {
			return nil, err
		}
		scope, err := h.desk.ScopeOf(ctx, 0, k.ID)
		if err != nil {
			return nil, err
		}
		rows[i] = keyRow{
			ID: strconv.FormatUint(k.ID, 10), Name: k.Name, Role: role,
			Made: dayText(k.CreatedAt), Expires: dayText(k.ExpiresAt), Used: dayText(k.SeenAt),
		}
		for _, in := range scope.Inboxes {
			rows[i].Inboxes = append(rows[i].Inboxes, uint64(in))
		}
	}
	return rows, nil
}

// dayText is a day, "" for none: that a key was used that day is enough to know.
func dayText(at app.Instant) string {
	if at == 0 {
		return ""
	}
	return at.Time().Format(time.DateOnly)
}

func setAPIKeyRevoke(f *flags) func(context.Context, streams) error {
	data := f.data()
	id := f.must("id", "`ID` of the key, as kith apikey list shows it")
	return func(ctx context.Context, _ streams) error {
		n, err := strconv.ParseUint(*id, 10, 64)
		if err != nil {
			return usage("--id is the number of a key, not %q", *id)
		}
		_, err = perform[string](ctx, *data, opKeyRevoke, n)
		return err
	}
}

func (h *house) revokeKey(ctx context.Context, id uint64) (string, error) {
	return "", h.auth.RemoveKey(ctx, app.Host(), id)
}
