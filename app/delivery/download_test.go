// SPDX-License-Identifier: Apache-2.0

package delivery_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"kith/app"
	"kith/app/channel"
)

// photo lets a customer send a file and returns its message.
func (w *world) photo(who string, m app.InboundMedia) app.MessageID {
	w.t.Helper()
	p, err := w.desk.Messages(w.t.Context(), w.agent, w.hear(who, m), app.MessageID{}, 1)
	w.must(err)
	return p.Messages[0].ID
}

func (w *world) attachment(id app.MessageID, want app.AttachmentState) app.Attachment {
	w.t.Helper()
	a := w.message(id).Attachments[0]
	if a.State != want {
		w.t.Fatalf("file is %v, want %v: %s", a.State, want, a.Problem)
	}
	return a
}

func sumOf(b []byte) string {
	s := sha256.Sum256(b)
	return base64.StdEncoding.EncodeToString(s[:])
}

var sample = append([]byte("\x89PNG\r\n\x1a\n"), bytes.Repeat([]byte("sample"), 30_000)...)

func TestFileIsFetched(t *testing.T) {
	within(t, func(n *network) {
		n.files["f1"] = sample
		n.on("fetch:f1", fail(channel.Again), fail(channel.SlowDown))
	}, func(w *world) {
		id := w.photo("628111", app.InboundMedia{ProviderID: "f1", SHA256: sumOf(sample), Name: "cat.png"})
		w.run()
		w.attachment(id, app.AttachmentWaiting)
		w.wait(3 * time.Minute)
		a := w.attachment(id, app.AttachmentReady)
		if a.Size != int64(len(sample)) || a.MIME != "image/png" || a.Name != "cat.png" {
			t.Errorf("attachment is %+v", a)
		}
		b, _, err := w.desk.Attachment(w.t.Context(), w.agent, id, 0)
		w.must(err)
		got, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
		w.must(err)
		w.must(b.Close())
		if !bytes.Equal(got, sample) {
			t.Error("the file is not what was sent")
		}
	})
}

func TestFileThatDiffersIsNotKept(t *testing.T) {
	within(t, func(n *network) { n.files["f1"] = sample }, func(w *world) {
		id := w.photo("628111", app.InboundMedia{ProviderID: "f1", SHA256: sumOf([]byte("another"))})
		w.run()
		w.wait(time.Hour)
		w.attachment(id, app.AttachmentWaiting)
		w.wait(8 * time.Hour)
		if a := w.attachment(id, app.AttachmentLost); !strings.Contains(a.Problem, "checksum") {
			t.Errorf("problem is %q", a.Problem)
		}
		if n := len(w.net.got()); n < 6 || n > 25 {
			t.Errorf("%d attempts", n)
		}
	})
}

func TestFileThatIsGone(t *testing.T) {
	within(t, nil, func(w *world) {
		w.run()
		id := w.photo("628111", app.InboundMedia{ProviderID: "f1"})
		w.wait(time.Second)
		if a := w.attachment(id, app.AttachmentLost); !strings.Contains(a.Problem, "does not have this file") {
			t.Errorf("problem is %q", a.Problem)
		}
		w.wait(time.Hour)
		if n := len(w.net.got()); n != 1 {
			t.Errorf("%d attempts, want 1", n)
		}
	})
}

func TestFileWaitsForTheAccount(t *testing.T) {
	within(t, func(n *network) { n.files["f1"] = sample; n.refuse("t1") }, func(w *world) {
		w.run()
		id := w.photo("628111", app.InboundMedia{ProviderID: "f1"})
		w.wait(6 * 24 * time.Hour)
		w.attachment(id, app.AttachmentWaiting)
		w.net.refuse("")
		w.wait(10 * time.Minute)
		w.attachment(id, app.AttachmentReady)
	})
}

func TestFileIsGivenUpAfterSevenDays(t *testing.T) {
	within(t, func(n *network) {
		n.on("fetch:f1", slices.Repeat([]answer{fail(channel.Stop)}, 2000)...)
	}, func(w *world) {
		w.run()
		id := w.photo("628111", app.InboundMedia{ProviderID: "f1"})
		w.wait(7*24*time.Hour + 20*time.Minute)
		w.attachment(id, app.AttachmentLost)
	})
}

func TestFileThatIsTooLarge(t *testing.T) {
	within(t, func(n *network) { n.files["f1"] = make([]byte, 100<<20+1) }, func(w *world) {
		w.run()
		id := w.photo("628111", app.InboundMedia{ProviderID: "f1"})
		w.wait(time.Second)
		if a := w.attachment(id, app.AttachmentLost); !strings.Contains(a.Problem, "100 MB") {
			t.Errorf("problem is %q", a.Problem)
		}
	})
}

func TestFourFilesAtOnce(t *testing.T) {
	within(t, func(n *network) {
		for i := range 10 {
			id := fmt.Sprint("f", i)
			n.files[id] = []byte(id)
			n.on("fetch:"+id, func(ctx context.Context, m channel.Outgoing) (channel.Sent, error) {
				return slowly(10*time.Second)(ctx, m)
			})
		}
	}, func(w *world) {
		var ids []app.MessageID
		for i := range 10 {
			ids = append(ids, w.photo(fmt.Sprint(628000+i), app.InboundMedia{ProviderID: fmt.Sprint("f", i), MIME: "image/jpeg"}))
		}
		w.run()
		w.wait(time.Second)
		if n := len(w.net.got()); n != 4 {
			t.Errorf("%d are under way, want 4", n)
		}
		w.wait(30 * time.Second)
		for _, id := range ids {
			if a := w.attachment(id, app.AttachmentReady); a.MIME != "image/jpeg" {
				t.Errorf("type is %q", a.MIME)
			}
		}
	})
}

func TestFetchingEndsWithTheServer(t *testing.T) {
	within(t, func(n *network) { n.files["f1"] = sample; n.on("fetch:f1", slowly(time.Hour)) }, func(w *world) {
		id := w.photo("628111", app.InboundMedia{ProviderID: "f1"})
		w.run()
		w.stop()
		w.attachment(id, app.AttachmentWaiting)
		w.run()
		w.wait(time.Second)
		w.attachment(id, app.AttachmentReady)
	})
}
