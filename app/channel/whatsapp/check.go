// SPDX-License-Identifier: Apache-2.0

package whatsapp

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"kith/app"
	"kith/app/channel"
)

// refuse is a message that WhatsApp would not take: it is told before anything is sent.
func refuse(advice, format string, args ...any) *channel.SendError {
	return &channel.SendError{
		Class: channel.Refused, Failure: app.Failure{Title: fmt.Sprintf(format, args...), Advice: advice},
	}
}

// check refuses what breaks WhatsApp's limits (PROTOCOLS 1.7).
func check(m *channel.Outgoing) error {
	checks := map[app.MessageType]func(*channel.Outgoing) *channel.SendError{
		app.TypeText: checkText, app.TypeReaction: checkReaction, app.TypeLocation: checkLocation,
		app.TypeContacts: checkContacts, app.TypeTemplate: checkTemplate, app.TypeInteractive: checkInteractive,
		app.TypeImage: checkFile, app.TypeVideo: checkFile, app.TypeAudio: checkFile, app.TypeVoice: checkFile,
		app.TypeDocument: checkFile, app.TypeSticker: checkFile,
	}
	fn, ok := checks[m.Type]
	if !ok {
		return refuse(AdviceRequest, "WhatsApp takes no message of the type %s.", m.Type)
	}
	if len(m.Callback) > callbackMax {
		return refuse(AdviceRequest, "The callback is longer than %d characters.", callbackMax)
	}
	if len(m.Files) > 0 && !m.Type.Media() && m.Type != app.TypeTemplate {
		return refuse(AdviceFile, "A message of the type %s carries no file.", m.Type)
	}
	if err := fn(m); err != nil {
		return err
	}
	return nil
}

// long refuses a text that has too many characters.
func long(what, s string, limit int) *channel.SendError {
	if n := utf8.RuneCountInString(s); n > limit {
		return refuse(AdviceTooLong, "%s has %d characters; WhatsApp takes at most %d.", what, n, limit)
	}
	return nil
}

// firstError returns the first that is not nil.
func firstError(errs ...*channel.SendError) *channel.SendError {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func checkText(m *channel.Outgoing) *channel.SendError {
	if strings.TrimSpace(m.Content.Text) == "" {
		return refuse(AdviceRequest, "The message is empty.")
	}
	return long("The message", m.Content.Text, textLimit)
}

func checkReaction(m *channel.Outgoing) *channel.SendError {
	if m.React == "" {
		return refuse(AdviceRequest, "The reaction names no message.")
	}
	return long("The reaction", m.Content.Text, 64)
}

func checkLocation(m *channel.Outgoing) *channel.SendError {
	l := m.Content.Location
	if l == nil || l.Latitude < -90 || l.Latitude > 90 || l.Longitude < -180 || l.Longitude > 180 {
		return refuse(AdviceRequest, "The location needs a latitude from -90 to 90 and a longitude from -180 to 180.")
	}
	return nil
}

func checkContacts(m *channel.Outgoing) *channel.SendError {
	if len(m.Content.Cards) == 0 {
		return refuse(AdviceRequest, "The message holds no contact card.")
	}
	for _, c := range m.Content.Cards {
		if strings.TrimSpace(c.Name) == "" {
			return refuse(AdviceRequest, "A contact card needs a name.")
		}
	}
	return nil
}

func checkFile(m *channel.Outgoing) *channel.SendError {
	if len(m.Files) != 1 || m.Files[0].Body == nil {
		return refuse(AdviceFile, "A message of the type %s carries exactly one file.", m.Type)
	}
	if m.Content.Text != "" && (m.Type == app.TypeAudio || m.Type == app.TypeVoice || m.Type == app.TypeSticker) {
		return refuse(AdviceRequest, "WhatsApp takes no caption with a message of the type %s; send it as a message of its own.", m.Type)
	}
	return firstError(checkSize(m.Type, &m.Files[0]), long("The caption", m.Content.Text, captionLimit))
}

func checkSize(t app.MessageType, f *channel.File) *channel.SendError {
	limit, err := fileLimit(t, f.MIME)
	if err != nil {
		return refuse(AdviceFile, "%s.", err.Error())
	}
	if f.Size == 0 {
		return refuse(AdviceFile, "The file is empty.")
	}
	if f.Size > limit {
		return refuse(AdviceFile, "The file is too large: WhatsApp takes %s.", fileRules[t].tell)
	}
	return nil
}

func checkTemplate(m *channel.Outgoing) *channel.SendError {
	t := m.Content.Template
	if t == nil || t.Name == "" || t.Language == "" {
		return refuse(AdviceRequest, "The template needs a name and a language.")
	}
	if len(m.Files) > 1 {
		return refuse(AdviceFile, "The header of a template carries at most one file.")
	}
	if len(m.Files) == 1 {
		if err := checkSize(fileType(m), &m.Files[0]); err != nil {
			return err
		}
	}
	for _, list := range [][]app.Field{t.Header, t.Body, t.Buttons} {
		for _, f := range list {
			if strings.TrimSpace(f.Value) == "" {
				return refuse(AdviceVariables, "A variable of the template %s is empty.", t.Name)
			}
		}
	}
	for _, b := range t.Buttons {
		index, kind := buttonOf(b.Name)
		if len(index) != 1 || index[0] < '0' || index[0] > '9' || buttonParameter(kind) == "" {
			return refuse(AdviceVariables, "A button of the template %s must be named by its index from 0 to 9.", t.Name)
		}
	}
	return nil
}

func checkInteractive(m *channel.Outgoing) *channel.SendError {
	i := m.Content.Interactive
	if i == nil || (len(i.Buttons) == 0) == (len(i.Rows) == 0) {
		return refuse(AdviceRequest, "The message needs either buttons or a list.")
	}
	if strings.TrimSpace(m.Content.Text) == "" {
		return refuse(AdviceRequest, "A message with buttons or a list needs a text.")
	}
	if err := firstError(long("The header", i.Header, 60), long("The footer", i.Footer, 60)); err != nil {
		return err
	}
	if len(i.Buttons) > 0 {
		return checkButtons(m.Content.Text, i)
	}
	return checkRows(m.Content.Text, i)
}

func checkButtons(body string, i *app.Interactive) *channel.SendError {
	if len(i.Buttons) > 3 {
		return refuse(AdviceTooLong, "The message has %d buttons; WhatsApp takes at most 3.", len(i.Buttons))
	}
	return firstError(long("The text above the buttons", body, 1024), checkOptions("button", i.Buttons, 256, 20))
}

func checkRows(body string, i *app.Interactive) *channel.SendError {
	if len(i.Rows) > 10 {
		return refuse(AdviceTooLong, "The list has %d rows; WhatsApp takes at most 10.", len(i.Rows))
	}
	if strings.TrimSpace(i.Button) == "" {
		return refuse(AdviceRequest, "The list needs a caption for the button that opens it.")
	}
	return firstError(
		long("The text above the list", body, 4096), long("The button that opens the list", i.Button, 20),
		checkOptions("row", i.Rows, 200, 24),
	)
}

func checkOptions(what string, list []app.Option, idLimit, titleLimit int) *channel.SendError {
	ids, titles := map[string]bool{}, map[string]bool{}
	for _, o := range list {
		if o.ID == "" || strings.TrimSpace(o.Title) == "" {
			return refuse(AdviceRequest, "Each %s needs an id and a title.", what)
		}
		if ids[o.ID] || (what == "button" && titles[o.Title]) {
			return refuse(AdviceRequest, "Two %ss are the same; WhatsApp wants them different.", what)
		}
		ids[o.ID], titles[o.Title] = true, true
		err := firstError(
			long("The id of a "+what, o.ID, idLimit), long("The title of a "+what, o.Title, titleLimit),
			long("The description of a "+what, o.Description, 72),
		)
		if err != nil {
			return err
		}
	}
	return nil
}
