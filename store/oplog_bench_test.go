// SPDX-License-Identifier: Apache-2.0

package store

import (
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkOplog prints what following costs: the speed of ingest with a standby
// against that without one, in alternating rounds of one run, the bytes of the op
// log per message, and how fast a standby applies it.
func BenchmarkOplog(b *testing.B) {
	alone, followedBy := newTest(b), newTest(b)
	d, s := followNow(b, followedBy)
	plain, logged := ingest(b, alone), ingest(b, followedBy)
	const rounds = 4
	var without, with time.Duration
	for round := range rounds {
		n := b.N / rounds
		without += drive(b, benchWriters, n, func(r *rand.Rand, i int) error { return plain(r, round*n+i) })
		with += drive(b, benchWriters, n, func(r *rand.Rand, i int) error { return logged(r, round*n+i) })
	}
	o := followedBy.oplog
	o.seal()
	o.mu.Lock()
	size := o.bytes
	o.mu.Unlock()
	began := time.Now()
	for s.at.Next < o.at.Next {
		if _, err := s.step(b.Context(), d); err != nil {
			b.Fatal(err)
		}
	}
	n := float64(b.N / rounds * rounds)
	b.ReportMetric(without.Seconds()/with.Seconds(), "ratio")
	b.ReportMetric(float64(size)/n, "B/message")
	b.ReportMetric(n/with.Seconds(), "messages/s")
	b.ReportMetric(n/time.Since(began).Seconds(), "applied/s")
}

func followNow(b *testing.B, db *DB) (*direct, *Standby) {
	b.Helper()
	token, err := db.AddReplica(b.Context(), "spare")
	if err != nil {
		b.Fatal(err)
	}
	d := &direct{token: token}
	d.db.Store(db)
	s, err := OpenStandby(filepath.Join(b.TempDir(), "two"), Options{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	if err := s.copy(b.Context(), d); err != nil {
		b.Fatal(err)
	}
	return d, s
}

func TestAPackedValueComesBackAsItWas(t *testing.T) {
	db := newTest(t)
	sealed, err := seal(nil, db.keys, 7, DayKey{1, 2}, []byte(benchText), []byte("t.messages"))
	if err != nil {
		t.Fatal(err)
	}
	p, ok := packValue([]byte("before"), sealed)
	back, ok2 := unpackValue(p[len("before"):])
	if !ok || !ok2 || string(back) != string(sealed) || len(p)-len("before") > len(sealed)-50 {
		t.Errorf("packed %v, unpacked %v, %d bytes of %d", ok, ok2, len(p), len(sealed))
	}
	for i := range liteLen {
		changed := append([]byte(nil), sealed...)
		changed[i] ^= 1
		if p, ok := packValue(nil, changed); ok {
			if back, _ := unpackValue(p); string(back) != string(changed) {
				t.Errorf("with byte %d changed it comes back otherwise", i)
			}
		}
	}
	for _, other := range []string{"", "a number", string(sealed[:liteLen])} {
		if _, ok := packValue(nil, []byte(other)); ok {
			t.Errorf("%q was packed", other)
		}
	}
}
