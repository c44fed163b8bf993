// SPDX-License-Identifier: Apache-2.0

// Package cli is the command line: it puts the parts of the appliance together and runs one command.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"kith/app"
	"kith/app/backup"
	"kith/store"
)

// The exit codes; scripts rely on them.
const (
	exitDone       = 0
	exitFailed     = 1 // nothing was lost
	exitUsage      = 2
	exitRunning    = 3
	exitPermission = 4
	exitDamaged    = 5
	exitKey        = 6
	exitNewer      = 7
)

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// command is one line of the command table.
type command struct {
	name string // as it is typed: "user add"
	does string // one line for the list
	help string // what there is to know beside the flags
	// set declares the flags and returns what runs the command once they are read.
	set func(f *flags) func(ctx context.Context, s streams) error
}

func commands() []command {
	return []command{
		{"serve", "run kith in the foreground", serveHelp, setServe},
		{"user add", "add a person who works here; prints the id", userHelp, setUserAdd},
		{"user claim", "print a new claim link while nobody owns the running kith", claimHelp, setUserClaim},
		{"user password", "give a person a new password and end their sessions", passwordHelp, setUserPassword},
		{"apikey add", "make a key for the API; prints the key, once", apikeyHelp, setAPIKeyAdd},
		{"apikey list", "list the keys, their scopes and when they were last used", "", setAPIKeyList},
		{"apikey revoke", "take a key back; it opens nothing from then on", "", setAPIKeyRevoke},
		{"audit export", "write the audit trail with a signed checkpoint", auditHelp, setAuditExport},
		{"audit checkpoint", "print a signed checkpoint of the audit trail, to keep elsewhere", auditHelp, setAuditCheckpoint},
		{"audit key", "print the public key that checkpoints are signed with", auditHelp, setAuditKey},
		{"inbox add whatsapp", "connect a WhatsApp number; prints id and webhook as JSON", inboxHelp, setInboxAdd},
		{"inbox list", "list what is connected", "", setInboxList},
		{"compact", "give the free pages of data.db back to the disk", compactHelp, setCompact},
		{"unseal", "give the passphrase to a kith that waits for it", unsealHelp, setUnseal},
		{"keys list", "show who opens the store, and how its keys are kept", keysListHelp, setKeysList},
		{"keys recovery", "make the recovery key; shows its secret, once", recoveryHelp, setKeysRecovery},
		{"keys add-recipient", "let another key open the store", keysAddHelp, setKeysAdd},
		{"keys remove-recipient", "take that right from a key", keysRemoveHelp, setKeysRemove},
		{"keys rotate", "change keys, while the server runs", keysRotateHelp, setKeysRotate},
		{"keys passphrase", "protect the identity with a passphrase, or take it away", passphraseHelp, setKeysPassphrase},
		{"backup", "copy everything but the keys to another place, while kith runs", backupHelp, setBackup},
		{"backup status", "list the places of backups, and what became of them", "", setBackupStatus},
		{"backup forget", "take a place of backups off the list", backupForgetHelp, setBackupForget},
		{"restore", "make a data directory from a backup", restoreHelp, setRestore},
		{"retention preview", "show what retention would destroy", retentionHelp, setRetentionPreview},
		{"retention run", "destroy what is older than it is kept", retentionHelp, setRetentionRun},
		{"retention set", "show or change how long records are kept", retentionHelp, setRetentionSet},
		{"erase", "erase a contact for good; prints counts and the certificate", eraseHelp, setErase},
		{"standby add", "let a second server follow this one; prints its token, once", standbyHelp, setStandbyAdd},
		{"standby list", "list the standbys and how far they are", "", setStandbyList},
		{"standby remove", "end the right of a standby to follow", "", setStandbyRemove},
		{"promote", "make a standby the primary", promoteHelp, setPromote},
		{"verify", "read everything and list what is damaged, or check a certificate or a backup", verifyHelp, setVerify},
		{"doctor", "check the installation and say what is wrong", doctorHelp, setDoctor},
		{"version", "print the version", "", setVersion},
		{"preflight", "", preflightHelp, setPreflight}, // kith serve runs it
	}
}

// Main runs the command in args and returns the exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	s := streams{stdin, stdout, stderr}
	err := run(context.Background(), args, s)
	if err == nil {
		return exitDone
	}
	if quiet, ok := errors.AsType[*exitError](err); ok {
		return quiet.code
	}
	fmt.Fprintf(stderr, "kith: %s\n", oneLine(err.Error()))
	return codeOf(err)
}

func run(ctx context.Context, args []string, s streams) error {
	if len(args) == 0 {
		printHelp(s.err)
		return &exitError{exitUsage}
	}
	switch args[0] {
	case "help", "--help", "-h":
		return help(args[1:], s.out)
	case "--version", "-version":
		args = append([]string{"version"}, args[1:]...)
	}
	c, rest, err := find(args)
	if err != nil {
		return err
	}
	f := newFlags(c.name)
	do := c.set(f)
	if err := f.read(rest); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			printCommand(s.out, c)
			return nil
		}
		return err
	}
	return do(ctx, s)
}

// find returns the command with the most words that args begin with.
func find(args []string) (command, []string, error) {
	best, words := command{}, 0
	for _, c := range commands() {
		name := strings.Fields(c.name)
		if len(name) > words && len(args) >= len(name) && strings.Join(args[:len(name)], " ") == c.name {
			best, words = c, len(name)
		}
	}
	if words == 0 {
		return best, nil, unknownCommand(args)
	}
	return best, args[words:], nil
}

func unknownCommand(args []string) error {
	typed := args[0]
	var near []string
	for _, c := range commands() {
		if first, _, _ := strings.Cut(c.name, " "); first == typed {
			near = append(near, "kith "+c.name)
		}
	}
	if len(near) > 0 {
		return usage("say what to do: %s", strings.Join(near, ", "))
	}
	return usage("there is no command %q; kith help lists them", typed)
}

func help(words []string, w io.Writer) error {
	if len(words) == 0 {
		printHelp(w)
		return nil
	}
	c, rest, err := find(words)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usage("there is no command %q; kith help lists them", strings.Join(words, " "))
	}
	printCommand(w, c)
	return nil
}

func printHelp(w io.Writer) {
	fmt.Fprint(w, "kith: customer messaging on your own server.\n\nUsage: kith <command> [flags]\n\nCommands:\n")
	for _, c := range commands() {
		if c.does == "" {
			continue
		}
		fmt.Fprintf(w, "  %-22s %s\n", c.name, c.does)
	}
	fmt.Fprint(w, "  help [command]         tell more about a command\n\n"+
		"Every flag may come from the environment as KITH_<FLAG>, such as KITH_DATA for --data.\n"+
		"Exit codes: 0 done, 1 failed and nothing lost, 2 wrong use, 3 already running, 4 disk or permissions,\n"+
		"5 store damaged or a commit's outcome unknown, 6 sealed or wrong key, 7 data of a newer version.\n")
}

func printCommand(w io.Writer, c command) {
	f := newFlags(c.name)
	c.set(f)
	fmt.Fprintf(w, "kith %s: %s.\n", c.name, c.does)
	if c.help != "" {
		fmt.Fprintf(w, "\n%s\n", c.help)
	}
	fmt.Fprint(w, "\nFlags:\n")
	f.set.VisitAll(func(one *flag.Flag) {
		kind, text := flag.UnquoteUsage(one)
		if kind != "" {
			kind = " " + kind
		}
		if one.DefValue != "" && one.DefValue != "false" {
			text += " (default " + one.DefValue + ")"
		}
		fmt.Fprintf(w, "  --%-26s %s\n", one.Name+kind, text)
	})
}

// usageError is a mistake in how kith was called.
type usageError struct{ text string }

// Error returns what to do.
func (u *usageError) Error() string { return u.text }

func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// exitError ends the program with a code after everything was said.
type exitError struct{ code int }

// Error satisfies the interface; it is never printed.
func (e *exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// remoteError is what the running server answered.
type remoteError struct {
	text string
	code int
}

// Error returns the server's sentence.
func (r *remoteError) Error() string { return r.text }

// codes are what the errors of the rooms below mean to scripts.
var codes = []struct {
	is   error
	code int
}{
	{store.ErrLocked, exitRunning},
	{store.ErrDamaged, exitDamaged},
	{store.ErrUnknown, exitDamaged},
	{store.ErrWrongKey, exitKey},
	{store.ErrSealed, exitKey},
	{store.ErrNewer, exitNewer},
	{store.ErrPermission, exitPermission},
	{store.ErrFull, exitPermission},
	{store.ErrUnavailable, exitPermission},
	{app.ErrInvalid, exitUsage},
	{backup.ErrInvalid, exitUsage},
	{store.ErrNoRecipient, exitUsage},
	{os.ErrPermission, exitPermission},
	{syscall.ENOTDIR, exitPermission},
}

func codeOf(err error) int {
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage
	}
	if remote, ok := errors.AsType[*remoteError](err); ok {
		return remote.code
	}
	for _, c := range codes {
		if errors.Is(err, c.is) {
			return c.code
		}
	}
	return exitFailed
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
