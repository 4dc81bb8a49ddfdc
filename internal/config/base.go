package config

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/sealift/sealift"
)

// ParseBase reads the URL under which devices reach a server, as a flag has it, and
// returns it without a slash at its end; empty stays empty. Without TLS it takes only
// a host that is this machine, or an address of a private network: an emulator's host.
func ParseBase(flag, text string) (string, error) {
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", sealift.Errorf(sealift.KindInvalid, op, "%s: %.200q is no URL of a server", flag, text).WithReason("url").
			WithHint("name scheme and host, such as https://updates.example.com")
	}
	if u.Scheme == "http" && !IsLoopback(u.Hostname()) && !isPrivate(u.Hostname()) {
		return "", sealift.Errorf(sealift.KindInvalid, op, "%s: phones refuse to fetch from %.200q without TLS", flag, text).WithReason("plaintext").
			WithHint("name it with https://; http:// is for this machine, and for addresses such as 10.0.2.2")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func isPrivate(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsPrivate()
}
