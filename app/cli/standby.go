// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"kith/store"
)

const standbyHelp = `A standby is a second server that follows this one and can take its place. standby add prints the token with which it
follows, once. On the other server put the token into a file and run

  kith serve --data DIR --follow https://this.server --follow-token-file FILE

The first server that shows the token is the standby from then on. What it gets is encrypted to its own key. An erasure is
complete only when every standby has destroyed the keys too. kith promote makes the standby the primary.`

// The operations on standbys.
const (
	opStandbyAdd    = "standby.add"
	opStandbyRemove = "standby.remove"
	opStandbyList   = "standby.list"
)

// operateStandby runs one of them.
func (h *house) operateStandby(ctx context.Context, r request) (json.RawMessage, error) {
	switch r.Op {
	case opStandbyAdd:
		return on(ctx, r.Params, h.addStandby)
	case opStandbyRemove:
		return on(ctx, r.Params, h.removeStandby)
	default:
		return on(ctx, r.Params, h.listStandbys)
	}
}

type standbyParams struct {
	Name string `json:"name"`
}

func setStandbyAdd(f *flags) func(context.Context, streams) error {
	data, name := f.data(), f.must("name", "`N` names the standby")
	return func(ctx context.Context, s streams) error {
		token, err := perform[string](ctx, *data, opStandbyAdd, standbyParams{*name})
		if err != nil {
			return err
		}
		fmt.Fprintln(s.out, token)
		return nil
	}
}

func setStandbyRemove(f *flags) func(context.Context, streams) error {
	data, name := f.data(), f.must("name", "`N` names the standby")
	return func(ctx context.Context, _ streams) error {
		if err := exists(*data); err != nil {
			return err
		}
		_, err := perform[struct{}](ctx, *data, opStandbyRemove, standbyParams{*name})
		return err
	}
}

func setStandbyList(f *flags) func(context.Context, streams) error {
	data := f.data()
	asJSON := f.set.Bool("json", false, "print JSON")
	return func(ctx context.Context, s streams) error {
		if err := exists(*data); err != nil {
			return err
		}
		all, err := perform[[]store.Replica](ctx, *data, opStandbyList, struct{}{})
		if err != nil {
			return err
		}
		if *asJSON {
			return json.NewEncoder(s.out).Encode(all)
		}
		for _, r := range all {
			state := "never came"
			switch {
			case !r.Seen.IsZero():
				state = fmt.Sprintf("seen %s, %d segments behind", r.Seen.UTC().Format(time.RFC3339), r.Behind)
			case r.Joined:
				state = "not seen since the start"
			}
			fmt.Fprintf(s.out, "%s\t%s\n", r.Name, state)
		}
		return nil
	}
}

func (h *house) addStandby(ctx context.Context, p standbyParams) (string, error) {
	return h.db.AddReplica(ctx, p.Name)
}

func (h *house) removeStandby(ctx context.Context, p standbyParams) (struct{}, error) {
	return struct{}{}, h.db.RemoveReplica(ctx, p.Name)
}

func (h *house) listStandbys(context.Context, struct{}) ([]store.Replica, error) {
	return h.db.Replicas(), nil
}

// checkStandbys says how far the standbys are.
func (h *house) checkStandbys(f *findings) {
	for _, r := range h.db.Replicas() {
		switch {
		case !r.Joined:
			f.add(warning, "The standby %s never came.", r.Name)
		case h.about == nil:
			f.add(fine, "The standby %s may follow.", r.Name)
		case r.Seen.IsZero() || time.Since(r.Seen) > time.Minute:
			f.add(warning, "The standby %s was not seen for more than a minute. Erasures wait for it.", r.Name)
		default:
			f.add(fine, "The standby %s follows, %d segments behind.", r.Name, r.Behind)
		}
	}
}
