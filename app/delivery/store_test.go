// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"kith/store"
)

func TestInsists(t *testing.T) {
	full, closed := fmt.Errorf("writing: %w", store.ErrFull), fmt.Errorf("writing: %w", store.ErrClosed)
	for _, c := range []struct {
		name  string
		errs  []error
		want  error
		calls int
		takes time.Duration
	}{
		{"at once", []error{nil}, nil, 1, 0},
		{"after a while", []error{full, full, full, nil}, nil, 4, 7 * time.Second},
		{"not when the store is closed", []error{full, closed}, store.ErrClosed, 2, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, calls, began := &Delivery{log: slog.New(slog.DiscardHandler)}, 0, time.Now()
				err := d.insist(t.Context(), "testing", func(context.Context) error {
					calls++
					return c.errs[calls-1]
				})
				if !errors.Is(err, c.want) || calls != c.calls || time.Since(began) != c.takes {
					t.Errorf("%v after %d calls and %v", err, calls, time.Since(began))
				}
			})
		})
	}
	t.Run("until it is stopped", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			d := &Delivery{log: slog.New(slog.DiscardHandler)}
			err := d.end(ctx, d.insist(ctx, "testing", func(context.Context) error { return full }))
			if err != nil || ctx.Err() == nil {
				t.Errorf("error is %v", err)
			}
		})
	})
}

func TestMeterNeverExceedsALimit(t *testing.T) {
	for _, perSec := range []int{1, 2, 3, 10, 80, 1000} {
		var m meter
		p, now := perSecond(perSec), time.Unix(1_800_000_000, 0)
		var sent []time.Time
		for range 5*perSec + 5 {
			now = m.next(p, now)
			m.take(p, now)
			sent = append(sent, now)
		}
		for i := perSec; i < len(sent); i++ {
			if sent[i].Sub(sent[i-perSec]) < time.Second {
				t.Errorf("%d per second: message %d is one too many", perSec, i)
				break
			}
		}
	}
}
