package access_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
)

func TestPassword(t *testing.T) {
	h := access.NewHasher()
	kept, err := h.Hash(t.Context(), "five random words are enough")
	if err != nil || !strings.HasPrefix(string(kept), "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("%s, %v", kept, err)
	}
	other, _ := h.Hash(t.Context(), "five random words are enough")
	if other == kept {
		t.Error("no salt")
	}
	for password, want := range map[string]bool{
		"five random words are enough": true, "five random words are enougH": false, "": false, strings.Repeat("x", sealift.MaxPassphrase+1): false,
	} {
		if got, err := h.Verify(t.Context(), kept, password); got != want || err != nil {
			t.Errorf("%.20q: %t, %v", password, got, err)
		}
	}
	if got, err := h.Verify(t.Context(), "", "five random words are enough"); got || err != nil {
		t.Errorf("without a hash: %t, %v", got, err)
	}
	for _, bad := range []access.PasswordHash{
		"x", kept[:len(kept)-1], kept[1:], access.PasswordHash(strings.Replace(string(kept), "t=2", "t=1", 1)), kept + "A",
	} {
		if ok, err := h.Verify(t.Context(), bad, "five random words are enough"); ok || sealift.KindOf(err) != sealift.KindInternal {
			t.Errorf("%s: %t, %v", bad, ok, err)
		}
	}
}

func TestPasswordsTakeTurns(t *testing.T) {
	h := access.NewHasher()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	refused := 0
	for range 50 { // one of them finds no turn free, or its context first
		if _, err := h.Hash(ctx, "five random words are enough"); err != nil {
			refused++
			break
		}
	}
	if refused == 0 {
		t.Error("nobody's context ends the waiting")
	}
}

func TestCheckPassword(t *testing.T) {
	for password, ok := range map[string]bool{
		"twelve chars": true, "eleven char": false, "żółćżółćżółć": true, "": false, strings.Repeat("a", 40): false,
		"alice in wonderland": false, "ALICE IN WONDERLAND": false, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff": false,
		strings.Repeat("ab", sealift.MaxPassphrase/2): true, strings.Repeat("ab", sealift.MaxPassphrase/2) + "c": false,
	} {
		err := access.CheckPassword(password, "alice@example.com")
		if (err == nil) != ok || err != nil && (sealift.ReasonOf(err) != "password" || strings.Contains(err.Error(), "wonder")) {
			t.Errorf("%.20q: %v", password, err)
		}
	}
}

// RFC 6238, appendix B, for SHA-1: eight digits there, of which six are shown.
func TestTOTPVectors(t *testing.T) {
	secret := []byte("12345678901234567890")
	for at, code := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		step, ok := access.CheckTOTP(secret, code, 0, time.Unix(at, 0))
		if !ok || step != at/30 {
			t.Errorf("%d: %d, %t", at, step, ok)
		}
	}
}

func codeAt(t *testing.T, secret []byte, at time.Time) string {
	t.Helper()
	code, err := totp.GenerateCodeCustom(access.TOTPSecret(secret), at, totp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func TestTOTP(t *testing.T) {
	secret, now := []byte("a secret of 20 bytes"), time.Unix(1_700_000_010, 0)
	for steps, want := range map[time.Duration]bool{-2: false, -1: true, 0: true, 1: true, 2: false} {
		code := codeAt(t, secret, now.Add(steps*30*time.Second))
		if _, ok := access.CheckTOTP(secret, code, 0, now); ok != want {
			t.Errorf("%d steps away: %t", steps, ok)
		}
	}
	code := codeAt(t, secret, now)
	step, _ := access.CheckTOTP(secret, code[:3]+" "+code[3:], 0, now)
	if step == 0 {
		t.Error("a blank in the middle")
	}
	for last, want := range map[int64]bool{step - 1: true, step: false, step + 1: false} {
		if _, ok := access.CheckTOTP(secret, code, last, now); ok != want {
			t.Errorf("after step %+d: %t", last-step, ok)
		}
	}
	for _, bad := range []string{"", "12345", "1234567", "abcdef", "-12345", "１２３４５６"} {
		if _, ok := access.CheckTOTP(secret, bad, 0, now); ok || access.CheckCode(bad) == nil {
			t.Errorf("%q is a code", bad)
		}
	}
	if _, ok := access.CheckTOTP([]byte("another one, 20 byte"), code, 0, now); ok {
		t.Error("another's code")
	}
	u, err := url.Parse(access.TOTPURI(secret, "Sealift 0123", "alice@example.com"))
	if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/Sealift 0123:alice@example.com" || u.Query().Get("secret") != access.TOTPSecret(secret) {
		t.Errorf("%s, %v", u, err)
	}
}

func TestRecoveryCodes(t *testing.T) {
	codes := access.NewRecoveryCodes()
	if len(codes) != sealift.RecoveryCodes || len(codes[0]) != 29 {
		t.Fatal(codes)
	}
	hash, ok := access.RecoveryHash(codes[0])
	for _, typed := range []string{strings.ToUpper(codes[0]), strings.ReplaceAll(codes[0], "-", " "), strings.ReplaceAll(codes[0], "0", "O"), strings.ReplaceAll(codes[0], "1", "l")} {
		if again, typedOK := access.RecoveryHash(typed); !ok || !typedOK || again != hash {
			t.Errorf("%s is not %s", typed, codes[0])
		}
	}
	if other, _ := access.RecoveryHash(codes[1]); other == hash {
		t.Error("two codes are one")
	}
	for _, bad := range []string{"", codes[0][:28], codes[0] + "x", "u" + codes[0][1:], "492039"} {
		if _, ok := access.RecoveryHash(bad); ok {
			t.Errorf("%q is a code", bad)
		}
	}
}

func TestParseLogin(t *testing.T) {
	for text, want := range map[string]string{
		"alice@example.com": "alice@example.com", " Alice@Example.COM ": "alice@example.com", "a+b.c@x": "a+b.c@x",
		"": "", "alice": "", "@x": "", "a@": "", "a@b@c": "", "a b@x": "", "a/b@x": "", "a@x\x00": "", "a@\xff": "",
		strings.Repeat("a", sealift.MaxLogin) + "@x": "",
	} {
		got, err := access.ParseLogin(text)
		if got != want || (err == nil) != (want != "") || err != nil && sealift.KindOf(err) != sealift.KindInvalid {
			t.Errorf("%.30q: %q, %v", text, got, err)
		}
	}
}

// 10,000 wrong attempts on one account: a hundred a day are looked at, nobody is
// locked out for good, and who sits where they always sit does not even wait.
func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l access.Limiter
		home, wait := l.Admit("alice", "192.0.2.1", time.Now())
		if wait != 0 {
			t.Fatal(wait)
		}
		l.Succeed(home, time.Now())
		began, looked := time.Now(), 0
		var longest time.Duration
		for i := range 10_000 {
			_, wait := l.Admit("alice", fmt.Sprintf("203.0.%d.%d", i/250, i%250), time.Now())
			if wait == 0 {
				looked++
			}
			longest = max(longest, wait)
			time.Sleep(time.Minute)
		}
		days := time.Since(began).Hours() / 24
		if perDay := float64(looked) / days; perDay > 110 {
			t.Errorf("%d attempts in %.1f days were looked at: %.0f a day", looked, days, perDay)
		}
		if longest > sealift.MaxSignInWait {
			t.Errorf("somebody has to wait %s", longest)
		}
		if _, wait := l.Admit("alice", "192.0.2.1", time.Now()); wait != 0 {
			t.Errorf("at home alice waits %s", wait)
		}
		_, wait = l.Admit("alice", "198.51.100.1", time.Now())
		time.Sleep(wait)
		elsewhere, again := l.Admit("alice", "198.51.100.1", time.Now())
		if again != 0 {
			t.Errorf("elsewhere alice waits %s, and then %s", wait, again)
		}
		l.Succeed(elsewhere, time.Now())
		if _, wait := l.Admit("alice", "198.51.100.9", time.Now()); wait != 0 {
			t.Errorf("after a success others wait %s", wait)
		}
	})
}

func TestLimiterCountsNetworks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l access.Limiter
		looked := 0
		for i := range 1000 { // one machine with a /64, on as many accounts
			if _, wait := l.Admit(fmt.Sprint("account", i), fmt.Sprintf("2001:db8::%x", i), time.Now()); wait == 0 {
				looked++
			}
		}
		if looked != 20 {
			t.Errorf("%d were looked at at once", looked)
		}
		if _, wait := l.Admit("alice", "2001:db8:0:1::1", time.Now()); wait != 0 {
			t.Errorf("the neighbours wait %s", wait)
		}
		// Whoever has an account does not buy tries with it.
		for range 100 {
			time.Sleep(sealift.MaxSignInWait)
			mine, _ := l.Admit("mine", "203.0.113.1", time.Now())
			l.Succeed(mine, time.Now())
			for i := range 3 {
				l.Admit(fmt.Sprint("other", i), "203.0.113.1", time.Now())
			}
		}
		if _, wait := l.Admit("mine", "203.0.113.1", time.Now()); wait == 0 {
			t.Error("a network with an account is free to guess at others'")
		}
	})
}

// Attempts that come together do not slip through together.
func TestLimiterCountsBeforeTheOutcome(t *testing.T) {
	var l access.Limiter
	now, looked := time.Now(), 0
	for range 100 {
		if _, wait := l.Admit("alice", "192.0.2.1", now); wait == 0 {
			looked++
		}
	}
	if looked != 5 {
		t.Errorf("%d were looked at at once", looked)
	}
}

func TestLimiterForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l access.Limiter
		for range 6 {
			l.Admit("alice", "192.0.2.1", time.Now())
		}
		time.Sleep(sealift.SignInMemory + time.Minute)
		a, wait := l.Admit("alice", "192.0.2.1", time.Now())
		if wait != 0 || a.Failures != 1 {
			t.Errorf("after a day: %d failures, wait %s", a.Failures, wait)
		}
	})
}
