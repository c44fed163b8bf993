// SPDX-License-Identifier: Apache-2.0

package server

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"kith/app"
	"kith/app/api"
	"kith/app/apptest"
	"kith/app/auth"
	"kith/app/channel/all"
	"kith/app/ingress"
	"kith/store"
	"kith/ui"
)

// access says who may use a route, as the table below does. A route without a line fails the test: whoever adds one
// says who may use it, and whether it names something that can be out of somebody's sight.
type access struct {
	may    app.Permission // 0 = everybody who has a key or is signed in
	body   string         // a request that is not refused for its form
	open   bool           // also for strangers
	status int            // when an own thing is answered otherwise than with success
	hidden int            // when a thing out of sight is answered otherwise than with 404
	part   bool           // asked by the script of a page
}

// matrix is every route. In a path, conversation, contact, message and inbox stand for things of an inbox that the
// actor sees ("own"), and for those of one that they do not see ("other").
var matrix = map[string]access{
	"GET /api/v1/openapi.json":                             {open: true},
	"GET /api/v1/agents":                                   {},
	"GET /api/v1/labels":                                   {},
	"GET /api/v1/inboxes":                                  {},
	"GET /api/v1/alarms":                                   {may: app.MayAudit},
	"GET /api/v1/audit":                                    {may: app.MayAudit},
	"GET /api/v1/contacts":                                 {may: app.MaySeeContacts},
	"POST /api/v1/contacts":                                {may: app.MayContacts, body: `{"name":"Sample Customer"}`},
	"GET /api/v1/contacts/:contact":                        {may: app.MaySeeContacts},
	"PATCH /api/v1/contacts/:contact":                      {may: app.MayContacts, body: `{}`},
	"DELETE /api/v1/contacts/:contact":                     {may: app.MayErase},
	"POST /api/v1/contacts/:contact/reveal":                {may: app.MayReveal},
	"GET /api/v1/conversations":                            {may: app.MayRead},
	"GET /api/v1/conversations/:conversation":              {may: app.MayRead},
	"PATCH /api/v1/conversations/:conversation":            {may: app.MayConverse, body: `{"status":"open"}`},
	"GET /api/v1/conversations/:conversation/messages":     {may: app.MayRead},
	"POST /api/v1/conversations/:conversation/messages":    {may: app.MayConverse, body: `{"note":"seen"}`},
	"GET /api/v1/messages/:message":                        {may: app.MayRead},
	"GET /api/v1/messages/:message/attachments/0":          {may: app.MayRead, status: http.StatusNotFound},
	"GET /api/v1/inboxes/:inbox/notices":                   {may: app.MaySeeChannels},
	"GET /api/v1/inboxes/:inbox/templates":                 {may: app.MayRead},
	"GET /api/v1/inboxes/:inbox/unreadable":                {may: app.MaySeeChannels},
	"POST /api/v1/inboxes/:inbox/unreadable/:entry/replay": {may: app.MayInboxes, status: http.StatusNotFound},
	"GET /api/v1/search?q=only":                            {may: app.MayRead},
	"GET /":                                                {open: true},
	"GET /assets/*":                                        {open: true, status: http.StatusNotFound},
	"GET /claim/:token":                                    {open: true, status: http.StatusNotFound},
	"POST /claim/:token":                                   {open: true, status: http.StatusNotFound},
	"GET /sign-in":                                         {open: true},
	"POST /sign-in":                                        {open: true, status: http.StatusUnprocessableEntity},
	"POST /sign-out":                                       {open: true},
	"GET /invite/:token":                                   {open: true, status: http.StatusNotFound},
	"POST /invite/:token":                                  {open: true, status: http.StatusNotFound},
	"GET /sign-in/second":                                  {},
	"POST /sign-in/second":                                 {},
	"GET /sign-in/set-up":                                  {},
	"POST /sign-in/set-up":                                 {body: "code=1", status: http.StatusUnprocessableEntity},
	"GET /prove":                                           {},
	"POST /prove":                                          {body: "word=x", status: http.StatusUnprocessableEntity},
	"GET /account":                                         {},
	"POST /account":                                        {body: "name=Sample"},
	"POST /account/email":                                  {body: "email=x", status: http.StatusUnprocessableEntity},
	"POST /account/export":                                 {},
	"POST /account/leave":                                  {body: "leave=false"},
	"POST /account/news":                                   {},
	"POST /account/password":                               {body: "password=x", status: http.StatusUnprocessableEntity},
	"POST /account/presence":                               {body: "away=false"},
	"POST /account/recovery":                               {status: http.StatusUnprocessableEntity},
	"POST /account/second/remove":                          {},
	"POST /account/sessions/0/end":                         {},
	"POST /account/sessions/end":                           {},
	"GET /settings/people":                                 {may: app.MayAgents},
	"POST /settings/people":                                {may: app.MayAgents, body: "role=x", status: http.StatusUnprocessableEntity},
	"GET /settings/people/0":                               {may: app.MayAgents, status: http.StatusNotFound},
	"POST /settings/people/0/disable":                      {may: app.MayAgents, status: http.StatusNotFound},
	"POST /settings/people/0/enable":                       {may: app.MayAgents, status: http.StatusNotFound},
	"POST /settings/people/0/link":                         {may: app.MayAgents, status: http.StatusNotFound},
	"POST /settings/people/0/role":                         {may: app.MayAgents, body: "role=agent", status: http.StatusNotFound},
	"POST /settings/people/0/second":                       {may: app.MayAgents, status: http.StatusNotFound},
	"POST /settings/people/0/sign-out":                     {may: app.MayAgents, status: http.StatusNotFound},
	"POST /settings/sign-in":                               {may: app.MayAgents, body: "second=9", status: http.StatusUnprocessableEntity},
	"POST /settings/teams":                                 {may: app.MayAgents, body: "team=", status: http.StatusUnprocessableEntity},
	"POST /settings/teams/0":                               {may: app.MayAgents, body: "team=x", status: http.StatusNotFound},
	"POST /settings/teams/0/remove":                        {may: app.MayAgents, status: http.StatusNotFound},
	"POST /preferences":                                    {open: true},
	"GET /preferences":                                     {},
	"GET /gallery":                                         {},
	"GET /marks":                                           {},
	"GET /live":                                            {may: app.MayRead},
	"GET /channels":                                        {may: app.MaySeeChannels},
	"GET /channels/connect":                                {may: app.MaySeeChannels},
	"GET /channels/:inbox":                                 {may: app.MaySeeChannels},
	"POST /channels/:inbox/token":                          {may: app.MayInboxes, body: "token=x"},
	"POST /channels/:inbox/unreadable/:entry/replay":       {may: app.MayInboxes, status: http.StatusUnprocessableEntity},
	"GET /files/:message/0":                                {may: app.MayRead, status: http.StatusNotFound},
	"GET /inbox":                                           {may: app.MayRead},
	"GET /inbox/rows":                                      {may: app.MayRead},
	"GET /inbox/:conversation":                             {may: app.MayRead},
	"GET /inbox/:conversation/composer":                    {may: app.MayRead, part: true},
	"GET /inbox/:conversation/messages/:message":           {may: app.MayRead},
	"GET /inbox/:conversation/templates":                   {may: app.MayRead},
	"GET /inbox/:conversation/templates/preview":           {may: app.MayRead},
	"GET /inbox/:conversation/update":                      {may: app.MayRead, hidden: http.StatusSeeOther},
	"POST /inbox/:conversation/assign":                     {may: app.MayConverse, body: "agent=0"},
	"POST /inbox/:conversation/contact":                    {may: app.MayContacts, body: "name=Sample"},
	"POST /inbox/:conversation/reveal":                     {may: app.MayReveal},
	"POST /inbox/:conversation/draft":                      {may: app.MayRead, body: "text=x"},
	"POST /inbox/:conversation/labels":                     {may: app.MayConverse, body: "label="},
	"POST /inbox/:conversation/messages/:message/cancel":   {may: app.MayConverse, status: http.StatusConflict},
	"POST /inbox/:conversation/messages/:message/react":    {may: app.MayConverse, body: "emoji=x"},
	"POST /inbox/:conversation/messages/:message/resend":   {may: app.MayConverse, status: http.StatusConflict},
	"POST /inbox/:conversation/reply":                      {may: app.MayConverse, body: "note=1&text=x"},
	"POST /inbox/:conversation/status":                     {may: app.MayConverse, body: "status=open"},
}

// shape makes the path of a line and that of the router alike.
func shape(method, path string) string {
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, ":") || p == "0" {
			parts[i] = ":"
		}
	}
	return method + " " + strings.Join(parts, "/")
}

// gatehouse serves every route for whoever knocks.
type gatehouse struct {
	*apptest.Sample
	t          *testing.T
	auth       *auth.Auth
	who        app.Actor // who knocks with a browser; nobody is the zero Actor
	token      string    // of their session
	echo       *echo.Echo
	own, other map[string]string
	second     app.InboxID
}

func newGatehouse(t *testing.T) *gatehouse {
	t.Helper()
	s := apptest.NewDesk(t)
	g := &gatehouse{Sample: s, t: t, echo: echo.New()}
	g.auth = auth.New(s.DB, s.Desk, auth.Options{Now: func() time.Time { return apptest.Start }})
	hooks := ingress.New(s.Desk, all.All(), nil)
	g.echo.HTTPErrorHandler = func(err error, c echo.Context) { _ = c.NoContent(api.FaultOf(err).Status) }
	api.Register(g.echo, api.Deps{Desk: s.Desk, Auth: g.auth, Replay: hooks.Replay})
	ui.Register(g.echo, ui.Deps{Desk: s.Desk, Auth: g.auth, Replay: hooks.Replay, Now: func() time.Time { return apptest.Start }})
	in, err := s.Desk.AddInbox(t.Context(), s.Owner, app.NewInbox{Kind: "whatsapp", Name: "Second", Address: "2064"})
	if err != nil {
		t.Fatal(err)
	}
	g.second = in.ID
	for i := range 2 {
		err := s.Desk.Receive(t.Context(), in.ID, app.Inbound{Messages: []app.InboundMessage{{
			ExternalID: fmt.Sprint("second-", i), Direction: app.In, Type: app.TypeText, At: apptest.Start,
			Content: app.Content{Text: "only here"}, Person: app.Person{Name: "Second Customer", Identities: []app.Identity{
				{Kind: app.IdentityPhone, Value: "+628125550199"},
			}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	g.own, g.other = g.things(in.ID), g.things(s.Inbox)
	return g
}

// things are what the words of a path stand for in an inbox.
func (g *gatehouse) things(in app.InboxID) map[string]string {
	lines, _, err := g.Desk.Conversations(g.t.Context(), app.Host(), app.ConversationQuery{Inbox: in, Limit: 1})
	if err != nil || len(lines) != 1 {
		g.t.Fatal(len(lines), err)
	}
	page, err := g.Desk.Messages(g.t.Context(), app.Host(), lines[0].ID, app.MessageID{}, 50)
	if err != nil {
		g.t.Fatal(err)
	}
	i := slices.IndexFunc(page.Messages, func(m app.Message) bool { return m.Direction == app.In && m.ExternalID != "" })
	entry := app.MessageID{DayKey: store.DayKey{Class: store.Ingress, Day: 1}, Group: uint64(in), Seq: 1}
	return map[string]string{
		":conversation": fmt.Sprint(uint64(lines[0].ID)), ":contact": fmt.Sprint(lines[0].Contact), ":inbox": fmt.Sprint(uint64(in)),
		":message": page.Messages[i].ID.String(), ":entry": entry.String(), ":token": "x",
	}
}

// actor makes a person and a key with the role who see the second inbox only.
func (g *gatehouse) actor(role app.Role) (who app.Actor, key string) {
	ctx := g.t.Context()
	p, err := g.auth.AddAgent(ctx, app.Host(), app.NewAgent{Email: role.String() + "@matrix.example", Name: "Sample Agent", Role: role}, secretWords)
	if err != nil {
		g.t.Fatal(err)
	}
	key, k, err := g.auth.AddKey(ctx, app.Host(), auth.NewKey{Name: "matrix", Role: role})
	if err != nil {
		g.t.Fatal(err)
	}
	for _, one := range []struct {
		agent app.AgentID
		key   uint64
	}{{p.ID, 0}, {0, k.ID}} {
		if err := g.Desk.SetScope(ctx, app.Host(), one.agent, one.key, app.Scope{Inboxes: []app.InboxID{g.second}}); err != nil {
			g.t.Fatal(err)
		}
	}
	return app.Actor{Kind: app.ActorAgent, ID: uint64(p.ID), Role: role}, key
}

const secretWords = "four words for the matrix"

// session returns the token of whoever knocks with a browser; a line may have ended the session before.
func (g *gatehouse) session() string {
	if g.who == (app.Actor{}) {
		return ""
	}
	if a, _, err := g.auth.Authenticate(g.t.Context(), g.token); err == nil && a.ID == g.who.ID {
		return g.token
	}
	var err error
	if g.token, err = g.auth.SignIn(g.t.Context(), g.who.Role.String()+"@matrix.example", secretWords, "192.0.2.7"); err != nil {
		g.t.Fatal(err)
	}
	return g.token
}

// ask sends the request of a line about things and returns the status.
func (g *gatehouse) ask(line string, a access, things map[string]string, key string) int {
	method, path, _ := strings.Cut(line, " ")
	if method == http.MethodDelete && things[":inbox"] == g.own[":inbox"] { // what is erased is not needed again
		c, err := g.Desk.AddContact(g.t.Context(), app.Host(), app.ContactInput{Name: &line})
		if err != nil {
			g.t.Fatal(err)
		}
		things = maps.Clone(things)
		things[":contact"] = fmt.Sprint(c.ID)
	}
	for word, value := range things {
		path = strings.ReplaceAll(path, word, value)
	}
	ctx, cancel := context.WithCancel(g.t.Context())
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, method, strings.ReplaceAll(path, "*", "none"), strings.NewReader(a.body))
	r.Header.Set(echo.HeaderContentType, echo.MIMEApplicationForm)
	r.RemoteAddr = fmt.Sprintf("192.0.2.%d:7", g.who.Role) // wrong passwords of one do not slow the next
	if token := g.session(); token != "" {
		r.AddCookie(&http.Cookie{Name: "kith-s", Value: token})
	}
	if strings.HasPrefix(path, "/api/") {
		r.Header.Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
		r.Header.Set(echo.HeaderAuthorization, "Bearer "+key)
	}
	if a.part {
		r.Header.Set("HX-Request", "true")
	}
	w := &firstWords{ResponseRecorder: httptest.NewRecorder(), stop: cancel}
	g.echo.ServeHTTP(w, r)
	return w.Code
}

// firstWords ends a stream once it has begun.
type firstWords struct {
	*httptest.ResponseRecorder
	stop context.CancelFunc
}

func (w *firstWords) Write(b []byte) (int, error) {
	if strings.HasPrefix(w.Header().Get(echo.HeaderContentType), "text/event-stream") {
		w.stop()
	}
	return w.ResponseRecorder.Write(b)
}

// TestEveryRouteHasALine fails for a route of the server that the matrix does not have.
func TestEveryRouteHasALine(t *testing.T) {
	g := newGatehouse(t)
	lines := map[string]bool{}
	for line := range matrix {
		method, path, _ := strings.Cut(line, " ")
		lines[shape(method, path)] = true
	}
	served := map[string]bool{}
	for _, r := range g.echo.Routes() {
		served[shape(r.Method, r.Path)] = true
		if !lines[shape(r.Method, r.Path)] {
			t.Errorf("%s %s has no line in the matrix: say who may use it", r.Method, r.Path)
		}
	}
	for line := range lines {
		if !served[line] {
			t.Errorf("%s has a line in the matrix and is no route", line)
		}
	}
}

// TestMatrix asks every route as every role, about what the actor sees and what they do not.
func TestMatrix(t *testing.T) {
	g := newGatehouse(t)
	asked := 0
	for _, role := range app.BuiltInRoles() {
		who, key := g.actor(role)
		g.who = who
		for line, a := range matrix {
			names := slices.ContainsFunc(slices.Collect(maps.Keys(g.own)), func(w string) bool {
				return w != ":token" && strings.Contains(line, w)
			})
			allowed := a.open || a.may == 0 || who.May(a.may)
			if line == "GET /live" {
				allowed = who.May(app.MayRead) || who.May(app.MaySeeChannels)
			}
			for about, things := range map[string]map[string]string{"own": g.own, "other": g.other} {
				got := g.ask(line, a, things, key)
				asked++
				if want := wanted(a, allowed, names && about == "other"); !want(got) {
					t.Errorf("%s as %s about %s: %d", line, role, about, got)
				}
			}
		}
	}
	g.who = app.Actor{}
	for line, a := range matrix {
		if got := g.ask(line, a, g.own, "kith_1_none"); !a.open && got != http.StatusUnauthorized && got != http.StatusSeeOther {
			t.Errorf("%s as a stranger: %d", line, got)
		}
	}
	t.Logf("%d questions", asked)
}

// wanted returns what the status has to be.
func wanted(a access, allowed, hidden bool) func(int) bool {
	return func(got int) bool {
		switch {
		case a.open && a.status == 0:
			return got < http.StatusBadRequest
		case !allowed && hidden:
			return got == http.StatusForbidden || got == http.StatusNotFound
		case !allowed:
			return got == http.StatusForbidden
		case hidden:
			return got == cmp.Or(a.hidden, http.StatusNotFound)
		case a.status != 0:
			return got == a.status
		}
		return got < http.StatusBadRequest
	}
}
