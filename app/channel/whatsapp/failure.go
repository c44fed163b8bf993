// SPDX-License-Identifier: Apache-2.0

package whatsapp

import (
	"net/http"
	"time"

	"kith/app/channel"
)

// What a person can do about a failure, as keys of the catalogues.
const (
	AdviceToken       = "advice.token"
	AdviceAccount     = "advice.account"
	AdviceCountry     = "advice.country"
	AdvicePayment     = "advice.payment"
	AdviceName        = "advice.display_name"
	AdviceRegister    = "advice.register"
	AdviceAddress     = "advice.api_address"
	AdviceLater       = "advice.later"
	AdviceMaintenance = "advice.maintenance"
	AdviceSlower      = "advice.slower"
	AdviceSpam        = "advice.spam"
	AdviceTemplate    = "advice.template"
	AdvicePhone       = "advice.phone"
	AdviceFile        = "advice.file"
	AdviceFileGone    = "advice.file_gone"
	AdviceRequest     = "advice.request"
	AdviceSelf        = "advice.self"
	AdviceVariables   = "advice.variables"
	AdviceNoTemplate  = "advice.no_template"
	AdviceTooLong     = "advice.too_long"
	AdvicePolicy      = "advice.policy"
	AdvicePaused      = "advice.template_paused"
	AdviceDisabled    = "advice.template_disabled"
	AdviceFlow        = "advice.flow"
	AdviceUnreachable = "advice.unreachable"
	AdviceRestricted  = "advice.restricted"
	AdviceStopped     = "advice.stopped"
	AdviceHeldBack    = "advice.held_back"
	AdviceExperiment  = "advice.experiment"
	AdviceUnknown     = "advice.unknown"
	AdviceUnexplained = "advice.unexplained"
)

// verdict is what to do about a code.
type verdict struct {
	class  channel.Class
	advice string
	tries  int
	wait   time.Duration
}

// maxTries is how often a message is tried at most when the trouble is Meta's (PROTOCOLS 1.10).
const maxTries = 6

// verdicts are the codes of PROTOCOLS 1.10. The same codes come as answers and, later, in statuses.
var verdicts = map[int]verdict{
	0:      {class: channel.Stop, advice: AdviceToken},
	3:      {class: channel.Stop, advice: AdviceToken},
	10:     {class: channel.Stop, advice: AdviceToken},
	190:    {class: channel.Stop, advice: AdviceToken},
	131005: {class: channel.Stop, advice: AdviceToken},
	368:    {class: channel.Stop, advice: AdviceAccount},
	131031: {class: channel.Stop, advice: AdviceAccount},
	130497: {class: channel.Stop, advice: AdviceCountry},
	131042: {class: channel.Stop, advice: AdvicePayment},
	131037: {class: channel.Stop, advice: AdviceName},
	131045: {class: channel.Stop, advice: AdviceRegister},
	133010: {class: channel.Stop, advice: AdviceRegister},

	1:      {class: channel.Again, advice: AdviceLater, tries: maxTries},
	2:      {class: channel.Again, advice: AdviceLater, tries: maxTries},
	131000: {class: channel.Again, advice: AdviceLater, tries: 3},
	131016: {class: channel.Again, advice: AdviceLater, tries: maxTries},
	133004: {class: channel.Again, advice: AdviceLater, tries: maxTries},
	135000: {class: channel.Again, advice: AdviceLater, tries: 2},
	131057: {class: channel.Again, advice: AdviceMaintenance, tries: maxTries, wait: time.Minute},
	134101: {class: channel.Again, advice: AdviceLater, tries: maxTries, wait: 10 * time.Minute},

	4:      {class: channel.SlowDown, advice: AdviceSlower},
	80007:  {class: channel.SlowDown, advice: AdviceSlower},
	130429: {class: channel.SlowDown, advice: AdviceSlower},
	131048: {class: channel.SlowDown, advice: AdviceSpam, wait: 15 * time.Minute},
	133016: {class: channel.SlowDown, advice: AdviceSlower},
	131056: {class: channel.SlowPair, advice: AdviceSlower},

	131047: {class: channel.Refused, advice: AdviceTemplate},
	131062: {class: channel.Refused, advice: AdvicePhone},
	131051: {class: channel.Refused, advice: AdviceFile},
	131053: {class: channel.Refused, advice: AdviceFile},
	131052: {class: channel.Refused, advice: AdviceFileGone},

	33:     {class: channel.Refused, advice: AdviceRegister},
	100:    {class: channel.Refused, advice: AdviceRequest},
	131008: {class: channel.Refused, advice: AdviceRequest},
	131009: {class: channel.Refused, advice: AdviceRequest},
	131021: {class: channel.Refused, advice: AdviceSelf},
	132000: {class: channel.Refused, advice: AdviceVariables},
	132001: {class: channel.Refused, advice: AdviceNoTemplate},
	132005: {class: channel.Refused, advice: AdviceTooLong},
	132007: {class: channel.Refused, advice: AdvicePolicy},
	132012: {class: channel.Refused, advice: AdviceVariables},
	132015: {class: channel.Refused, advice: AdvicePaused},
	132016: {class: channel.Refused, advice: AdviceDisabled},
	132068: {class: channel.Refused, advice: AdviceFlow},
	132069: {class: channel.Refused, advice: AdviceFlow},
	131026: {class: channel.Refused, advice: AdviceUnreachable},
	131055: {class: channel.Refused, advice: AdviceRestricted},
	134100: {class: channel.Refused, advice: AdviceRestricted},
	134102: {class: channel.Refused, advice: AdviceRestricted},

	131050: {class: channel.Suppress, advice: AdviceStopped},
	131049: {class: channel.Suppress, advice: AdviceHeldBack, wait: 24 * time.Hour},
	130472: {class: channel.Suppress, advice: AdviceExperiment},
}

// verdictOf returns what to do about a code; codes that nobody has told us of are refusals.
func verdictOf(code int) verdict {
	if v, ok := verdicts[code]; ok {
		return v
	}
	if code >= 200 && code <= 299 {
		return verdict{class: channel.Stop, advice: AdviceToken}
	}
	return verdict{class: channel.Refused, advice: AdviceUnexplained}
}

// verdictOfAnswer returns what to do about an answer with a code of Meta's; the HTTP status decides on codes that
// nobody has told us of.
func verdictOfAnswer(code, status int) verdict {
	if _, ok := verdicts[code]; ok || (code >= 200 && code <= 299) {
		return verdictOf(code)
	}
	return verdictOfStatus(status)
}

func verdictOfStatus(status int) verdict {
	switch {
	case status == http.StatusTooManyRequests:
		return verdict{class: channel.SlowDown, advice: AdviceSlower}
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return verdict{class: channel.Stop, advice: AdviceToken}
	case status >= 500:
		return verdict{class: channel.Again, advice: AdviceLater, tries: maxTries}
	case status >= 300 && status < 400 || status == http.StatusMethodNotAllowed:
		return verdict{class: channel.Stop, advice: AdviceAddress}
	}
	return verdict{class: channel.Refused, advice: AdviceUnexplained}
}

// Classify returns the class of a code that came in a status, so that delivery can pause an inbox or suppress a
// recipient after the fact.
func Classify(code int) channel.Class { return verdictOf(code).class }
