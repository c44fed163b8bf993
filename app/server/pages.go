// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"kith/app/channel/simulator"
	"kith/ui"
	"kith/ui/layout"
	simulatorpage "kith/ui/simulator"
)

// GraphPath is where the simulator answers as Meta's Graph API does.
const GraphPath = "/simulator/graph"

// pages adds the web interface and, while there is one, the simulator with its page.
func (s *Server) pages(e *echo.Echo) {
	d := ui.Deps{
		Desk: s.o.Desk, Auth: s.o.Auth, Replay: s.o.Hooks.Replay, Secure: s.o.Ports.Secure(), Base: s.o.Ports.URL(), Log: s.log,
	}
	if w := s.o.Simulator; w != nil {
		d.Simulator = simulatorPages(w)
		e.Any(GraphPath+"/*", echo.WrapHandler(http.StripPrefix(GraphPath, w.Graph())))
	}
	ui.Register(e, d)
	s.errorPage = ui.ErrorPage(d)
}

func simulatorPages(w *simulator.World) func(*echo.Group, func(echo.Context, string) layout.View) {
	return func(g *echo.Group, view func(echo.Context, string) layout.View) {
		simulatorpage.Register(g, simulatorpage.Deps{World: w, View: view})
	}
}
