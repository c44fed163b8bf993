// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	"kith/app"
	"kith/app/channel"
)

// attempt makes one attempt of a job: written down before it is made, settled after.
func (d *Delivery) attempt(ctx context.Context, l *lane, j app.Job) {
	began := d.now()
	defer func() { d.release(l, j.ID, d.now().Sub(began)) }()
	at, err := d.desk.StartAttempt(ctx, j.ID)
	if errors.Is(err, app.ErrNoAttempt) {
		return
	}
	if err != nil {
		d.stuck(ctx, j.ID, err)
		return
	}
	sender := d.senderFor(ctx, l, &at.Inbox)
	if ctx.Err() != nil || sender == nil {
		d.settle(ctx, at.Job, app.Outcome{Again: d.now(), Uncounted: true}) // nothing has left
		return
	}
	sent, err := d.send(ctx, sender, at)
	d.settle(ctx, at.Job, d.judge(ctx, l, at, sent, err))
}

// stuck is a job whose attempt could not be written down: it was not made. When the store refused, everything waits for
// a moment; when the job itself is at fault, it waits alone.
func (d *Delivery) stuck(ctx context.Context, id uint64, err error) {
	if ctx.Err() != nil {
		return
	}
	d.log.ErrorContext(ctx, "writing down an attempt", "job", id, "error", err)
	if !down(err) {
		err = d.desk.Postpone(ctx, id, d.now().Add(stuckWait))
	}
	if err != nil {
		d.holdAll()
	}
}

// senderFor returns the sender of the lane, after a look at the inbox when the attempt read it otherwise than the lane
// knows it; nil when the inbox is paused.
func (d *Delivery) senderFor(ctx context.Context, l *lane, in *app.Inbox) channel.Sender {
	d.mu.Lock()
	same := maps.Equal(l.inbox.Settings, in.Settings) && in.Paused == nil
	d.mu.Unlock()
	if !same {
		if err := d.reload(ctx); err != nil {
			return nil
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if l.blocked() {
		return nil
	}
	return l.sender
}

// send makes the network call. When ctx ends it may go on for a moment, so that its outcome is known.
func (d *Delivery) send(ctx context.Context, s channel.Sender, at *app.Attempt) (sent channel.Sent, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &channel.SendError{Class: channel.Unknown, Err: fmt.Errorf("the channel %s panicked", at.Inbox.Kind)}
		}
	}()
	limit := sendTime
	if len(at.Message.Attachments) > 0 {
		limit = fileTime
	}
	c, cancel := lasting(ctx, limit)
	defer cancel()
	switch at.Job.Kind {
	case app.JobRead:
		return sent, s.MarkRead(c, at.Message.ExternalID, false)
	case app.JobReact:
		return s.Send(c, channel.Outgoing{
			To: at.To, Type: app.TypeReaction, Content: app.Content{Text: at.React}, React: at.Message.ExternalID,
		})
	case app.JobSend:
	}
	m, err := d.outgoing(c, at)
	if err != nil {
		return sent, err
	}
	defer closeFiles(m.Files)
	return s.Send(c, m)
}

// lasting returns a context that ends after limit, or some time after ctx does.
func lasting(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	c, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	stop := context.AfterFunc(ctx, func() {
		t := time.NewTimer(grace)
		defer t.Stop()
		select {
		case <-c.Done():
		case <-t.C:
			cancel()
		}
	})
	return c, func() { stop(); cancel() }
}

// outgoing puts a message into the words of the contract and opens its files.
func (d *Delivery) outgoing(ctx context.Context, at *app.Attempt) (channel.Outgoing, error) {
	m := &at.Message
	out := channel.Outgoing{
		To: at.To, Type: m.Type, Content: m.Content, ReplyTo: m.ReplyToID, Callback: m.ID.String(),
	}
	if out.ReplyTo == "" && m.ReplyTo.Seq != 0 { // quoted before the network had an id for it
		if q, err := d.desk.Message(ctx, app.System(), m.ReplyTo); err == nil {
			out.ReplyTo = q.ExternalID
		}
	}
	for n := range m.Attachments {
		f, err := d.file(ctx, m.ID, n)
		if err != nil {
			closeFiles(out.Files)
			return out, err
		}
		out.Files = append(out.Files, f)
	}
	return out, nil
}

func (d *Delivery) file(ctx context.Context, id app.MessageID, n int) (channel.File, error) {
	blob, a, err := d.desk.Attachment(ctx, app.System(), id, n)
	if errors.Is(err, app.ErrNotFound) {
		return channel.File{}, &channel.SendError{Class: channel.Refused, Err: err, Failure: app.Failure{
			Title: "The file of this message is not here any more.", Advice: "advice.file_gone",
		}}
	}
	if err != nil {
		return channel.File{}, &channel.SendError{
			Class: channel.Again, Err: err, Failure: app.Failure{Title: "The file of this message could not be read."},
		}
	}
	return channel.File{
		Name: a.Name, MIME: a.MIME, Size: blob.Size(), Body: blobBody{io.NewSectionReader(blob, 0, blob.Size()), blob},
	}, nil
}

// blobBody reads a stored file from its beginning and closes it.
type blobBody struct {
	*io.SectionReader
	io.Closer
}

func closeFiles(files []channel.File) {
	for _, f := range files {
		_ = f.Body.Close()
	}
}

// settle writes the outcome down, also when ctx has ended: what is not written down will be unknown after the next
// start. While the store refuses, it insists; a record that cannot be read is left to that.
func (d *Delivery) settle(ctx context.Context, j app.Job, o app.Outcome) {
	last := false
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		err := d.desk.Settle(context.WithoutCancel(ctx), j, o)
		if err == nil {
			return
		}
		d.log.ErrorContext(ctx, "writing down how an attempt ended", "job", j.ID, "error", err)
		if last || final(err) || !down(err) {
			return
		}
		last = sleep(ctx, wait) != nil
	}
}
