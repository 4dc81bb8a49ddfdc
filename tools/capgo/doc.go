// Package capgo tries the bundles for Capgo's plugin on those who made the formats:
// Capgo's own program encrypts and decrypts, and the CryptoCipher class of the
// plugin's Android releases, compiled here, decodes what a device would.
//
// It has tests only, and is a module of its own, since nobody but make e2e needs
// Node.js and a JDK. scripts/e2e.sh fetches the peers from npm into folders of one
// folder, cli and plugin-VERSION, and runs it:
//
//	CAPGO_PEERS=DIR SEALIFT=$PWD/bin/sealift go -C tools/capgo test -count=1 .
//
// In java are stubs of the two classes that CryptoCipher needs of Android and of the
// rest of the plugin.
package capgo
