// Package browser lets a real Chromium run the pages of a real server: people
// sign in, register passkeys on a virtual authenticator (W3C Web Authentication
// level 3, section 11), confirm the sign-in of a terminal, approve and reject.
//
// It has tests only, and is a module of its own, so that what drives a browser is
// no dependency of Sealift. scripts/e2e.sh runs it on the program that was built:
//
//	SEALIFT=$PWD/bin/sealift go -C tools/browser test -count=1 .
//
// With SCREENSHOTS=DIR it leaves a picture of each state of the page there, wide
// and narrow.
package browser
