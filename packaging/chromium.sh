#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Prints the path of a Chromium for the browser tests. Installs Debian's
# package where none is found and the machine lets us; what apt-get says goes
# to standard error. BROWSER=no prints "none": the tests then leave the
# browser out.
set -eu

find_browser() {
	if [ -n "${KITH_CHROMIUM:-}" ] && [ -x "$KITH_CHROMIUM" ]; then
		echo "$KITH_CHROMIUM"
		return
	fi
	for name in chromium chromium-browser google-chrome-stable google-chrome; do
		if command -v "$name"; then
			return
		fi
	done
	return 1
}

give_up() {
	echo "$1 Install Chromium yourself (Debian: apt-get install chromium), or name one in KITH_CHROMIUM, or run 'make test BROWSER=no' to leave the browser test out." >&2
	exit 1
}

if [ "${BROWSER:-yes}" = no ]; then
	echo none
	exit 0
fi
find_browser && exit 0

command -v apt-get >/dev/null || give_up "The browser test needs Chromium, and this machine has no apt-get to install it with."
if [ "$(id -u)" = 0 ]; then
	as_root="env"
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
	as_root="sudo -n env"
else
	give_up "The browser test needs Chromium, and only root may install it here."
fi

echo "installing Chromium from Debian's packages for the browser test" >&2
{
	$as_root apt-get update -q &&
		$as_root DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium fonts-liberation
} >&2 || give_up "apt-get could not install Chromium."
find_browser || give_up "apt-get installed Chromium, yet none is found."
