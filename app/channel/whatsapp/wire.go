// SPDX-License-Identifier: Apache-2.0

package whatsapp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The shapes of Meta's webhooks (PROTOCOLS 1.2 to 1.6). Parts that may spoil their neighbours stay raw until they are
// read one by one.

type wireBody struct {
	Object text        `json:"object"`
	Entry  []wireEntry `json:"entry"`
}

type wireEntry struct {
	ID      text         `json:"id"`
	Time    stamp        `json:"time"`
	Changes []wireChange `json:"changes"`
}

type wireChange struct {
	Field text            `json:"field"`
	Value json.RawMessage `json:"value"`
}

// wireValue is the value of the fields that concern people.
type wireValue struct {
	Metadata struct {
		DisplayPhone  text `json:"display_phone_number"`
		PhoneNumberID text `json:"phone_number_id"`
	} `json:"metadata"`
	Contacts    []wireContact     `json:"contacts"`
	Messages    []json.RawMessage `json:"messages"`
	Statuses    []json.RawMessage `json:"statuses"`
	Echoes      []json.RawMessage `json:"message_echoes"`
	History     []json.RawMessage `json:"history"`
	Calls       []json.RawMessage `json:"calls"`
	Preferences []json.RawMessage `json:"user_preferences"`
	IDUpdates   []json.RawMessage `json:"user_id_update"`
	StateSync   []json.RawMessage `json:"state_sync"`
	Errors      []wireError       `json:"errors"`
}

// wireThread is what was written with one customer before the number was connected.
type wireThread struct {
	ID       text              `json:"id"`
	UserID   text              `json:"user_id"`
	Messages []json.RawMessage `json:"messages"`
}

type wireContact struct {
	Profile struct {
		Name     text `json:"name"`
		Username text `json:"username"`
	} `json:"profile"`
	WaID         text `json:"wa_id"`
	UserID       text `json:"user_id"`
	ParentUserID text `json:"parent_user_id"`
}

type wireMessage struct {
	ID               text            `json:"id"`
	From             text            `json:"from"`
	FromUserID       text            `json:"from_user_id"`
	FromParentUserID text            `json:"from_parent_user_id"`
	To               text            `json:"to"`
	ToUserID         text            `json:"to_user_id"`
	ToParentUserID   text            `json:"to_parent_user_id"`
	GroupID          text            `json:"group_id"`
	Timestamp        stamp           `json:"timestamp"`
	Type             text            `json:"type"`
	Context          *wireContext    `json:"context"`
	Referral         *wireReferral   `json:"referral"`
	Errors           []wireError     `json:"errors"`
	HistoryContext   wireHistoryMark `json:"history_context"`
	wireParts
}

// wireParts are the bodies by type; an edit carries one of its own.
type wireParts struct {
	Text        *wireText        `json:"text"`
	Image       *wireMedia       `json:"image"`
	Video       *wireMedia       `json:"video"`
	Audio       *wireMedia       `json:"audio"`
	Document    *wireMedia       `json:"document"`
	Sticker     *wireMedia       `json:"sticker"`
	Location    *wireLocation    `json:"location"`
	Contacts    []wireCard       `json:"contacts"`
	Interactive json.RawMessage  `json:"interactive"`
	Button      *wireButton      `json:"button"`
	Reaction    *wireReaction    `json:"reaction"`
	Order       *wireOrder       `json:"order"`
	System      *wireSystem      `json:"system"`
	Edit        *wireEdit        `json:"edit"`
	Revoke      *wireRevoke      `json:"revoke"`
	Unsupported *wireUnsupported `json:"unsupported"`
}

type wireHistoryMark struct {
	Status text `json:"status"`
}

type wireContext struct {
	From       text `json:"from"`
	ID         text `json:"id"`
	Forwarded  bool `json:"forwarded"`
	Frequently bool `json:"frequently_forwarded"`
	Product    *struct {
		Catalog text `json:"catalog_id"`
		ID      text `json:"product_retailer_id"`
	} `json:"referred_product"`
}

type wireReferral struct {
	URL      text `json:"source_url"`
	ID       text `json:"source_id"`
	Type     text `json:"source_type"`
	Body     text `json:"body"`
	Headline text `json:"headline"`
	Click    text `json:"ctwa_clid"`
}

type wireText struct {
	Body text `json:"body"`
}

type wireMedia struct {
	ID       text `json:"id"`
	MIME     text `json:"mime_type"`
	SHA256   text `json:"sha256"`
	Caption  text `json:"caption"`
	Filename text `json:"filename"`
	Voice    bool `json:"voice"`
	Animated bool `json:"animated"`
}

type wireLocation struct {
	Latitude  degrees `json:"latitude"`
	Longitude degrees `json:"longitude"`
	Name      text    `json:"name"`
	Address   text    `json:"address"`
	URL       text    `json:"url"`
}

type wireButton struct {
	Payload text `json:"payload"`
	Text    text `json:"text"`
}

type wireReaction struct {
	MessageID text `json:"message_id"`
	Emoji     text `json:"emoji"`
}

type wireOrder struct {
	Catalog text `json:"catalog_id"`
	Text    text `json:"text"`
	Items   []struct {
		Product  text `json:"product_retailer_id"`
		Quantity text `json:"quantity"`
		Price    text `json:"item_price"`
		Currency text `json:"currency"`
	} `json:"product_items"`
}

type wireSystem struct {
	Body         text `json:"body"`
	Type         text `json:"type"`
	WaID         text `json:"wa_id"`
	NewWaID      text `json:"new_wa_id"` // before v12
	UserID       text `json:"user_id"`
	ParentUserID text `json:"parent_user_id"`
}

type wireEdit struct {
	Original text `json:"original_message_id"`
	Message  struct {
		Type    text         `json:"type"`
		Context *wireContext `json:"context"`
		wireParts
	} `json:"message"`
}

type wireRevoke struct {
	Original text `json:"original_message_id"`
}

type wireUnsupported struct {
	Type text `json:"type"`
}

type wireError struct {
	Code    text `json:"code"`
	Title   text `json:"title"`
	Message text `json:"message"`
	Data    struct {
		Details text `json:"details"`
	} `json:"error_data"`
	Trace text `json:"fbtrace_id"`
}

func (e *wireError) number() int {
	n, err := strconv.Atoi(string(e.Code))
	if err != nil {
		return 0
	}
	return n
}

// text is a string that may come as a number, a boolean or null.
type text string

// UnmarshalJSON reads any scalar.
func (t *text) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	switch {
	case len(b) == 0 || string(b) == "null":
		*t = ""
	case b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*t = text(s)
	case b[0] == '{' || b[0] == '[':
		return fmt.Errorf("a text was expected where an %s came", map[byte]string{'{': "object", '[': "array"}[b[0]])
	default:
		*t = text(b)
	}
	return nil
}

// stamp is an instant in seconds since 1970, as string or number; 0 = not told.
type stamp int64

// UnmarshalJSON reads seconds, or milliseconds when the number is too large to be seconds.
func (s *stamp) UnmarshalJSON(b []byte) error {
	var t text
	if err := t.UnmarshalJSON(b); err != nil {
		return err
	}
	*s = 0 // Meta's own samples hold words here
	if n, err := strconv.ParseInt(string(t), 10, 64); err == nil && n > 0 {
		if n > 1e11 {
			n /= 1000
		}
		if n <= 1e11 {
			*s = stamp(n)
		}
	}
	return nil
}

func (s stamp) or(other time.Time) time.Time {
	if s == 0 {
		return other
	}
	return time.Unix(int64(s), 0).UTC()
}

// degrees is a number that may come as a string.
type degrees float64

// UnmarshalJSON reads degrees.
func (d *degrees) UnmarshalJSON(b []byte) error {
	var t text
	if err := t.UnmarshalJSON(b); err != nil {
		return err
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(string(t)), 64)
	if err != nil || !(f >= -360 && f <= 360) { // not a number fails, too
		return fmt.Errorf("a number of degrees was expected")
	}
	*d = degrees(f)
	return nil
}

// cut returns t without white space around it and with at most n characters.
func (t text) cut(n int) string { return cut(strings.TrimSpace(string(t)), n) }

// cut returns at most n characters of s.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	count := 0
	for i := range s {
		if count == n {
			return s[:i]
		}
		count++
	}
	return s
}
