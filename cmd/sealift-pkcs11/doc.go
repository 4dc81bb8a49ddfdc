// Command sealift-pkcs11 is the helper through which Sealift reaches keys in
// PKCS#11 tokens. It loads one vendor module and serves requests over the Unix
// socket that it was started with; package internal/pkcs11 starts it, and has the
// protocol. It is the only program here that links C, so that a module that
// crashes, hangs or leaks does so in a process of its own.
//
// A person has no use for it but --version. It writes nothing but what goes
// wrong before the socket is served, and keeps nothing: PINs are handed to the
// module and cleared, and every key stays in its token.
//
// For each token in use one session stays open, since login and handles last as
// long as any session does; others are pooled. A session in which something went
// wrong is closed. A session that the module no longer knows means that the
// token was away: then all of the token's sessions are given up and the caller is
// told to log in again. The process never forks: many modules do not survive
// that.
package main
