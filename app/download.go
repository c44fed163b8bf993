// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"time"

	"kith/store"
)

// Download is a file of a customer that waits at the network.
type Download struct {
	ID      uint64    `cbor:"-"`
	Message MessageID `cbor:"1,keyasint"`
	Index   int       `cbor:"2,keyasint"`
	Inbox   InboxID   `cbor:"3,keyasint"`
	Contact ContactID `cbor:"4,keyasint"`
	Expect  string    `cbor:"5,keyasint,omitempty"` // base64 SHA-256 that the network told
	Tries   int       `cbor:"6,keyasint,omitempty"`
}

var downloads = store.NewQueue[Download]("downloads", func(j *Download) store.Subject { return j.Contact })

// DueDownloads returns up to limit files to fetch now, and when the next one will be due.
func (d *Desk) DueDownloads(ctx context.Context, limit int) (due []Download, next time.Time, err error) {
	err = d.db.View(ctx, func(tx *store.Tx) error {
		items, err := downloads.Due(tx, tx.Now(), limit)
		for _, it := range items {
			it.Job.ID = it.ID
			due = append(due, it.Job)
		}
		if at, ok := downloads.Next(tx); ok {
			next = at
		}
		return err
	})
	return due, next, err
}

// DownloadsWake returns a channel that is closed after the next commit that changed the downloads.
func (d *Desk) DownloadsWake() <-chan struct{} { return downloads.Wake(d.db) }

// CreateDownload opens the sealed file that a download is written to.
func (d *Desk) CreateDownload(ctx context.Context, j Download) (*store.BlobWriter, error) {
	return d.db.CreateBlob(ctx, j.Contact, j.Message.DayKey)
}

// FinishDownload hangs the fetched file into its message.
func (d *Desk) FinishDownload(ctx context.Context, j Download, blob store.BlobRef, meta store.BlobMeta) error {
	return d.settleDownload(ctx, j, func(tx *store.Tx, a *Attachment) error {
		if meta.Name == "" {
			meta.Name = a.Name
		}
		if a.MIME == "" {
			a.MIME = meta.Type
		}
		meta.Type = a.MIME
		a.State, a.Blob, a.Size, a.SHA256, a.Problem = AttachmentReady, blob, meta.Size, meta.SHA256[:], ""
		return store.LinkBlob(tx, blob, meta)
	})
}

// LoseDownload gives a file up and says why in its message.
func (d *Desk) LoseDownload(ctx context.Context, j Download, why string) error {
	return d.settleDownload(ctx, j, func(_ *store.Tx, a *Attachment) error {
		a.State, a.Problem = AttachmentLost, why
		return nil
	})
}

// DelayDownload puts a file off after an attempt that did not work.
func (d *Desk) DelayDownload(ctx context.Context, j Download, until time.Time) error {
	return d.db.Update(ctx, func(tx *store.Tx) error {
		item, err := downloads.Get(tx, j.ID)
		if err != nil {
			return ignoreMissing(err)
		}
		item.Job.Tries++
		item.Due = until
		return downloads.Save(tx, item)
	})
}

// ProviderFile returns the network's id of the file, and what is known about it; ok is false when nothing is to fetch.
func (d *Desk) ProviderFile(ctx context.Context, j Download) (a Attachment, ok bool, err error) {
	err = d.db.View(ctx, func(tx *store.Tx) error {
		m, err := messageOf(tx, j.Message)
		if err != nil {
			return ignoreMissing(err)
		}
		if j.Index < len(m.Attachments) && m.Attachments[j.Index].State == AttachmentWaiting {
			a, ok = m.Attachments[j.Index], true
		}
		return nil
	})
	return a, ok, err
}

func (d *Desk) settleDownload(ctx context.Context, j Download, change func(*store.Tx, *Attachment) error) error {
	return d.db.Update(ctx, func(tx *store.Tx) error {
		if err := ignoreMissing(downloads.Delete(tx, j.ID)); err != nil {
			return err
		}
		m, err := messageOf(tx, j.Message)
		if err != nil {
			return ignoreMissing(err)
		}
		if j.Index >= len(m.Attachments) || m.Attachments[j.Index].State == AttachmentReady {
			return nil
		}
		if err := change(tx, &m.Attachments[j.Index]); err != nil {
			return err
		}
		return changeMessage(tx, m, j.Inbox)
	})
}
