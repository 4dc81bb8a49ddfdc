package vault

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
)

const (
	actionShare = "vault.share"
	actionReset = "vault.reset"
)

// gathering is what people have given of one set of shares, each by itself. The
// values are in a page like that of the root key.
type gathering struct {
	page  *page
	given [sealift.MaxShares + 1]bool // by index
	count int
	last  time.Time // when the last one was given
}

// gatherings are those of a vault, by the id of the wrap.
type gatherings struct {
	turn sync.Mutex // held by Give from its first step to its last

	mu  sync.Mutex // held while memory changes, never while the store is waited for
	set map[string]*gathering
}

// shares returns copies of what was given of a set, which the caller clears.
func (g *gatherings) shares(of Share, set string) (all Shares) {
	g.mu.Lock()
	defer g.mu.Unlock()
	from := g.set[set]
	if from == nil {
		return nil
	}
	for index, given := range from.given {
		if given {
			value := slices.Clone(from.at(index))
			all = append(all, Share{of.vault, of.set, index, func() []byte { return value }})
		}
	}
	return all
}

// has reports whether share index of a set was given.
func (g *gatherings) has(set string, index int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.set[set] != nil && g.set[set].given[index]
}

// add keeps a share.
func (g *gatherings) add(set string, s Share, now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	to := g.set[set]
	if to == nil {
		p, err := newPage()
		if err != nil {
			return err
		}
		if g.set == nil {
			g.set = map[string]*gathering{}
		}
		to = &gathering{page: p}
		g.set[set] = to
	}
	copy(to.at(s.index), s.value())
	to.given[s.index], to.last = true, now
	to.count++
	return nil
}

// count returns how many shares of a set were given.
func (g *gatherings) count(set string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if of := g.set[set]; of != nil {
		return of.count
	}
	return 0
}

// forget zeroes what was given of a set.
func (g *gatherings) forget(set string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.drop(set)
}

func (g *gatherings) drop(set string) {
	if old := g.set[set]; old != nil {
		old.page.wipe()
		delete(g.set, set)
	}
}

// forgetAll zeroes all that was given.
func (g *gatherings) forgetAll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for set := range g.set {
		g.drop(set)
	}
}

// stale forgets what lies for longer than sealift.ShareLife. A clock that was
// set back makes nothing stale.
func (g *gatherings) stale(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for set, of := range g.set {
		switch waited := now.Sub(of.last); {
		case waited < 0:
			of.last = now
		case waited >= sealift.ShareLife:
			g.drop(set)
		}
	}
}

func (g *gathering) at(index int) []byte {
	return g.page.bytes()[(index-1)*keySize : index*keySize]
}

// Progress is how far the shares of a set have come.
type Progress struct {
	Path      Path
	Given     int // so far; 0 once they opened the vault
	Threshold int
	Open      bool // the vault is unsealed
}

// Give takes the text of one share and keeps it in memory until there are as many as are
// needed, which then open the vault; or until Reset, or sealift.ShareLife after
// the last one. Each that is taken is an entry in the log, and each that is not
// is one as Unseal has it. The errors are those of Shares and, once all are
// there, of Unseal; KindConflict with reason "unsealed" where the vault is open.
// The caller clears text.
func (v *Vault) Give(ctx context.Context, text []byte, by audit.Actor, now time.Time) (Progress, error) {
	v.gathered.turn.Lock()
	defer v.gathered.turn.Unlock()
	e := event{action: actionShare, actor: by, at: now}
	r, w, s, params, err := v.shareFor(ctx, text)
	if r != nil {
		e.subject = "vault:" + string(r.Vault)
	}
	if err != nil {
		return Progress{}, v.refuseAttempt(ctx, e, err)
	}
	v.gathered.stale(now)
	defer s.Clear()
	so := Progress{Path: w.Path, Threshold: params.Threshold}
	err = v.keepShare(ctx, w.ID, s, params, e)
	if so.Given = v.gathered.count(w.ID); err != nil || so.Given < params.Threshold {
		return so, err
	}
	all := v.gathered.shares(s, w.ID)
	defer all.clear()
	err = v.Unseal(ctx, all, by, now)
	switch {
	case err == nil:
		so.Given, so.Open = 0, true
		v.gathered.forgetAll()
	case sealift.KindOf(err) == sealift.KindSealed: // they do not open it, whatever comes
		v.gathered.forget(w.ID)
	}
	return so, err
}

// keepShare adds a share to those that were given, unless it is there. Where all
// that are needed are there already, they did not get to open the vault, for want
// of room on the disk or the like: then it is no error that one comes again.
func (v *Vault) keepShare(ctx context.Context, set string, s Share, params shamirParams, e event) error {
	count := v.gathered.count(set)
	if v.gathered.has(set, s.index) {
		if count >= params.Threshold {
			return nil
		}
		return v.refuseAttempt(ctx, e, errShareTwice(s))
	}
	e = e.detail("share", fmt.Sprint(s.index)).detail("set", s.set).detail("given", fmt.Sprintf("%d of %d", count+1, params.Threshold))
	if err := v.recordApart(ctx, []event{e.with(audit.OK)}); err != nil {
		return err
	}
	return v.gathered.add(set, s, e.at)
}

// shareFor reads a share and checks it against the record as it stands. The
// caller clears it.
func (v *Vault) shareFor(ctx context.Context, text []byte) (*record, wrap, Share, shamirParams, error) {
	r, _, err := v.readRecord(ctx)
	if err != nil {
		return nil, wrap{}, Share{}, shamirParams{}, err
	}
	if v.ring.Load() != nil {
		return r, wrap{}, Share{}, shamirParams{}, ErrUnsealed()
	}
	s, err := ParseShare(text)
	if err != nil {
		return r, wrap{}, s, shamirParams{}, err
	}
	w, params, err := r.setOf(s)
	if err == nil {
		err = s.check(r.Vault, w, params)
	}
	if err != nil {
		s.Clear()
	}
	return r, w, s, params, err
}

// Reset forgets every share that was given so far. Whoever asks shows a share
// of the vault, be it one that was given: a stranger could otherwise keep
// people from ever coming together. The errors are those of Give.
func (v *Vault) Reset(ctx context.Context, text []byte, by audit.Actor, now time.Time) error {
	e := event{action: actionReset, actor: by, at: now}
	r, _, s, _, err := v.shareFor(ctx, text)
	if r != nil {
		e.subject = "vault:" + string(r.Vault)
	}
	if err != nil {
		return v.refuseAttempt(ctx, e, err)
	}
	defer s.Clear()
	v.gathered.forgetAll()
	return v.recordApart(ctx, []event{e.detail("share", fmt.Sprint(s.index)).detail("set", s.set).with(audit.OK)})
}
