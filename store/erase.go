// SPDX-License-Identifier: Apache-2.0

package store

import "context"

// resume does what an earlier run left unfinished.
func (db *DB) resume(ctx context.Context) {
	if err := db.removeOrphans(ctx); err != nil && ctx.Err() == nil {
		db.log.Warn("looking for attachments that nothing refers to", "error", err)
	}
}

func (t *Table[T]) erase(*Tx, Subject, []byte) ([]byte, error)    { return nil, nil }
func (t *DayTable[T]) erase(*Tx, Subject, []byte) ([]byte, error) { return nil, nil }
func (q *Queue[J]) erase(*Tx, Subject, []byte) ([]byte, error)    { return nil, nil }
func (r *Resident[T]) erase(*Tx, Subject, []byte) ([]byte, error) { return nil, nil }
