// SPDX-License-Identifier: Apache-2.0

// Package crashtest is a disk in memory that remembers every step, for tests of
// what a loss of power or a failing disk leaves behind.
//
// Mount shows a Disk as a file system. A program under test works on it in a
// process of its own and says what it was promised by writing lines to the file
// "said", so that promises and writes stand in one order. Afterwards a Replay
// walks through the steps and, at any of them, writes out a tree as a crash at
// that moment may have left it: what was synced is there, and of the rest as
// much as one likes. A Fault makes the n-th step fail instead.
package crashtest
