// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	bolt "go.etcd.io/bbolt"

	"kith/app/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		//nolint:forbidigo // in the script this is main
		"kith": func() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs kith as its users type it. Beside the usual commands scripts have:
//
//	code N kith ...      run kith and expect the exit code N
//	start NAME kith ...  start kith serve in the background, until it is ready or sealed; sets $URL, and $CLAIM when a link is printed
//	stop NAME [N]        end it with SIGTERM and expect the exit code N (0)
//	get PATH STATUS      fetch $URL and PATH; the file body is what came
//	newer DIR            make the database in DIR look as if a later kith had written it
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Values["servers"] = map[string]*background{}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"code": scriptCode, "start": scriptStart, "stop": scriptStop, "get": scriptGet, "newer": scriptNewer,
		},
		Condition: func(cond string) (bool, error) { return cond == "root" && os.Geteuid() == 0, nil },
	})
}

func scriptCode(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // Exec returns it bare
		got = exitText(exit)
	} else if err != nil {
		ts.Fatalf("%s: %v", strings.Join(args[1:], " "), err)
	}
	if got != args[0] {
		ts.Fatalf("%s ended with %s, want %s", strings.Join(args[1:], " "), got, args[0])
	}
}

func exitText(e *exec.ExitError) string {
	if e.ExitCode() < 0 {
		return e.Error()
	}
	return string(rune('0' + e.ExitCode()))
}

// background is a kith that serves.
type background struct {
	cmd  *exec.Cmd
	done chan error
}

var (
	readyLog  = regexp.MustCompile(`msg="kith is (?:ready|sealed[^"]*)" url=(\S+)`)
	claimText = regexp.MustCompile(`^claim: (\S+)`)
)

func scriptStart(ts *testscript.TestScript, _ bool, args []string) {
	cmd := exec.Command(findOnPath(ts, args[1]), args[2:]...) //nolint:noctx // it is ended by stop
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = []string{"HOME=" + ts.Getenv("HOME"), "PATH=" + ts.Getenv("PATH")}
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	ts.Check(cmd.Start())
	b := &background{cmd: cmd, done: make(chan error, 1)}
	ts.Value("servers").(map[string]*background)[args[0]] = b
	ts.Defer(func() { _ = cmd.Process.Kill() })
	go func() {
		err := cmd.Wait()
		_ = w.CloseWithError(io.EOF)
		b.done <- err
	}()
	var said strings.Builder
	ready := make(chan map[string]string, 1)
	var once sync.Once
	go func() {
		found := map[string]string{}
		for lines := bufio.NewScanner(r); lines.Scan(); {
			said.WriteString(lines.Text() + "\n")
			if m := readyLog.FindStringSubmatch(lines.Text()); m != nil {
				found["URL"] = m[1]
			}
			if m := claimText.FindStringSubmatch(lines.Text()); m != nil {
				found["CLAIM"] = m[1]
			}
			if found["URL"] != "" && answers(found["URL"]) {
				once.Do(func() { ready <- found })
			}
		}
		once.Do(func() { close(ready) })
	}()
	found, ok := <-ready
	if !ok {
		ts.Fatalf("%s did not start:\n%s", strings.Join(args[1:], " "), said.String())
	}
	for k, v := range found {
		ts.Setenv(k, v)
	}
}

// findOnPath finds the program on the path of the script.
func findOnPath(ts *testscript.TestScript, name string) string {
	for dir := range strings.SplitSeq(ts.Getenv("PATH"), string(os.PathListSeparator)) {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	ts.Fatalf("%s is not on the path", name)
	return ""
}

func answers(url string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", http.NoBody)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	body, err := io.ReadAll(res.Body)
	return errors.Join(err, res.Body.Close()) == nil && (res.StatusCode == http.StatusOK || strings.Contains(string(body), "sealed"))
}

func scriptStop(ts *testscript.TestScript, _ bool, args []string) {
	b := ts.Value("servers").(map[string]*background)[args[0]]
	ts.Check(b.cmd.Process.Signal(syscall.SIGTERM))
	want := "0"
	if len(args) > 1 {
		want = args[1]
	}
	select {
	case err := <-b.done:
		got := "0"
		if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // Wait returns it bare
			got = exitText(exit)
		}
		if got != want {
			ts.Fatalf("%s ended with %s, want %s", args[0], got, want)
		}
	case <-time.After(20 * time.Second):
		ts.Fatalf("%s does not end", args[0])
	}
}

func scriptGet(ts *testscript.TestScript, _ bool, args []string) {
	r, err := http.NewRequest(http.MethodGet, ts.Getenv("URL")+args[0], http.NoBody) //nolint:noctx // on loopback
	ts.Check(err)
	if key := ts.Getenv("KEY"); key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := http.DefaultClient.Do(r)
	ts.Check(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("body"), body, 0o600))
	if got := res.Status[:3]; got != args[1] {
		ts.Fatalf("GET %s: %s, want %s\n%s", args[0], got, args[1], body)
	}
}

func scriptNewer(ts *testscript.TestScript, _ bool, args []string) {
	db, err := bolt.Open(filepath.Join(ts.MkAbs(args[0]), "data.db"), 0o600, nil)
	ts.Check(err)
	ts.Check(db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("meta")).Put([]byte("format"), []byte{0, 0, 0, 200})
	}))
	ts.Check(db.Close())
}
