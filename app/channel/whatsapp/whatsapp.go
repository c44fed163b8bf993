// SPDX-License-Identifier: Apache-2.0

// Package whatsapp speaks to the WhatsApp Cloud API of Meta: it reads webhooks and sends messages.
package whatsapp

import (
	"crypto/subtle"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"kith/app/channel"
)

// Kind is the channel's name in paths and rows.
const Kind = "whatsapp"

// The settings of an inbox.
const (
	SettingPhoneNumberID = "phone_number_id"
	SettingWABA          = "waba_id"
	SettingAppSecret     = "app_secret" // several, one per line, while the secret is being changed
	SettingAccessToken   = "access_token"
	SettingVerifyToken   = "verify_token"
	SettingAPIBase       = "api_base"
	SettingAPIVersion    = "api_version"
)

// The defaults of settings.
const (
	DefaultAPIBase    = "https://graph.facebook.com"
	DefaultAPIVersion = "v25.0"
)

// Channel is WhatsApp. It holds no state.
type Channel struct{}

// New returns the channel.
func New() Channel { return Channel{} }

var _ channel.Channel = Channel{}

// Kind returns "whatsapp".
func (Channel) Kind() string { return Kind }

// Settings lists what an inbox needs.
func (Channel) Settings() []channel.Setting {
	return []channel.Setting{
		{Name: SettingPhoneNumberID, Required: true},
		{Name: SettingWABA, Required: true},
		{Name: SettingAppSecret, Required: true, Secret: true},
		{Name: SettingAccessToken, Required: true, Secret: true},
		{Name: SettingVerifyToken, Required: true, Secret: true},
		{Name: SettingAPIBase, Default: DefaultAPIBase},
		{Name: SettingAPIVersion, Default: DefaultAPIVersion},
	}
}

var (
	formID      = regexp.MustCompile(`^[0-9]{1,25}$`)
	formVersion = regexp.MustCompile(`^v[0-9]{1,3}\.[0-9]{1,2}$`)
)

// Check validates settings without using the network. No value is repeated in the error.
func (c Channel) Check(s channel.Settings) error {
	for _, d := range c.Settings() {
		if d.Required && strings.TrimSpace(s[d.Name]) == "" {
			return fmt.Errorf("%s is missing: %s", d.Name, whereToFind[d.Name])
		}
	}
	for _, name := range []string{SettingPhoneNumberID, SettingWABA} {
		if !formID.MatchString(s[name]) {
			return fmt.Errorf("%s is not the number that Meta gives, such as 106540352242922: %s", name, whereToFind[name])
		}
	}
	for _, secret := range secrets(s) {
		if !plain(secret, 256) {
			return fmt.Errorf("%s must be 1 to 256 plain characters on each line: %s", SettingAppSecret, whereToFind[SettingAppSecret])
		}
	}
	if !plain(strings.TrimSpace(s[SettingAccessToken]), 4096) {
		return fmt.Errorf("%s is not a token of plain characters: %s", SettingAccessToken, whereToFind[SettingAccessToken])
	}
	if !plain(s[SettingVerifyToken], 256) {
		return fmt.Errorf("%s must be 1 to 256 plain characters without spaces: %s", SettingVerifyToken, whereToFind[SettingVerifyToken])
	}
	if v := s[SettingAPIVersion]; v != "" && !formVersion.MatchString(v) {
		return fmt.Errorf("%s must look like %s", SettingAPIVersion, DefaultAPIVersion)
	}
	return checkBase(s[SettingAPIBase])
}

// plain reports whether s is 1 to most visible ASCII characters. How long they are is Meta's choice, or that of whoever
// plays Meta in a test.
func plain(s string, most int) bool {
	return s != "" && len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

//nolint:gosec // these are instructions, not credentials
var whereToFind = map[string]string{
	SettingPhoneNumberID: "copy the Phone number ID from WhatsApp > API Setup in the App Dashboard of Meta",
	SettingWABA:          "copy the WhatsApp Business Account ID from WhatsApp > API Setup in the App Dashboard of Meta",
	SettingAppSecret:     "copy the App secret from App settings > Basic in the App Dashboard of Meta",
	SettingAccessToken:   "make a token for a system user in the Business settings of Meta",
	SettingVerifyToken:   "choose any word; enter the same one in WhatsApp > Configuration > Webhook",
}

func checkBase(base string) error {
	if base == "" {
		return nil
	}
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" {
		return fmt.Errorf("%s must be an address such as %s", SettingAPIBase, DefaultAPIBase)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%s must hold no password, query or fragment", SettingAPIBase)
	}
	return nil
}

// Hosts returns the hosts that an inbox with these settings speaks to, for the allow-list of its HTTP client. Files are
// served from Meta's own content hosts.
func Hosts(s channel.Settings) []string {
	return []string{apiBase(s), "graph.facebook.com", "*.fbsbx.com", "*.whatsapp.net"}
}

func apiBase(s channel.Settings) string {
	if b := strings.TrimRight(strings.TrimSpace(s[SettingAPIBase]), "/"); b != "" {
		return b
	}
	return DefaultAPIBase
}

func apiVersion(s channel.Settings) string {
	if v := s[SettingAPIVersion]; v != "" {
		return v
	}
	return DefaultAPIVersion
}

// Handshake answers the request by which Meta proves that the address is ours (PROTOCOLS 1.2).
func (Channel) Handshake(s channel.Settings, query url.Values) (answer string, ok bool) {
	want, got := s[SettingVerifyToken], query.Get("hub.verify_token")
	challenge := query.Get("hub.challenge")
	if query.Get("hub.mode") != "subscribe" || want == "" || challenge == "" || len(challenge) > 256 {
		return "", false
	}
	if subtle.ConstantTimeCompare([]byte(want), []byte(got)) != 1 || !formChallenge.MatchString(challenge) {
		return "", false
	}
	return challenge, true
}

// formChallenge keeps mark-up out of an answer that a browser could be led to.
var formChallenge = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
