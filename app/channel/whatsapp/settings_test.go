// SPDX-License-Identifier: Apache-2.0

package whatsapp_test

import (
	"testing"

	"kith/app/channel"
	"kith/app/channel/whatsapp"
)

// Only Meta's own secrets have Meta's length; a proxy or a fake network may have short ones.
func TestCheckTakesShortWords(t *testing.T) {
	s := channel.Settings{
		whatsapp.SettingPhoneNumberID: "1", whatsapp.SettingWABA: "2", whatsapp.SettingAppSecret: "s3cret",
		whatsapp.SettingAccessToken: "token", whatsapp.SettingVerifyToken: "verify",
	}
	if err := whatsapp.New().Check(s); err != nil {
		t.Error(err)
	}
}
