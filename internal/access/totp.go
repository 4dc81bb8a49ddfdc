package access

import (
	"encoding/base32"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/sealift/sealift"
)

// TOTPSize is the size of an authenticator app's secret in bytes: that of the
// hash, as RFC 4226 section 4 recommends.
const TOTPSize = 20

// totpPeriod is how long one code is shown.
const totpPeriod = 30 * time.Second

// totpSkew is how many codes before and after the present one are taken, for
// clocks that differ and people who are slow (RFC 6238 section 5.2).
const totpSkew = 1

// TOTPSecret is the form in which authenticator apps take a secret: base32
// without padding.
func TOTPSecret(secret []byte) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
}

// TOTPURI is what authenticator apps read from a QR code: the Key URI format,
// with SHA-1, six digits and 30 seconds, which all of them know. login names
// the account, issuer the vault.
func TOTPURI(secret []byte, issuer, login string) string {
	query := url.Values{
		"secret": {TOTPSecret(secret)}, "issuer": {issuer}, "algorithm": {"SHA1"}, "digits": {"6"},
		"period": {strconv.Itoa(int(totpPeriod / time.Second))},
	}
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + issuer + ":" + login, RawQuery: query.Encode()}
	return u.String()
}

// CheckTOTP returns the time step (RFC 6238 section 4.2) of which code is that of
// secret at now, give or take one step, and which is above last: a code
// serves once. ok is false where there is none.
func CheckTOTP(secret []byte, code string, last int64, now time.Time) (step int64, ok bool) {
	code = strings.ReplaceAll(code, " ", "") // as apps show it: two groups of three
	text := TOTPSecret(secret)
	present := now.Unix() / int64(totpPeriod/time.Second)
	for _, n := range []int64{present, present - totpSkew, present + totpSkew} {
		at := time.Unix(n*int64(totpPeriod/time.Second), 0)
		right, err := totp.ValidateCustom(code, text, at, totp.ValidateOpts{
			Period: uint(totpPeriod / time.Second), Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1,
		})
		if err == nil && right && n > last && !ok {
			step, ok = n, true
		}
	}
	return step, ok
}

// CheckCode refuses what no authenticator app shows: KindInvalid.
func CheckCode(code string) error {
	if c := strings.ReplaceAll(code, " ", ""); len(c) != 6 || strings.Trim(c, "0123456789") != "" {
		return sealift.Errorf(sealift.KindInvalid, "reading a code", "it is not six digits").
			WithReason("code").WithHint("give the code that your authenticator app shows")
	}
	return nil
}
