// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"time"

	"kith/app"
)

const apikeyHelp = "The key is shown this once and kept only as a hash. Programs send it as \"Authorization: Bearer KEY\"."

func setAPIKeyAdd(f *flags) func(context.Context, streams) error {
	data := f.data()
	name := f.must("name", "`N` says what uses the key")
	role := f.must("role", "`R` is owner, admin, manager or agent")
	var lasts period
	f.set.Var(&lasts, "expires", "the key ends after `PERIOD`, such as 90d; without it, never")
	return func(ctx context.Context, s streams) error {
		if _, err := app.ParseRole(*role); err != nil {
			return err
		}
		key, err := perform[string](ctx, *data, opKeyAdd, keyParams{*name, *role, time.Duration(lasts)})
		if err != nil {
			return err
		}
		fmt.Fprintln(s.out, key)
		return nil
	}
}
