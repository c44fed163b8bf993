// SPDX-License-Identifier: Apache-2.0

package whatsapp

// AdviceKeys returns every advice that the channel may give.
func AdviceKeys() []string {
	keys := []string{
		AdviceAddress, AdviceFile, AdviceFileGone, AdviceLater, AdvicePhone, AdviceRequest, AdviceSlower, AdviceTemplate,
		AdviceToken, AdviceTooLong, AdviceUnexplained, AdviceUnknown, AdviceVariables,
	}
	for _, v := range verdicts {
		keys = append(keys, v.advice)
	}
	return keys
}

// WordKeys returns the keys of system messages and of notices that have a level of their own.
func WordKeys() []string {
	keys := []string{"notice.errors", "notice.unknown", "notice.security", "notice.template_category_update"}
	for _, s := range []string{SystemChangedNumber, SystemChangedUserID, SystemIdentityChanged, SystemWelcome} {
		keys = append(keys, "system."+s)
	}
	for _, topics := range []map[string][]string{alarms, warnings} {
		for topic := range topics {
			keys = append(keys, "notice."+topic)
		}
	}
	return keys
}
