// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
)

const (
	ownerEmail    = "owner@shop.example"
	ownerPassword = "a calm morning in the shop"
)

// browserless returns a client that is signed in as a new owner, as a browser without scripts would be.
func (s *server) browserless() *http.Client {
	s.tb.Helper()
	s.addOwner()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.tb.Fatal(err)
	}
	client := &http.Client{Jar: jar, Transport: asBrowser(http.DefaultTransport)}
	res, err := client.PostForm(s.base+"/sign-in", url.Values{"email": {ownerEmail}, "password": {ownerPassword}})
	if err != nil {
		s.tb.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Request.URL.Path == "/sign-in" {
		s.tb.Fatalf("signing in: %s at %s", res.Status, res.Request.URL.Path)
	}
	return client
}

// addOwner makes the owner of the tests, unless the data directory has one from an earlier run.
func (s *server) addOwner() {
	s.tb.Helper()
	a := s.api()
	for _, agent := range list[struct {
		Email string `json:"email"`
	}](a, "/api/v1/agents") {
		if agent.Email == ownerEmail {
			return
		}
	}
	run(s.tb, s.dir, ownerPassword+"\n", "user", "add", "--email", ownerEmail, "--name", "Olivia Owner", "--role", "owner", "--password-stdin")
}
