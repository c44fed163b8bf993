// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"

	"kith/store"
)

type recipientParams struct {
	Key   string `json:"key"`
	Kind  string `json:"kind,omitempty"`
	Label string `json:"label,omitempty"`
	// Replace removes earlier recovery keys.
	Replace bool `json:"replace,omitempty"`
}

type rotateParams struct {
	Level      string `json:"level"`
	Passphrase string `json:"passphrase,omitempty"`
}

func (h *house) listKeys(context.Context, struct{}) (keysView, error) {
	c := h.db.Custody()
	v := keysView{
		Custody: c.Kind, Identity: c.Identity, Recovery: c.Recovery, Generation: c.Generation,
		Lookup:  lookupView{c.LookupGeneration, instant(c.LookupAt), c.LookupWaiting},
		Erasure: c.Strength, Reason: c.Reason,
	}
	for _, r := range c.Recipients {
		v.Recipients = append(v.Recipients, recipientView{r.Key, r.Kind, r.Label, instant(r.Added), r.InUse})
	}
	return v, nil
}

func (h *house) addRecipient(ctx context.Context, p recipientParams) (struct{}, error) {
	var earlier []string
	for _, r := range h.db.Custody().Recipients {
		if p.Replace && r.Kind == store.RecipientRecovery && r.Key != p.Key {
			earlier = append(earlier, r.Key)
		}
	}
	if err := h.db.AddRecipient(p.Key, p.Kind, p.Label); err != nil {
		return struct{}{}, err
	}
	for _, key := range earlier {
		if err := h.db.RemoveRecipient(key); err != nil {
			return struct{}{}, err
		}
	}
	h.log.InfoContext(ctx, "a recipient was added; its secret opens the store", "kind", p.Kind)
	return struct{}{}, nil
}

func (h *house) removeRecipient(ctx context.Context, p recipientParams) (struct{}, error) {
	err := h.db.RemoveRecipient(p.Key)
	if err == nil {
		h.log.InfoContext(ctx, "a recipient was removed")
	}
	return struct{}{}, err
}

func (h *house) rotateKeys(ctx context.Context, p rotateParams) (struct{}, error) {
	var err error
	switch p.Level {
	case "anchor", "keyring":
		err = h.db.RotateAnchor()
	case "lookup":
		err = h.db.RotateLookups(ctx)
	case "static":
		err = h.db.RotateStatic()
	case "identity":
		err = h.db.RotateIdentity(p.Passphrase)
	default:
		err = usage("there is no level %q of keys", p.Level)
	}
	if err == nil {
		h.log.InfoContext(ctx, "a key was changed", "level", p.Level)
	}
	return struct{}{}, err
}

// checkKeys says how the keys are kept.
func (h *house) checkKeys(f *findings) {
	c := h.db.Custody()
	if c.Recovery {
		f.add(fine, "The identity is kept as a %s, and there is a recovery key.", c.Kind)
	} else {
		f.add(warning, "There is no recovery key: if the identity is lost, everything is. Run: kith keys recovery")
	}
	if c.Reason != "" {
		f.add(fine, "Erasure on this disk is %s: %s.", c.Strength, c.Reason)
	}
}
