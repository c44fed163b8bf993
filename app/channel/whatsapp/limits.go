// SPDX-License-Identifier: Apache-2.0

package whatsapp

import (
	"fmt"
	"mime"
	"slices"
	"strings"
	"time"

	"kith/app"
	"kith/app/channel"
)

// Limits of sending (PROTOCOLS 1.4, 1.7, 1.9).
const (
	textLimit    = 4096
	captionLimit = 1024
	callbackMax  = 512
	mb           = 1 << 20
)

// Limits returns what WhatsApp allows.
func (Channel) Limits() channel.Limits {
	return channel.Limits{
		Window: 24 * time.Hour, PerSecond: 80, PairInterval: 6 * time.Second, PairBurst: 45,
		TextLength: textLimit, CaptionLimit: captionLimit, File: fileLimit,
	}
}

type fileRule struct {
	max   int64
	mimes []string
	tell  string
}

var fileRules = map[app.MessageType]fileRule{
	app.TypeImage: {5 * mb, []string{"image/jpeg", "image/png"}, "JPEG or PNG of at most 5 MB"},
	app.TypeVideo: {16 * mb, []string{"video/mp4", "video/3gpp"}, "MP4 or 3GP (H.264 with AAC) of at most 16 MB"},
	app.TypeAudio: {
		16 * mb,
		[]string{"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"},
		"AAC, AMR, MP3, M4A or OGG (Opus, mono) of at most 16 MB",
	},
	app.TypeVoice: {16 * mb, []string{"audio/ogg"}, "OGG (Opus, mono) of at most 16 MB"},
	app.TypeDocument: {100 * mb, []string{
		"text/plain", "application/pdf", "application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint",
		"application/vnd.openxmlformats-officedocument.wordprocessingml.document",
		"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
		"application/vnd.openxmlformats-officedocument.presentationml.presentation",
	}, "PDF, plain text, Word, Excel or PowerPoint of at most 100 MB"},
	app.TypeSticker: {500 << 10, []string{"image/webp"}, "WebP of at most 100 KB, or 500 KB when animated"},
}

func fileLimit(t app.MessageType, mimeType string) (int64, error) {
	rule, ok := fileRules[t]
	if !ok {
		return 0, fmt.Errorf("WhatsApp takes no file with a message of the type %s", t)
	}
	if !slices.Contains(rule.mimes, plainMIME(mimeType)) {
		return 0, fmt.Errorf("WhatsApp does not take this file as %s: send %s", t, rule.tell)
	}
	return rule.max, nil
}

// plainMIME returns a MIME type in lower case without its parameters.
func plainMIME(s string) string {
	if t, _, err := mime.ParseMediaType(s); err == nil {
		return t
	}
	t, _, _ := strings.Cut(s, ";")
	return strings.ToLower(strings.TrimSpace(t))
}
