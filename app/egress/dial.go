// SPDX-License-Identifier: Apache-2.0

package egress

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
)

// dial connects to a host. The control function sees the address that is really used, after names were resolved, so
// that a name which changes its mind between check and use gains nothing.
func (e *Egress) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	trusted := e.trusts(strings.ToLower(addr))
	d := net.Dialer{
		Timeout: DialTimeout, KeepAlive: 30 * time.Second,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil {
				return refuse("%s is no address", address)
			}
			return checkAddr(ap.Addr(), trusted)
		},
	}
	return d.DialContext(ctx, network, addr)
}

// Ranges that netip does not name. 64:ff9b::/96 and 2002::/16 carry an IPv4 address inside.
var (
	nat64   = netip.MustParsePrefix("64:ff9b::/96")
	closed4 = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4")
	closed6 = prefixes("64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16",
		"fec0::/10", "::/96")
	// metadata are services of clouds that hand out credentials; some live in private ranges.
	metadata = []netip.Addr{
		netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("fd00:ec2::254"),
		netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("168.63.129.16"),
		netip.MustParseAddr("fd20:ce::254"),
	}
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, p := range list {
		out[i] = netip.MustParsePrefix(p)
	}
	return out
}

// checkAddr returns an error unless the address is public, or private and trusted.
func checkAddr(a netip.Addr, trusted bool) error {
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if slices.Contains(metadata, a) {
		return refuse("%s hands out the credentials of a cloud", a)
	}
	if a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() {
		return refuse("%s is link-local, multicast or empty", a)
	}
	if trusted {
		return nil
	}
	if a.IsLoopback() || a.IsPrivate() || within(closed4, a) || within(closed6, a) || !a.IsGlobalUnicast() {
		return refuse("%s is a private or reserved address", a)
	}
	return nil
}

func within(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
