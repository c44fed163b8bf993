// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"

	"kith/app"
)

const (
	userHelp = `The password is read from standard input with --password-stdin: one line of at least 12 characters.
Without it nobody can sign in as this person until kith user password has given one.`
	claimHelp = `A claim link lasts 15 minutes and makes the first owner. A running kith makes a new one; the older links are worth
nothing then. It is the same line that kith serve prints when it starts.`
	passwordHelp = "The password is one line of standard input, at least 12 characters long."
)

func setUserAdd(f *flags) func(context.Context, streams) error {
	data := f.data()
	email := f.must("email", "`E` is the e-mail address to sign in with")
	name := f.must("name", "`N` is the person's name")
	role := f.must("role", "`R` is owner, admin, manager or agent")
	stdin := f.set.Bool("password-stdin", false, "read the password from standard input")
	return func(ctx context.Context, s streams) error {
		if _, err := app.ParseRole(*role); err != nil {
			return err
		}
		if _, err := app.NormalEmail(*email); err != nil {
			return err
		}
		p := userParams{Email: *email, Name: *name, Role: *role}
		if *stdin {
			var err error
			if p.Password, err = secretLine(s.in); err != nil {
				return err
			}
		}
		id, err := perform[string](ctx, *data, opUserAdd, p)
		if err != nil {
			return err
		}
		fmt.Fprintln(s.out, id)
		return nil
	}
}

func setUserPassword(f *flags) func(context.Context, streams) error {
	data := f.data()
	email := f.must("email", "`E` is the person's e-mail address")
	stdin := f.set.Bool("password-stdin", false, "read the password from standard input")
	return func(ctx context.Context, s streams) error {
		if !*stdin {
			return usage("say --password-stdin and write the password into standard input")
		}
		if err := exists(*data); err != nil {
			return err
		}
		pw, err := secretLine(s.in)
		if err != nil {
			return err
		}
		_, err = perform[string](ctx, *data, opUserPassword, userParams{Email: *email, Password: pw})
		return err
	}
}

func setUserClaim(f *flags) func(context.Context, streams) error {
	data := f.data()
	return func(ctx context.Context, s streams) error {
		if err := exists(*data); err != nil {
			return err
		}
		link, err := perform[string](ctx, *data, opUserClaim, struct{}{})
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "claim: %s\n", link)
		return nil
	}
}

// claim makes a new claim link; only a running server is worth claiming.
func (h *house) claim(ctx context.Context, _ struct{}) (string, error) {
	if h.about == nil {
		return "", fmt.Errorf("kith does not run; start it with kith serve, which prints a claim link")
	}
	token, err := h.auth.NewClaim(ctx)
	if err != nil {
		return "", err
	}
	if token == "" {
		return "", fmt.Errorf("somebody owns this kith already; kith user password gives them a new password")
	}
	return h.about.url + "/claim/" + token, nil
}
