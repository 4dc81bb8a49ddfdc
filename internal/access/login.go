package access

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sealift/sealift"
)

// ParseLogin returns a login as it is kept: an e-mail address in lower case, of
// at most sealift.MaxLogin bytes. Mail is never sent to it; it has to be one, so
// that an issuer's word for an address can be compared with it.
func ParseLogin(s string) (string, error) {
	whole := utf8.ValidString(s) // ToLower mends what is not
	s = strings.ToLower(strings.TrimSpace(s))
	name, domain, ok := strings.Cut(s, "@")
	odd := func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r) || strings.ContainsRune(`@"<>,;/\?#%`, r)
	}
	if !ok || name == "" || domain == "" || len(s) > sealift.MaxLogin || !whole || strings.ContainsFunc(name, odd) || strings.ContainsFunc(domain, odd) {
		return "", sealift.Errorf(sealift.KindInvalid, "reading a login", "it is no e-mail address").
			WithHint("use a form such as alice@example.com")
	}
	return s, nil
}
