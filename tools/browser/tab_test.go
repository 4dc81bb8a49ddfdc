package browser

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// patience is how long a page may take to show what is waited for.
const patience = 15 * time.Second

// tab is a browser of somebody's own, with an authenticator.
type tab struct {
	t             *testing.T
	ctx           context.Context
	name          string
	authenticator webauthn.AuthenticatorID
}

// browse starts a browser with a profile of its own, and an authenticator as a
// laptop has one: it keeps keys, and verifies its user.
func browse(t *testing.T, name string) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-quic", true),
	)
	// Debian's wrapper names the program; its absence is a failure, not a skip.
	allocated, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	ctx, end := chromedp.NewContext(allocated)
	t.Cleanup(end)
	b := &tab{t: t, ctx: ctx, name: name}
	// The context that starts the browser is what ends it: none with a deadline.
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Listen(ctx, b.hears); err != nil {
		t.Fatal(err)
	}
	calls(b, webauthn.Enable, webauthn.EnableParams{})
	b.authenticator = calls(b, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
		Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		},
	}).AuthenticatorID
	return b
}

// hears fails the test for what a script threw, and for what the page's own policy
// hindered.
func (b *tab) hears(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.t.Errorf("%s: the page's script: %s", b.name, e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		// What the server refuses is an error for the browser, of the network.
		if e.Entry.Source != log.EntrySourceNetwork {
			b.t.Errorf("%s: the browser: %s", b.name, e.Entry.Text)
		}
	}
}

// calls calls the browser.
func calls[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, end := context.WithTimeout(b.ctx, patience)
	defer end()
	result, err := chromedp.Call(ctx, command, params)
	if err != nil {
		b.t.Fatalf("%s: %v", b.name, err)
	}
	return result
}

// do runs actions, and fails with what the page says if they take too long.
func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, end := context.WithTimeout(b.ctx, patience)
	defer end()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.fails(err.Error())
	}
}

func (b *tab) fails(why string) {
	b.t.Helper()
	b.picture("failed-" + b.name)
	ctx, end := context.WithTimeout(b.ctx, patience)
	defer end()
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`(document.body?.innerText ?? "")`))
	b.t.Fatalf("%s: %s; the page says\n%s", b.name, why, text)
}

// evaluates returns what a script is worth in b's page.
func evaluates[T any](b *tab, script string) T {
	b.t.Helper()
	ctx, end := context.WithTimeout(b.ctx, patience)
	defer end()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		b.fails(err.Error())
	}
	return value
}

// opens navigates, and always loads the page anew.
func (b *tab) opens(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(url))
}

func (b *tab) text() string {
	b.t.Helper()
	return evaluates[string](b, `(document.body?.innerText ?? "")`)
}

// sees waits until the page shows each of texts.
func (b *tab) sees(texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		for deadline := time.Now().Add(patience); !strings.Contains(b.text(), text); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				b.fails(fmt.Sprintf("waited in vain for %q", text))
			}
		}
	}
}

// lacks checks that the page shows none of texts now.
func (b *tab) lacks(texts ...string) {
	b.t.Helper()
	shown := b.text()
	for _, text := range texts {
		if strings.Contains(shown, text) {
			b.t.Errorf("%s: the page says %q:\n%s", b.name, text, shown)
		}
	}
}

// presses clicks what is visible under a selector.
func (b *tab) presses(selector chromedp.CSS) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(selector), chromedp.WaitEnabled(selector), chromedp.Click(selector))
}

// fills types into a field, in place of what is there.
func (b *tab) fills(selector chromedp.CSS, text string) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(selector))
	evaluates[string](b, fmt.Sprintf(`document.querySelector(%q).value = ""`, string(selector)))
	b.do(chromedp.SendKeys(selector, text))
}

// verifies sets whether the authenticator recognises its user.
func (b *tab) verifies(user bool) {
	b.t.Helper()
	calls(b, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: b.authenticator, IsUserVerified: user})
}

// looks checks what makes the page usable for everybody, wide and narrow, and
// leaves pictures where somebody wants them.
func (b *tab) looks(state string) {
	b.t.Helper()
	for _, width := range []int64{1024, 320} {
		b.do(chromedp.EmulateViewport(width, 800))
		for _, problem := range evaluates[[]string](b, inspection) {
			b.t.Errorf("%s, %s, %d wide: %s", b.name, state, width, problem)
		}
		b.picture(fmt.Sprintf("%s-%s-%d", state, b.name, width))
	}
	b.do(chromedp.EmulateViewport(1024, 800))
}

// inspection says what is cut off, has no name, or has too little contrast (WCAG
// 2.2, 1.4.3 and 1.4.10, 4.1.2).
const inspection = `(() => {
  const found = [];
  const seen = (e) => e.getClientRects().length > 0;
  if (document.documentElement.scrollWidth > innerWidth) found.push("the page is " + document.documentElement.scrollWidth + " wide");
  for (const e of document.querySelectorAll("main *")) {
    if (!seen(e)) continue;
    const box = e.getBoundingClientRect();
    if (box.right > innerWidth + 1 || box.left < -1) found.push(e.tagName + " #" + e.id + " is cut off");
  }
  for (const e of document.querySelectorAll("input, button, a")) {
    if (!seen(e)) continue;
    const name = e.getAttribute("aria-label") || e.textContent.trim() || [...(e.labels || [])].map((l) => l.textContent.trim()).join(" ");
    if (!name) found.push(e.tagName + " #" + e.id + " has no name");
  }
  const channel = (v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  const numbers = (c) => c.match(/[\d.]+/g).map(Number);
  const light = (c) => { const [r, g, b] = numbers(c); return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b); };
  const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; const n = numbers(c); if (n.length < 4 || n[3] > 0) return c; } return "rgb(255, 255, 255)"; };
  for (const e of document.querySelectorAll("main *")) {
    if (!seen(e) || e.disabled || ![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) found.push(e.tagName + " #" + e.id + " has a contrast of " + ratio.toFixed(2));
  }
  return found;
})()`

// picture leaves one in the folder that SCREENSHOTS names.
func (b *tab) picture(name string) {
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	ctx, end := context.WithTimeout(b.ctx, patience)
	defer end()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Logf("no picture of %s: %v", name, err)
		return
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
		b.t.Log(err)
	}
}
