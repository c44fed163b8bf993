// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// builtKith builds the binary once per run of the tests and returns its path. It uses the flags of go test, so that
// nothing is compiled twice.
var builtKith = sync.OnceValues(func() (string, error) {
	out, err := filepath.Abs(filepath.Join("build", "test", "kith"))
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", out, ".")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, text)
	}
	return out, nil
})

func kithPath(tb testing.TB) string {
	tb.Helper()
	path, err := builtKith()
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

// run executes one command of kith as typed and returns what it prints. It fails the test unless the command exits 0.
func run(tb testing.TB, dir, stdin string, args ...string) string {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), kithPath(tb), append(args, "--data", dir)...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		tb.Fatalf("kith %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return strings.TrimSpace(out.String())
}

// dataDir returns a place for a data directory; the identity file comes to lie beside it.
func dataDir(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(tb.TempDir(), "data")
}

// server is a running kith.
type server struct {
	tb    testing.TB
	dir   string
	base  string        // http://127.0.0.1:port
	ready time.Duration // from start to the first 200 of /readyz
	cmd   *exec.Cmd
	out   *transcript
	ended chan struct{} // closed when the process is gone
	err   error         // how it ended
}

// transcript keeps what a process prints, for finding its address and for the report of a failure.
type transcript struct {
	mu    sync.Mutex
	lines []string
	news  chan struct{}
}

func (tr *transcript) add(line string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.lines = append(tr.lines, line)
	close(tr.news)
	tr.news = make(chan struct{})
}

func (tr *transcript) find(re *regexp.Regexp) (string, <-chan struct{}) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, line := range tr.lines {
		if m := re.FindStringSubmatch(line); m != nil {
			return m[1], tr.news
		}
	}
	return "", tr.news
}

func (tr *transcript) String() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return strings.Join(tr.lines, "\n")
}

var (
	addressLine = regexp.MustCompile(`(127\.0\.0\.1:[1-9][0-9]*)`)
	claimLine   = regexp.MustCompile(`^claim: (\S+)$`)
)

// serve starts kith on a free port of the loopback and waits until it is ready. The process is killed when the test
// ends, unless it was stopped before.
func serve(tb testing.TB, dir string, args ...string) *server {
	tb.Helper()
	s := start(tb, dir, args...)
	s.awaitReady()
	return s
}

func start(tb testing.TB, dir string, args ...string) *server {
	tb.Helper()
	s := &server{tb: tb, dir: dir, out: &transcript{news: make(chan struct{})}, ended: make(chan struct{})}
	args = append([]string{"serve", "--data", dir, "--listen", "127.0.0.1:0", "--tls", "off"}, args...)
	s.cmd = exec.Command(kithPath(tb), args...)
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	var readers sync.WaitGroup
	for _, r := range []io.Reader{stdout, stderr} {
		readers.Go(func() {
			for lines := bufio.NewScanner(r); lines.Scan(); {
				s.out.add(lines.Text())
			}
		})
	}
	go func() {
		readers.Wait()
		s.err = s.cmd.Wait()
		close(s.ended)
	}()
	tb.Cleanup(func() {
		s.kill()
		if tb.Failed() {
			tb.Logf("what kith said:\n%s", tail(s.out.String(), 60))
		}
	})
	return s
}

func (s *server) awaitReady() {
	s.tb.Helper()
	began := time.Now()
	s.base = "http://" + s.line(addressLine)
	wait(s.tb, 60*time.Second, "kith to be ready", func() bool {
		res, err := http.Get(s.base + "/readyz")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	s.ready = time.Since(began)
}

// line waits until kith prints a line that matches and returns the first group.
func (s *server) line(re *regexp.Regexp) string {
	s.tb.Helper()
	late := time.After(60 * time.Second)
	for {
		found, news := s.out.find(re)
		if found != "" {
			return found
		}
		select {
		case <-news:
		case <-s.ended:
			s.tb.Fatalf("kith ended (%v) before it printed %s:\n%s", s.err, re, s.out)
		case <-late:
			s.tb.Fatalf("kith never printed %s:\n%s", re, s.out)
		}
	}
}

// stop asks kith to end and waits until it did.
func (s *server) stop() {
	s.tb.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.tb.Fatal(err)
	}
	select {
	case <-s.ended:
	case <-time.After(30 * time.Second):
		s.tb.Fatalf("kith did not end within 30 s of SIGTERM:\n%s", s.out)
	}
	if s.err != nil {
		s.tb.Errorf("kith ended with %v:\n%s", s.err, s.out)
	}
}

// kill ends kith as a power cut would and waits until it is gone.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// status returns a number of /proc/<pid>/status in KiB, such as VmRSS; ok is false where the system has none.
func (s *server) status(name string) (kib int, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if rest, is := strings.CutPrefix(line, name+":"); is {
			_, err := fmt.Sscanf(rest, "%d", &kib)
			return kib, err == nil
		}
	}
	return 0, false
}

// wait polls until done returns true.
func wait(tb testing.TB, limit time.Duration, what string, done func() bool) {
	tb.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	late := time.After(limit)
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			tb.Fatalf("waited %s in vain for %s", limit, what)
		case <-tb.Context().Done():
			tb.Fatalf("the test ended while waiting for %s", what)
		}
	}
}

func tail(text string, n int) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// api speaks JSON to the API with one key.
type api struct {
	tb   testing.TB
	base string
	key  string
}

// api makes an owner's key for the server.
func (s *server) api() *api {
	s.tb.Helper()
	return &api{tb: s.tb, base: s.base, key: run(s.tb, s.dir, "", "apikey", "add", "--name", "Test", "--role", "owner")}
}

// call makes a request with a JSON body, or none, and returns the status and the body of the answer.
func (a *api) call(method, path string, body any) (int, []byte) {
	a.tb.Helper()
	if body == nil {
		return a.send(method, path, "", nil)
	}
	text, err := json.Marshal(body)
	if err != nil {
		a.tb.Fatal(err)
	}
	return a.send(method, path, "application/json", bytes.NewReader(text))
}

func (a *api) send(method, path, kind string, r io.Reader) (int, []byte) {
	a.tb.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(a.tb.Context()), method, a.base+path, r)
	if err != nil {
		a.tb.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.key)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		a.tb.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		a.tb.Fatal(err)
	}
	return res.StatusCode, text
}

// get reads an object, post writes one; both fail the test on any answer but success.
func (a *api) get(path string, into any) { a.tb.Helper(); a.must(http.MethodGet, path, nil, into) }

func (a *api) post(path string, body, into any) {
	a.tb.Helper()
	a.must(http.MethodPost, path, body, into)
}

func (a *api) must(method, path string, body, into any) {
	a.tb.Helper()
	status, text := a.call(method, path, body)
	if status/100 != 2 {
		a.tb.Fatalf("%s %s: %d %s", method, path, status, text)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(text, into); err != nil {
		a.tb.Fatalf("%s %s: %v\n%s", method, path, err, text)
	}
}

// upload sends a file into a conversation.
func (a *api) upload(path, name, kind string, data io.Reader) {
	a.tb.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	head := textproto.MIMEHeader{}
	head.Set("Content-Disposition", fmt.Sprintf(`form-data; name="file"; filename=%q`, name))
	head.Set("Content-Type", kind)
	part, err := form.CreatePart(head)
	if err == nil {
		_, err = io.Copy(part, data)
	}
	if err = errors.Join(err, form.Close()); err != nil {
		a.tb.Fatal(err)
	}
	if status, text := a.send(http.MethodPost, path, form.FormDataContentType(), &body); status != http.StatusCreated {
		a.tb.Fatalf("uploading %s: %d %s", name, status, text)
	}
}

// list reads all pages of a list.
func list[T any](a *api, path string) []T {
	a.tb.Helper()
	var all []T
	mark := "?"
	if strings.Contains(path, "?") {
		mark = "&"
	}
	for cursor := ""; ; {
		var page struct {
			Data []T    `json:"data"`
			Next string `json:"next"`
		}
		a.get(path+mark+"limit=100"+cursor, &page)
		all = append(all, page.Data...)
		if page.Next == "" {
			return all
		}
		cursor = "&cursor=" + page.Next
	}
}
