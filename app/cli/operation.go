// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"kith/app"
	"kith/app/channel/whatsapp"
)

// The operations that commands ask for.
const (
	opUserAdd      = "user.add"
	opUserPassword = "user.password"
	opUserClaim    = "user.claim"
	opKeyAdd       = "apikey.add"
	opInboxAdd     = "inbox.add"
	opInboxList    = "inbox.list"
	opCheck        = "doctor"
	opKeysList     = "keys.list"
	opKeysAdd      = "keys.add"
	opKeysRemove   = "keys.remove"
	opKeysRotate   = "keys.rotate"
	opUnseal       = "unseal"
	opCompact      = "compact"
	opErase        = "erase"
	opVerify       = "verify"

	opAuditExport     = "audit.export"
	opAuditCheckpoint = "audit.checkpoint"
	opAuditKey        = "audit.key"
	opKeyList         = "apikey.list"
	opKeyRevoke       = "apikey.revoke"

	opRetention        = "retention"
	opRetentionPreview = "retention.preview"
	opRetentionRun     = "retention.run"
)

type userParams struct {
	Email    string `json:"email"`
	Name     string `json:"name,omitempty"`
	Role     string `json:"role,omitempty"`
	Password string `json:"password,omitempty"`
}

type keyParams struct {
	Name    string        `json:"name"`
	Role    string        `json:"role"`
	Lasts   time.Duration `json:"lasts"`
	Inboxes []uint64      `json:"inboxes,omitempty"`
}

type inboxParams struct {
	Kind     string            `json:"kind"`
	Name     string            `json:"name"`
	Settings map[string]string `json:"settings"`
}

// inboxRow is a line of kith inbox list.
type inboxRow struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Webhook string `json:"webhook"`
	Paused  string `json:"paused,omitempty"` // why nothing is sent
}

// operate runs one operation on the open installation.
func (h *house) operate(ctx context.Context, r request) (json.RawMessage, error) {
	switch r.Op {
	case opUserAdd:
		return on(ctx, r.Params, h.addUser)
	case opUserClaim:
		return on(ctx, r.Params, h.claim)
	case opUserPassword:
		return on(ctx, r.Params, h.setPassword)
	case opKeyAdd:
		return on(ctx, r.Params, h.addKey)
	case opInboxAdd:
		return on(ctx, r.Params, h.addInbox)
	case opInboxList:
		return on(ctx, r.Params, h.listInboxes)
	case opKeysList:
		return on(ctx, r.Params, h.listKeys)
	case opKeysAdd:
		return on(ctx, r.Params, h.addRecipient)
	case opKeysRemove:
		return on(ctx, r.Params, h.removeRecipient)
	case opKeysRotate:
		return on(ctx, r.Params, h.rotateKeys)
	case opUnseal:
		return on(ctx, r.Params, h.unseal)
	case opAuditExport, opAuditCheckpoint, opAuditKey, opKeyList, opKeyRevoke:
		return h.operateTrust(ctx, r)
	case opVerify:
		return on(ctx, r.Params, h.verify)
	case opErase:
		return on(ctx, r.Params, h.erase)
	case opRetention:
		return on(ctx, r.Params, h.retention)
	case opRetentionPreview:
		return on(ctx, r.Params, h.previewRetention)
	case opRetentionRun:
		return on(ctx, r.Params, h.runRetention)
	case opCheck:
		return on(ctx, r.Params, h.check)
	case opCompact:
		return on(ctx, r.Params, h.compact)
	case opStandbyAdd, opStandbyRemove, opStandbyList:
		return h.operateStandby(ctx, r)
	}
	if answer, known, err := h.operateBackup(ctx, r); known {
		return answer, err
	}
	return nil, fmt.Errorf("the running server does not know the operation %q; is it another version of kith?", r.Op)
}

// on reads the parameters, runs do and writes the result.
func on[P, R any](ctx context.Context, raw json.RawMessage, do func(context.Context, P) (R, error)) (json.RawMessage, error) {
	var params P
	if err := json.Unmarshal(raw, &params); err != nil {
		return nil, fmt.Errorf("reading a command: %w", err)
	}
	result, err := do(ctx, params)
	if err != nil {
		return nil, err
	}
	answer, err := json.Marshal(result)
	if err != nil {
		return nil, fmt.Errorf("writing an answer: %w", err)
	}
	return answer, nil
}

func (h *house) addUser(ctx context.Context, p userParams) (string, error) {
	role, err := app.ParseRole(p.Role)
	if err != nil {
		return "", err
	}
	a, err := h.auth.AddAgent(ctx, app.Host(), app.NewAgent{Email: p.Email, Name: p.Name, Role: role}, p.Password)
	if err != nil {
		return "", err
	}
	return fmt.Sprint(a.ID), nil
}

func (h *house) setPassword(ctx context.Context, p userParams) (string, error) {
	a, err := h.desk.AgentByEmail(ctx, p.Email)
	if err != nil {
		return "", err
	}
	return fmt.Sprint(a.ID), h.auth.SetPassword(ctx, app.Host(), a.ID, p.Password)
}

func (h *house) addInbox(ctx context.Context, p inboxParams) (inboxRow, error) {
	ch, ok := h.set[p.Kind]
	if !ok {
		return inboxRow{}, usage("kith does not know the channel %q", p.Kind)
	}
	for _, s := range ch.Settings() {
		if p.Settings[s.Name] == "" && s.Default != "" {
			p.Settings[s.Name] = s.Default
		}
	}
	if err := ch.Check(p.Settings); err != nil {
		return inboxRow{}, usage("%s", err)
	}
	in, err := h.desk.AddInbox(ctx, app.Host(), app.NewInbox{
		Kind: p.Kind, Name: p.Name, Address: p.Settings[whatsapp.SettingPhoneNumberID], Settings: p.Settings,
	})
	if err != nil {
		return inboxRow{}, err
	}
	return rowOf(in), nil
}

func (h *house) listInboxes(ctx context.Context, _ struct{}) ([]inboxRow, error) {
	all, err := h.desk.Inboxes(ctx)
	rows := make([]inboxRow, len(all))
	for i := range all {
		rows[i] = rowOf(&all[i])
	}
	return rows, err
}

func rowOf(in *app.Inbox) inboxRow {
	row := inboxRow{
		ID: fmt.Sprint(uint64(in.ID)), Kind: in.Kind, Name: in.Name, Webhook: fmt.Sprintf("/hooks/%s/%d", in.Kind, in.ID),
	}
	if in.Paused != nil {
		row.Paused = in.Paused.Title
	}
	return row
}
