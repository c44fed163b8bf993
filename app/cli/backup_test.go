// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kith/app"
	"kith/app/backup"
	"kith/store"
)

// kith runs a command as it is typed.
func kith(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Main(args, strings.NewReader(""), &out, &errs)
	return code, out.String() + errs.String()
}

// bucketServer keeps the files of one bucket. That signatures are right is tested in app/backup.
func bucketServer(t *testing.T) *httptest.Server {
	t.Helper()
	var mu sync.Mutex
	files := map[string][]byte{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		name := strings.TrimPrefix(r.URL.Path, "/copies/")
		switch {
		case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKEXAMPLE/"):
			w.WriteHeader(http.StatusForbidden)
		case r.Method == http.MethodPut:
			files[name], _ = io.ReadAll(r.Body)
		case r.URL.Query().Has("list-type"):
			for f := range files {
				fmt.Fprintf(w, "<R><Contents><Key>%s</Key><Size>%d</Size></Contents></R>", f, len(files[f]))
				break
			}
		case files[name] == nil:
			w.WriteHeader(http.StatusNotFound)
		default:
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(files[name]))
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// TestBackupToStorage goes to a storage on a private address, which the operator named, and back from it.
func TestBackupToStorage(t *testing.T) {
	dir := t.TempDir()
	data, secret := filepath.Join(dir, "d"), filepath.Join(dir, "key")
	if err := os.WriteFile(secret, []byte("AKEXAMPLE\nexample\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stop := answering(t, data)
	defer stop()
	at := []string{"--s3-endpoint", bucketServer(t).URL, "--s3-credentials-file", secret}
	code, said := kith(t, append([]string{"backup", "--data", data, "--to", "s3://copies/of kith", "--json"}, at...)...)
	if code != exitDone || !strings.Contains(said, `"verified":true`) {
		t.Fatalf("%d: %s", code, said)
	}
	name := said[strings.Index(said, "kith-"):]
	name = name[:strings.Index(name, `"`)]
	code, said = kith(t, append([]string{
		"restore", "--from", "s3://copies/of kith/" + name, "--identity", data + ".identity", "--data", filepath.Join(dir, "r"),
	}, at...)...)
	if code != exitDone {
		t.Errorf("%d: %s", code, said)
	}
}

// TestABackupThatBreaksOffLeavesNoFile has the server stop in the middle.
func TestABackupThatBreaksOffLeavesNoFile(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "d")
	err := within(t.Context(), data, func(ctx context.Context, h *house) error {
		day := store.DayKey{Class: store.Default, Day: store.DayOf(time.Now())}
		b, err := h.db.CreateBlob(ctx, store.Nobody, day)
		if err != nil {
			return err
		}
		if _, err := b.Write(make([]byte, 16<<20)); err != nil { // more than a socket holds
			return err
		}
		ref, meta, err := b.Commit()
		if err != nil {
			return err
		}
		return h.db.Update(ctx, func(tx *store.Tx) error { return store.LinkBlob(tx, ref, meta) })
	})
	if err != nil {
		t.Fatal(err)
	}
	stop := answering(t, data)
	err = withOrigin(t.Context(), data, func(o *origin) error {
		o.direct = true
		_, err := backup.Write(t.Context(), o, backup.Directory(dir), backup.Names{File: "x.age", Keys: "x.keys", Ledger: "x.ledger"},
			store.BackupOptions{Progress: func(int64, int64) { stop() }})
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "broke off") {
		t.Errorf("the server stopped: %v", err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "x*"))
	if len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// TestTheServerBringsTheKeysToDate backs up a running installation, has it erase somebody, and restores the backup.
func TestTheServerBringsTheKeysToDate(t *testing.T) {
	dir := t.TempDir()
	data, copies := filepath.Join(dir, "d"), filepath.Join(dir, "copies")
	if err := os.Mkdir(copies, 0o700); err != nil {
		t.Fatal(err)
	}
	var gone, control app.ContactID
	onHouse := func(fn func(context.Context, *house) error) {
		t.Helper()
		if err := within(t.Context(), data, fn); err != nil {
			t.Fatal(err)
		}
	}
	add := func(ctx context.Context, h *house, phone string) (app.ContactID, error) {
		name := "Sample Customer"
		c, err := h.desk.AddContact(ctx, app.Host(), app.ContactInput{Name: &name, Phones: []string{phone}})
		if err != nil {
			return 0, err
		}
		return c.ID, nil
	}
	onHouse(func(ctx context.Context, h *house) (err error) {
		if gone, err = add(ctx, h, "+62811111111"); err == nil {
			control, err = add(ctx, h, "+62822222222")
		}
		return err
	})
	if code, said := kith(t, "backup", "--data", data, "--to", copies); code != exitDone {
		t.Fatalf("%d: %s", code, said)
	}
	onHouse(func(ctx context.Context, h *house) error { return h.db.Erase(ctx, gone) }) // a command, not the server
	if code, said := kith(t, "backup", "status", "--data", data); code != exitDone || strings.Contains(said, "PENDING") {
		t.Errorf("%d: %s", code, said)
	}
	restored := filepath.Join(dir, "r")
	if code, said := kith(t, "restore", "--from", copies, "--identity", data+".identity", "--data", restored, "--json"); code != exitDone ||
		!strings.Contains(said, `"destroyed_again":1`) {
		t.Fatalf("%d: %s", code, said)
	}
	err := within(t.Context(), restored, func(ctx context.Context, h *house) error {
		if _, err := h.desk.Contact(ctx, app.Host(), gone); err == nil {
			t.Error("the erased contact is back")
		}
		_, err := h.desk.Contact(ctx, app.Host(), control)
		return err
	})
	if err != nil {
		t.Errorf("the control contact: %v", err)
	}
}
