// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"kith/app/channel/simulator"
	"kith/ui/component"
	"kith/ui/render"
)

// network sets how unruly the network is and what goes wrong next.
func (s site) network(c echo.Context) error {
	customer := c.FormValue("customer")
	p, err := s.prepare(c, customer)
	if err != nil {
		return err
	}
	chaos, known := modes[c.FormValue("mode")]
	times, err := strconv.Atoi(c.FormValue("times"))
	if !known || err != nil || s.World.SetTrouble(c.FormValue("trouble"), times) != nil {
		return s.answer(c, customer, p.view, "simulator.error_unknown")
	}
	s.World.SetChaos(chaos())
	if !render.IsFragment(c) {
		return c.Redirect(http.StatusSeeOther, to(customer, "network"))
	}
	return s.answer(c, customer, p.view, "")
}

var modes = map[string]func() simulator.Chaos{"calm": simulator.Calm, "lively": simulator.Lively}

func modeOf(c simulator.Chaos) string {
	if c == simulator.Lively() {
		return "lively"
	}
	return "calm"
}

func (p screen) modeOptions() []component.Option {
	now := modeOf(p.chaos)
	return []component.Option{
		{Value: "calm", Label: p.l.T("simulator.mode_calm"), Selected: now == "calm"},
		{Value: "lively", Label: p.l.T("simulator.mode_lively"), Selected: now == "lively"},
	}
}

func (p screen) troubleOptions() []component.Option {
	out := []component.Option{{Label: p.l.T("simulator.trouble_none"), Selected: p.trouble.Name == ""}}
	for _, t := range simulator.Troubles() {
		label := p.troubleName(t)
		if t.Code != 0 {
			label = strconv.Itoa(t.Code) + " · " + label
		}
		out = append(out, component.Option{Value: t.Name, Label: label, Selected: t.Name == p.trouble.Name})
	}
	return out
}

// troubleName says a trouble in words.
func (p screen) troubleName(t simulator.Trouble) string { return p.l.T("simulator.trouble_" + t.Name) }

func (p screen) timesOptions() []component.Option {
	out := make([]component.Option, 0, 3)
	for _, n := range []int{1, 3} {
		out = append(out, component.Option{Value: strconv.Itoa(n), Label: p.l.T("simulator.times", "count", n), Selected: p.left == n})
	}
	return append(out, component.Option{Value: "-1", Label: p.l.T("simulator.times_all"), Selected: p.left < 0})
}

// post is one line of the record of webhooks.
type post struct {
	at, stamp, text string
	chips           []component.ChipProps
}

func (p screen) postLine(d simulator.Delivery) post {
	out := post{at: p.l.Time(d.At), stamp: stamp(d.At)}
	answer := component.ChipProps{Label: strconv.Itoa(d.Status), Kind: component.OK}
	switch {
	case d.Status == 0:
		answer = component.ChipProps{Label: p.l.T("simulator.no_answer"), Kind: component.Danger}
	case d.Forged && d.Status == http.StatusUnauthorized: // as it must be
	case d.Status != http.StatusOK:
		answer.Kind = component.Danger
	}
	out.chips = append(out.chips, answer)
	if d.Forged {
		out.chips = append(out.chips, component.ChipProps{Label: p.l.T("simulator.forged"), Kind: component.Warn})
	}
	if d.Duplicate {
		out.chips = append(out.chips, component.ChipProps{Label: p.l.T("simulator.duplicate"), Kind: component.Info})
	}
	if d.Attempt > 1 {
		out.chips = append(out.chips, component.ChipProps{Label: p.l.T("simulator.attempt", "count", d.Attempt), Kind: component.Warn})
	}
	out.text = p.l.Bytes(int64(d.Bytes))
	return out
}
