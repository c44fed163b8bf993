// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// flags are the flags of one command. What is not given on the command line may come from KITH_<FLAG>.
type flags struct {
	set      *flag.FlagSet
	name     string
	required []string
	takes    string  // what the one word beside the flags is, "" when there is none
	given    *string // that word
	optional bool    // it may be left out
}

func newFlags(name string) *flags {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	return &flags{set: set, name: name}
}

// data declares --data, which every command has.
func (f *flags) data() *string {
	return f.set.String("data", "./kith-data", "`DIR` is the data directory")
}

// must declares a text that has to be given.
func (f *flags) must(name, text string) *string {
	f.required = append(f.required, name)
	return f.set.String(name, "", text)
}

// word declares the one word that the command takes beside its flags, before or behind them.
func (f *flags) word(what string) *string {
	f.takes, f.given = what, new(string)
	return f.given
}

// maybeWord declares a word that may be left out.
func (f *flags) maybeWord(what string) *string {
	f.optional = true
	return f.word(what)
}

// readWord takes the word from the beginning or the end of args.
func (f *flags) readWord(args []string) error {
	if f.given == nil {
		return f.set.Parse(args)
	}
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		*f.given, args = args[0], args[1:]
		return f.set.Parse(args)
	}
	if err := f.set.Parse(args); err != nil {
		return err
	}
	if f.set.NArg() == 0 {
		return nil
	}
	*f.given = f.set.Arg(0)
	return f.set.Parse(f.set.Args()[1:])
}

// read takes the environment, then args.
func (f *flags) read(args []string) error {
	var wrong error
	f.set.VisitAll(func(one *flag.Flag) {
		name := "KITH_" + strings.ToUpper(strings.ReplaceAll(one.Name, "-", "_"))
		if v, ok := os.LookupEnv(name); ok && v != "" && wrong == nil {
			if err := f.set.Set(one.Name, v); err != nil {
				wrong = usage("%s has the wrong form: %q. See: kith help %s", name, v, f.name)
			}
		}
	})
	if wrong != nil {
		return wrong
	}
	if err := f.readWord(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return usage("%s. See: kith help %s", flagError(err), f.name)
	}
	if f.set.NArg() > 0 {
		return usage("%q is one word too many. See: kith help %s", f.set.Arg(0), f.name)
	}
	if data := f.set.Lookup("data"); data != nil && data.Value.String() == "" {
		return usage("--data is empty; name the data directory")
	}
	if f.given != nil && *f.given == "" && !f.optional {
		return usage("%s is missing. See: kith help %s", f.takes, f.name)
	}
	for _, name := range f.required {
		if f.set.Lookup(name).Value.String() == "" {
			return usage("--%s is missing. See: kith help %s", name, f.name)
		}
	}
	return nil
}

// badValue is how package flag refuses a value.
var badValue = regexp.MustCompile(`^invalid (?:boolean )?value "(.*)" for (?:flag )?-(\S+): (.*)$`)

// flagError puts package flag's words into ours.
func flagError(err error) string {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		return "there is no flag --" + strings.TrimPrefix(name, "-")
	}
	if name, ok := strings.CutPrefix(text, "flag needs an argument: -"); ok {
		return "--" + strings.TrimPrefix(name, "-") + " needs a value"
	}
	if m := badValue.FindStringSubmatch(text); m != nil {
		if m[3] == "parse error" {
			return fmt.Sprintf("--%s does not take %q", m[2], m[1])
		}
		return fmt.Sprintf("--%s does not take %q: %s", m[2], m[1], m[3])
	}
	return text
}

// period is a length of time such as 90d, 12h or 30m.
type period time.Duration

// String returns the period as it is typed.
func (p *period) String() string {
	if *p == 0 {
		return ""
	}
	if d := time.Duration(*p); d%(24*time.Hour) == 0 {
		return strconv.Itoa(int(d/(24*time.Hour))) + "d"
	}
	return time.Duration(*p).String()
}

// Set reads a period.
func (p *period) Set(s string) error {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 1 || n > 36500 {
			return errPeriod
		}
		*p = period(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return errPeriod
	}
	*p = period(d)
	return nil
}

var errPeriod = errors.New("a period looks like 90d, 12h or 30m")

// secretFile reads a secret from a file, without the white space around it.
func secretFile(flagName, path string) (string, error) {
	b, err := os.ReadFile(path) //nolint:gosec // the operator names it
	if err != nil {
		return "", fmt.Errorf("reading --%s: %w", flagName, err)
	}
	s := strings.TrimSpace(string(b))
	if s == "" {
		return "", usage("the file of --%s is empty", flagName)
	}
	return s, nil
}

// maxSecret is the longest secret on standard input.
const maxSecret = 4 << 10

// secretLine reads one line of standard input, without its end.
func secretLine(r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxSecret))
	if err != nil {
		return "", fmt.Errorf("reading standard input: %w", err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", usage("standard input is empty; write the password into it")
	}
	return line, nil
}
