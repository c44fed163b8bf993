// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"kith/store"
)

const compactHelp = `Records that were deleted leave free pages in data.db, which kith uses again before the file grows. compact writes the
file anew without them and gives the space back to the disk. The server goes on meanwhile; it needs room for a second copy
of what is in use. At night, and after much was erased, kith does it by itself when more than half of the file is free.`

func setCompact(f *flags) func(context.Context, streams) error {
	data := f.data()
	asJSON := f.set.Bool("json", false, "print JSON")
	return func(ctx context.Context, s streams) error {
		if err := exists(*data); err != nil {
			return err
		}
		done, err := perform[store.Compacted](ctx, *data, opCompact, struct{}{})
		if err != nil {
			return err
		}
		if *asJSON {
			return json.NewEncoder(s.out).Encode(done)
		}
		fmt.Fprintf(s.out, "data.db had %d bytes and has %d bytes now.\n", done.Before, done.After)
		return nil
	}
}

func (h *house) compact(ctx context.Context, _ struct{}) (store.Compacted, error) {
	return h.db.Compact(ctx, nil)
}

// spaceFinding says where the bytes are, and when a compaction would help.
func spaceFinding(f *findings, s store.Space) {
	const mb = 1 << 20
	if s.WorthCompacting() {
		f.add(warning, "data.db has %d MB, of which %d MB are free pages. Run: kith compact", s.File/mb, s.Free/mb)
		return
	}
	f.add(fine, "data.db has %d MB, of which %d MB are free pages; attachments have %d MB.", s.File/mb, s.Free/mb, s.Blobs/mb)
}
