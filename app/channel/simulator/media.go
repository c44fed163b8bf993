// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"time"
)

// medium is a file that the network holds.
type medium struct {
	id, mime, name, sha string
	bytes               []byte
	uploaded            bool // by the business
	made                time.Time
	keys                map[string]time.Time // of addresses handed out -> end
}

const (
	addressLife  = 5 * time.Minute
	webhookLife  = 7 * 24 * time.Hour
	uploadLife   = 30 * 24 * time.Hour
	maxMediaHeld = 256 << 20
)

// store keeps a file; the oldest go when all together are too large. The lock is held.
func (w *World) store(f medium) *medium {
	sum := sha256.Sum256(f.bytes)
	f.id, f.made, f.keys = w.mediaID(), w.now(), map[string]time.Time{}
	f.sha = base64.StdEncoding.EncodeToString(sum[:])
	w.media[f.id] = &f
	w.mediaIDs = append(w.mediaIDs, f.id)
	w.mediaSize += len(f.bytes)
	for w.mediaSize > maxMediaHeld && len(w.mediaIDs) > 1 {
		w.drop(w.mediaIDs[0])
	}
	return &f
}

func (w *World) drop(id string) {
	if f := w.media[id]; f != nil {
		w.mediaSize -= len(f.bytes)
		delete(w.media, id)
	}
	w.mediaIDs = slices.DeleteFunc(w.mediaIDs, func(s string) bool { return s == id })
}

// found returns a file that has not expired: seven days for a customer's, thirty
// for an upload.
func (w *World) found(id string) *medium {
	f := w.media[id]
	if f == nil {
		return nil
	}
	life := webhookLife
	if f.uploaded {
		life = uploadLife
	}
	if w.now().Sub(f.made) >= life {
		return nil
	}
	return f
}

// mediaURL hands out an address of a file that lives five minutes.
func (w *World) mediaURL(f *medium) string {
	for k, end := range f.keys {
		if !w.now().Before(end) {
			delete(f.keys, k)
		}
	}
	key := w.random("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 24)
	f.keys[key] = w.now().Add(addressLife)
	return w.o.BaseURL + "/whatsapp_business/attachments/?mid=" + f.id + "&ext=" + seconds(f.keys[key]) + "&hash=" + key
}

// Blob is a file as a phone holds it.
type Blob struct {
	MIME, Filename string
	Bytes          []byte
}

// Blob returns the file of a bubble. The bytes must not be changed.
func (w *World) Blob(id string) (Blob, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.media[id]
	if f == nil {
		return Blob{}, false
	}
	return Blob{f.mime, f.name, f.bytes}, true
}

// spoken is how long an Ogg Opus recording is: the position in its last page,
// in samples at 48 kHz. Other files have no length here.
func spoken(b []byte) time.Duration {
	i := bytes.LastIndex(b, []byte("OggS"))
	if i < 0 || len(b) < i+14 || !bytes.HasPrefix(b, []byte("OggS")) {
		return 0
	}
	samples := binary.LittleEndian.Uint64(b[i+6:])
	if samples > 48000*24*3600 {
		return 0
	}
	return time.Duration(samples) * time.Second / 48000
}
