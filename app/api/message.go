// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"

	"github.com/labstack/echo/v4"

	"kith/app"
)

// messageJSON is a message or note as programs see it.
type messageJSON struct {
	ID             string           `json:"id"`
	ConversationID string           `json:"conversation_id"`
	Direction      string           `json:"direction"`
	Type           string           `json:"type"`
	Text           string           `json:"text"`
	Content        *contentJSON     `json:"content,omitempty"`
	Attachments    []attachmentJSON `json:"attachments"`
	ReplyTo        *string          `json:"reply_to"`
	Reactions      []reactionJSON   `json:"reactions"`
	Edited         bool             `json:"edited"`
	RevokedAt      stamp            `json:"revoked_at"`
	Forwarded      bool             `json:"forwarded"`
	Status         *string          `json:"status"`
	Error          *errorJSON       `json:"error"`
	ExternalID     *string          `json:"external_id"`
	SentAt         stamp            `json:"sent_at"`
	DeliveredAt    stamp            `json:"delivered_at"`
	ReadAt         stamp            `json:"read_at"`
	Contact        refJSON          `json:"contact"`
	Agent          *refJSON         `json:"agent"`
	CreatedAt      stamp            `json:"created_at"`
	UpdatedAt      stamp            `json:"updated_at"`
}

// contentJSON is what a message holds beside its text.
type contentJSON struct {
	Location    *app.Location    `json:"location,omitempty"`
	Contacts    []app.Card       `json:"contacts,omitempty"`
	Order       *app.Order       `json:"order,omitempty"`
	Choice      *app.Choice      `json:"choice,omitempty"`
	Referral    *app.Referral    `json:"referral,omitempty"`
	Product     *app.Product     `json:"product,omitempty"`
	Template    *app.TemplateUse `json:"template,omitempty"`
	Interactive *app.Interactive `json:"interactive,omitempty"`
	Call        *app.Call        `json:"call,omitempty"`
	System      string           `json:"system,omitempty"`
	Code        int              `json:"code,omitempty"`
	Detail      string           `json:"detail,omitempty"`
}

type attachmentJSON struct {
	Name  string  `json:"name"`
	Type  string  `json:"type"`
	Size  int64   `json:"size"`
	State string  `json:"state"`
	URL   *string `json:"url"`
	Error string  `json:"error,omitempty"`
}

type reactionJSON struct {
	Emoji string   `json:"emoji"`
	Agent *refJSON `json:"agent"` // null for the customer's
	At    stamp    `json:"at"`
}

type errorJSON struct {
	Code   int    `json:"code"`
	Title  string `json:"title"`
	Detail string `json:"detail,omitempty"`
	Advice string `json:"advice,omitempty"`
}

func (n *names) message(m *app.Message, contact refJSON) messageJSON {
	out := messageJSON{
		ID: m.ID.String(), ConversationID: formatID(m.ID.Conversation()), Direction: m.Direction.String(),
		Type: m.Type.String(), Text: m.Content.Text, Content: contentOf(&m.Content), Attachments: attachmentsOf(m),
		ReplyTo: replyTo(m), Reactions: []reactionJSON{}, Edited: len(m.Versions) > 0, RevokedAt: stamp(m.RevokedAt),
		Forwarded: m.Forwarded != app.NotForwarded, Status: orNull(m.Status.String()), ExternalID: orNull(m.ExternalID),
		SentAt: stamp(m.At), DeliveredAt: stamp(m.DeliveredAt), ReadAt: stamp(m.ReadAt), Contact: contact,
		Agent: n.agent(m.Agent), CreatedAt: stamp(m.CreatedAt), UpdatedAt: stamp(max(m.UpdatedAt, m.CreatedAt)),
	}
	if out.Text == "" && m.Content.Template != nil {
		out.Text = m.Content.Template.Text
	}
	if f := m.Failure; f != nil {
		out.Error = &errorJSON{Code: f.Code, Title: f.Title, Detail: f.Detail, Advice: f.Advice}
	}
	for _, r := range m.Reactions {
		re := reactionJSON{Emoji: r.Emoji, At: stamp(r.At)}
		if r.Agent != 0 {
			if re.Agent = n.agent(r.Agent); r.Agent == app.Business {
				re.Agent = &refJSON{}
			}
		}
		out.Reactions = append(out.Reactions, re)
	}
	return out
}

func contentOf(c *app.Content) *contentJSON {
	out := contentJSON{
		Location: c.Location, Contacts: c.Cards, Order: c.Order, Choice: c.Choice, Referral: c.Referral, Product: c.Product,
		Template: c.Template, Interactive: c.Interactive, Call: c.Call, System: c.System, Code: c.Code, Detail: c.Detail,
	}
	empty := c.Location == nil && len(c.Cards) == 0 && c.Order == nil && c.Choice == nil && c.Referral == nil &&
		c.Product == nil && c.Template == nil && c.Interactive == nil && c.Call == nil &&
		c.System == "" && c.Code == 0 && c.Detail == ""
	if empty {
		return nil
	}
	return &out
}

func attachmentsOf(m *app.Message) []attachmentJSON {
	out := make([]attachmentJSON, len(m.Attachments))
	for i, at := range m.Attachments {
		out[i] = attachmentJSON{Name: at.Name, Type: at.MIME, Size: at.Size, State: at.State.String(), Error: at.Problem}
		if at.State == app.AttachmentReady {
			url := fmt.Sprintf("/api/v1/messages/%s/attachments/%d", m.ID, i)
			out[i].URL = &url
		}
	}
	return out
}

func replyTo(m *app.Message) *string {
	if m.ReplyTo.Seq == 0 {
		return nil
	}
	return orNull(m.ReplyTo.String())
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (x *API) listMessages(c echo.Context, a app.Actor) error {
	n, err := numberIn(c, 64)
	if err != nil {
		return err
	}
	limit, err := limitOf(c)
	if err != nil {
		return err
	}
	cursor, err := cursorOf(c)
	if err != nil {
		return err
	}
	var before app.MessageID
	if cursor != "" {
		if before, err = app.ParseMessageID(cursor); err != nil || before.Group != n {
			return badCursor()
		}
	}
	ctx := c.Request().Context()
	line, err := x.desk.Conversation(ctx, a, app.ConversationID(n))
	if err != nil {
		return err
	}
	page, err := x.desk.Messages(ctx, a, app.ConversationID(n), before, limit)
	if err != nil {
		return err
	}
	all, err := x.names(ctx)
	if err != nil {
		return err
	}
	contact := refJSON{ID: formatID(line.Contact), Name: line.Name}
	out := make([]messageJSON, 0, len(page.Messages))
	for _, m := range slices.Backward(page.Messages) {
		out = append(out, all.message(&m, contact))
	}
	next := ""
	if page.Older.Seq != 0 {
		next = page.Older.String()
	}
	return answerList(c, out, next)
}

func (x *API) getMessage(c echo.Context, a app.Actor) error {
	mid, err := app.ParseMessageID(c.Param("id"))
	if err != nil {
		return err
	}
	m, err := x.desk.Message(c.Request().Context(), a, mid)
	if err != nil {
		return err
	}
	return x.answerMessage(c, a, http.StatusOK, m)
}

func (x *API) answerMessage(c echo.Context, a app.Actor, status int, m *app.Message) error {
	ctx := c.Request().Context()
	all, err := x.names(ctx)
	if err != nil {
		return err
	}
	line, err := x.desk.Conversation(ctx, a, m.ID.Conversation())
	if err != nil {
		return err
	}
	return c.JSON(status, all.message(m, refJSON{ID: formatID(line.Contact), Name: line.Name}))
}

// getAttachment hands out a file; parts of it on request. A browser that is led here shows nothing of it.
func (x *API) getAttachment(c echo.Context, a app.Actor) error {
	mid, err := app.ParseMessageID(c.Param("id"))
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(c.Param("n"))
	if err != nil {
		return echo.ErrNotFound
	}
	blob, at, err := x.desk.Attachment(c.Request().Context(), a, mid, n)
	if err != nil {
		return err
	}
	defer blob.Close() //nolint:errcheck // it was only read
	h := c.Response().Header()
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set(echo.HeaderContentDisposition, mime.FormatMediaType("attachment", map[string]string{"filename": at.Name}))
	h.Set(echo.HeaderContentType, "application/octet-stream")
	if at.MIME != "" {
		h.Set(echo.HeaderContentType, at.MIME)
	}
	file := io.NewSectionReader(blob, 0, blob.Size())
	http.ServeContent(c.Response(), c.Request(), "", app.Instant(0).Time(), file)
	return nil
}
