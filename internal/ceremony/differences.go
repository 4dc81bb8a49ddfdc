package ceremony

import (
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// Differences says in plain words, a line each, what next does that before does
// not. Nothing means that they say the same.
func Differences(before, next *trust.Trust) (lines []string) {
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	listed := func(what string, before, next []string, added, gone string) {
		for _, x := range next {
			if !slices.Contains(before, x) {
				say("%s %s: %s", what, x, added)
			}
		}
		for _, x := range before {
			if !slices.Contains(next, x) {
				say("%s %s: %s", what, x, gone)
			}
		}
	}
	listed("release CA", caNames(before.ReleaseCAs), caNames(next.ReleaseCAs), "devices take releases that it certifies", "devices take nothing that it certified any more")
	listed("device CA", caNames(before.DeviceCAs), caNames(next.DeviceCAs), "devices believe the vault's answers under it", "devices believe nothing under it any more")
	listed("log key", before.Log.Keys, next.Log.Keys, "devices believe the log under it", "devices believe no checkpoint by it any more, nor a release that was logged under one")
	listed("certificate", revocations(before), revocations(next), "revoked for good", "trusted again")
	for _, app := range appsOf(before, next) {
		differApp(say, nameOf(app), before.Of(app), next.Of(app))
	}
	return lines
}

func differApp(say func(string, ...any), name string, before, next trust.AppTrust) {
	if before.Floor != next.Floor {
		say("%s: the floor rises from %s to %s; devices run nothing under it", name, FloorText(before.Floor), FloorText(next.Floor))
	}
	had, has := cosignerIDs(before), cosignerIDs(next)
	for _, id := range has {
		if !slices.Contains(had, id) {
			say("%s: %s may co-sign", name, id)
		}
	}
	for _, id := range had {
		if !slices.Contains(has, id) {
			say("%s: %s may not co-sign any more", name, id)
		}
	}
	switch {
	case next.CosignersNeeded > before.CosignersNeeded:
		say("%s: a release needs %d of %d co-signatures instead of %d; devices refuse those that have fewer, what is offered now included", name, next.CosignersNeeded, len(has), before.CosignersNeeded)
	case next.CosignersNeeded < before.CosignersNeeded:
		say("%s: a release needs %d of %d co-signatures instead of %d", name, next.CosignersNeeded, len(has), before.CosignersNeeded)
	}
}

// FloorText writes a floor for people.
func FloorText(f trust.Floor) string {
	var parts []string
	if f.Version != "" {
		parts = append(parts, "version "+string(f.Version))
	}
	if f.Counter > 0 {
		parts = append(parts, fmt.Sprintf("counter %d", f.Counter))
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, " and ")
}

// CAText names a CA for people: what it calls itself, and the SHA-256 of its
// SubjectPublicKeyInfo.
func CAText(ca trust.CA) string {
	cert, err := x509.ParseCertificate(ca.Certificate)
	if err != nil {
		return "unreadable"
	}
	return fmt.Sprintf("%q sha256:%s", cert.Subject.CommonName, trust.IssuerOf(cert))
}

func caNames(cas []trust.CA) (names []string) {
	for _, ca := range cas {
		names = append(names, CAText(ca))
	}
	return names
}

func revocations(t *trust.Trust) (texts []string) {
	for _, r := range t.Revoked {
		texts = append(texts, fmt.Sprintf("%s of CA %s", r.Serial, r.Issuer))
	}
	return texts
}

func cosignerIDs(a trust.AppTrust) (ids []string) {
	for _, k := range a.Cosigners {
		ids = append(ids, CosignerID(k))
	}
	return ids
}

// appsOf are the defaults and every app that one of the two names.
func appsOf(a, b *trust.Trust) []sealift.AppID {
	apps := map[sealift.AppID]bool{Defaults: true}
	for app := range a.Apps {
		apps[app] = true
	}
	for app := range b.Apps {
		apps[app] = true
	}
	return slices.Sorted(maps.Keys(apps))
}
