// SPDX-License-Identifier: Apache-2.0

package main_test

// message is what these tests read of the API's messages.
type message struct {
	ID          text   `json:"id"`
	Direction   string `json:"direction"`
	Type        string `json:"type"`
	Text        string `json:"text"`
	Status      string `json:"status"`
	External    string `json:"external_id"`
	Attachments []struct {
		Name  string `json:"name"`
		Type  string `json:"type"`
		Size  int64  `json:"size"`
		URL   string `json:"url"`
		State string `json:"state"`
	} `json:"attachments"`
}
