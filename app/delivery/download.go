// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"kith/app"
	"kith/app/channel"
)

// Bounds of fetching.
const (
	maxFile       = 100 << 20
	fetchers      = 4
	fetchTime     = 10 * time.Minute
	fetchTries    = 6
	fetchPatience = 6 * time.Hour      // tries end no earlier, so that a short trouble loses nothing
	stopEvery     = 10 * time.Minute   // while the account is refused or the network cannot be reached
	stopPatience  = 7 * 24 * time.Hour // networks keep files at least that long
	fetchSlowest  = time.Hour
)

// What people read at a file that could not be fetched.
const (
	lostGone     = "The network does not have this file any more."
	lostLarge    = "The file is larger than 100 MB."
	lostDiffers  = "What arrived is not the file that was sent: its checksum differs."
	lostTrouble  = "The network did not hand the file over, although kith asked for hours."
	lostAccount  = "The network refused the account of this inbox for seven days."
	lostNoReader = "This build of kith does not know the channel."
)

var (
	errTooLarge = errors.New("larger than 100 MB")
	errDiffers  = errors.New("the checksum differs")
)

// fetchAll works the downloads, a few at a time. It waits for what it started.
func (d *Delivery) fetchAll(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	ended := make(chan struct{}, 1)
	f := &fetching{holding: map[uint64]bool{}}
	for {
		wake := d.desk.DownloadsWake()
		due, next, err := d.desk.DueDownloads(ctx, fetchers+scanLimit)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if final(err) {
				return fmt.Errorf("reading the downloads: %w", err)
			}
			d.log.ErrorContext(ctx, "reading the downloads", "error", err)
			next = d.now().Add(storeWait)
		}
		for _, j := range due {
			if f.take(j.ID) {
				running.Go(func() {
					d.download(ctx, j)
					f.drop(j.ID)
					wakeUp(ended)
				})
			}
		}
		switch {
		case f.full():
			next = time.Time{} // the end of one tells
		case !next.IsZero() && !next.After(d.now()):
			next = d.now().Add(time.Second)
		}
		if err := d.rest(ctx, next, wake, ended); err != nil {
			return err
		}
	}
}

// fetching is the downloads under way.
type fetching struct {
	mu      sync.Mutex
	holding map[uint64]bool
}

func (f *fetching) take(id uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.holding[id] || len(f.holding) >= fetchers {
		return false
	}
	f.holding[id] = true
	return true
}

func (f *fetching) drop(id uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.holding, id)
}

func (f *fetching) full() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.holding) >= fetchers
}

// download fetches one file and says in its message how that ended.
func (d *Delivery) download(ctx context.Context, j app.Download) {
	a, ok, err := d.desk.ProviderFile(ctx, j)
	if err == nil {
		if !ok || a.Provider == "" {
			err = d.desk.LoseDownload(ctx, j, lostGone) // settles a file that is here already without a change
		} else if ferr := d.fetch(ctx, j, &a); ferr != nil && ctx.Err() == nil {
			err = d.putBack(ctx, j, ferr)
		}
	}
	if err == nil || ctx.Err() != nil {
		return
	}
	d.log.ErrorContext(ctx, "fetching a file", "download", j.ID, "error", err)
	if !down(err) {
		err = d.desk.DelayDownload(ctx, j, d.now().Add(stuckWait))
	}
	if err != nil {
		_ = sleep(ctx, storeWait) // the store refused: the file stays due
	}
}

// fetch brings a file into the store and hangs it into its message.
func (d *Delivery) fetch(ctx context.Context, j app.Download, a *app.Attachment) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the channel panicked")
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	sender := d.fetcher(j.Inbox)
	if sender == nil {
		return &channel.SendError{Class: channel.Refused, Failure: app.Failure{Title: lostNoReader}}
	}
	file, err := sender.Fetch(ctx, a.Provider)
	if err != nil {
		return err
	}
	defer file.Body.Close()
	return d.keep(ctx, j, a, file)
}

// fetcher returns the sender of an inbox, nil when there is none.
func (d *Delivery) fetcher(id app.InboxID) channel.Sender {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l := d.lanes[id]; l != nil {
		return l.sender
	}
	return nil
}

// keep writes the file sealed, compares its checksum, and finishes the download.
func (d *Delivery) keep(ctx context.Context, j app.Download, a *app.Attachment, file *channel.File) error {
	w, err := d.desk.CreateDownload(ctx, j)
	if err != nil {
		return storing{err}
	}
	kept := &sniffer{w: w}
	n, err := io.Copy(kept, io.LimitReader(file.Body, maxFile+1))
	switch {
	case kept.err != nil:
		return errors.Join(storing{kept.err}, w.Abort())
	case err != nil:
		return errors.Join(err, w.Abort())
	case n > maxFile:
		return errors.Join(errTooLarge, w.Abort())
	}
	blob, meta, err := w.Commit()
	if err != nil {
		return storing{err}
	}
	if !sameSum(meta.SHA256, j.Expect) {
		return errDiffers // the file belongs to nothing and is swept away
	}
	meta.Name, meta.Type = strings.ToValidUTF8(file.Name, "\uFFFD"), strings.ToValidUTF8(file.MIME, "")
	if a.Name != "" {
		meta.Name = a.Name
	}
	if meta.Type == "" {
		meta.Type = http.DetectContentType(kept.head)
	}
	if err := d.desk.FinishDownload(ctx, j, blob, meta); err != nil {
		return storing{err}
	}
	return nil
}

// sameSum compares with the base64 sum that the network told; networks that tell none are believed.
func sameSum(sum [32]byte, expect string) bool {
	if expect == "" {
		return true
	}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if want, err := enc.DecodeString(expect); err == nil {
			return subtle.ConstantTimeCompare(want, sum[:]) == 1
		}
	}
	return false
}

// sniffer keeps the first bytes of what passes, and the store's own error.
type sniffer struct {
	w    io.Writer
	head []byte
	err  error
}

// Write passes p on.
func (s *sniffer) Write(p []byte) (int, error) {
	if room := 512 - len(s.head); room > 0 {
		s.head = append(s.head, p[:min(room, len(p))]...)
	}
	n, err := s.w.Write(p)
	s.err = err
	return n, err
}

// storing is an error of our store, not of the network.
type storing struct{ error }

// Unwrap returns the store's error.
func (s storing) Unwrap() error { return s.error }

// putBack decides about a file that could not be fetched this time.
func (d *Delivery) putBack(ctx context.Context, j app.Download, why error) error {
	if s, ok := errors.AsType[storing](why); ok {
		return s.error
	}
	d.log.InfoContext(ctx, "a file was not fetched", "download", j.ID, "inbox", j.Inbox, "tries", j.Tries+1, "error", why)
	age, err := d.age(ctx, j)
	if err != nil {
		return err
	}
	wait, patience := backoff(2*time.Second, j.Tries, fetchSlowest), fetchPatience
	e, _ := errors.AsType[*channel.SendError](why)
	if e != nil && e.Class == channel.Again && e.Err != nil {
		patience = stopPatience // no answer at all: the network, or our way to it, is down
	}
	switch {
	case errors.Is(why, errTooLarge):
		return d.desk.LoseDownload(ctx, j, lostLarge)
	case e != nil && (e.Class == channel.Refused || e.Class == channel.Suppress):
		return d.desk.LoseDownload(ctx, j, reasonOf(e))
	case e != nil && e.Class == channel.Stop:
		if age > stopPatience {
			return d.desk.LoseDownload(ctx, j, lostAccount)
		}
		wait = stopEvery
	case e != nil && (e.Class == channel.SlowDown || e.Class == channel.SlowPair):
		wait = max(wait, e.Wait, time.Minute)
	case j.Tries+1 >= fetchTries && age > patience:
		if errors.Is(why, errDiffers) {
			return d.desk.LoseDownload(ctx, j, lostDiffers)
		}
		return d.desk.LoseDownload(ctx, j, lostTrouble)
	}
	if e != nil && e.Wait > wait {
		wait = e.Wait
	}
	return d.desk.DelayDownload(ctx, j, d.now().Add(wait))
}

// age is how long ago the message with the file came.
func (d *Delivery) age(ctx context.Context, j app.Download) (time.Duration, error) {
	m, err := d.desk.Message(ctx, app.System(), j.Message)
	if errors.Is(err, app.ErrNotFound) {
		return 0, nil // the next attempt settles it
	}
	if err != nil {
		return 0, err
	}
	return d.now().Sub(m.CreatedAt.Time()), nil
}

func reasonOf(e *channel.SendError) string {
	switch {
	case e.Failure.Title == lostNoReader:
		return lostNoReader
	case e.Failure.Title == "" || e.Failure.Advice == "advice.file_gone":
		return lostGone
	}
	return "The network refused to hand the file over: " + e.Failure.Title
}
