// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"

	"kith/store"
)

// DoubtOutbox settles everything that waits to be sent in an installation that was restored: since the backup it may
// have been sent already, so that nothing of it goes out by itself. It returns how many messages wait for a decision.
func (d *Desk) DoubtOutbox(ctx context.Context) (doubted int, err error) {
	var all []Job
	err = d.db.View(ctx, func(tx *store.Tx) error {
		return outbox.Each(tx, func(it store.Item[Job]) error {
			it.Job.ID = it.ID
			all = append(all, it.Job)
			return nil
		})
	})
	for _, j := range all {
		err = errors.Join(err, d.db.Update(ctx, func(tx *store.Tx) error {
			m, err := messageOf(tx, j.Message)
			if err != nil || j.Kind != JobSend || (m.Status != StatusQueued && m.Status != StatusSending) {
				return errors.Join(ignoreMissing(err), dropJob(tx, j.Conversation(), j.ID))
			}
			doubted++
			return settleSend(tx, &j, m, &Outcome{Unknown: true, Failure: &Failure{
				Title: "Kith was restored from a backup that was made before the message was sent.", Advice: "advice.unknown",
			}})
		}))
	}
	return doubted, err
}
