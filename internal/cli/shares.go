package cli

import (
	"context"
	"fmt"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/installation"
	"github.com/sealift/sealift/internal/term"
	"github.com/sealift/sealift/internal/vault"
)

// sharingOptions are the flags of a command that makes shares: embed it.
type sharingOptions struct {
	Shares            int    `placeholder:"N" help:"Seal the vault under N shares in place of a passphrase, each in a file of its own."`
	ShareThreshold    int    `placeholder:"M" help:"How many of them open it. Without it: more than half."`
	SharesOut         string `placeholder:"DIR" help:"Folder for their files; it must not exist."`
	RecoveryShares    int    `placeholder:"N" help:"Keep the recovery path as N shares in place of one recovery key."`
	RecoveryThreshold int    `placeholder:"M" help:"How many of them open the vault. Without it: more than half."`
	RecoverySharesOut string `placeholder:"DIR" help:"Folder for their files; it must not exist."`
}

// parse returns what is to be made; the zero Sharing for nothing.
func (o sharingOptions) parse() (shares, recovery installation.Sharing, err error) {
	if shares, err = sharing("shares", "share-threshold", "shares-out", o.Shares, o.ShareThreshold, o.SharesOut); err != nil {
		return shares, recovery, err
	}
	recovery, err = recoverySharing(o.RecoveryShares, o.RecoveryThreshold, o.RecoverySharesOut)
	return shares, recovery, err
}

func recoverySharing(n, m int, dir string) (installation.Sharing, error) {
	s, err := sharing("recovery-shares", "recovery-threshold", "recovery-shares-out", n, m, dir)
	if s.Dir != "" {
		s.Path = vault.PathRecovery
	}
	return s, err
}

func sharing(count, needed, out string, n, m int, dir string) (installation.Sharing, error) {
	none := installation.Sharing{}
	switch {
	case n == 0 && m == 0 && dir == "":
		return none, nil
	case n == 0 || dir == "":
		return none, usage("shares want a number and a folder").WithHint("use --%s N, --%s M and --%s DIR together", count, needed, out)
	}
	if m == 0 {
		m = n/2 + 1
	}
	if m < sealift.MinShareThreshold || m > n || n > sealift.MaxShares {
		return none, usage("%d of %d shares cannot be", m, n).
			WithHint("make at most %d shares, and let at least %d of them and at most all be needed", sealift.MaxShares, sealift.MinShareThreshold)
	}
	return installation.Sharing{Shares: n, Threshold: m, Dir: dir}, nil
}

// dealt says what to do with shares.
func dealt(s installation.Sharing) string {
	return fmt.Sprintf("any %d of the %d open the vault: give each to another person, then remove the folder", s.Threshold, s.Shares)
}

// openingOptions are the flags of a command that opens the vault on the server's
// own machine: embed it.
type openingOptions struct {
	Data        string            `required:"" placeholder:"DIR" help:"Folder that sealift init made; a server may run on it, and goes on."`
	ShareFile   []string          `name:"share-file" placeholder:"FILE" help:"File with one share, readable by you only. Repeat it for as many as are needed."`
	Reach       PKCS11Options     `embed:""`
	Passphrases PassphraseOptions `embed:""`
}

// open reads what opens the vault: the shares or the file that were named, else
// what the vault says that it wants, by a prompt. Call done when it has been
// used.
func (o openingOptions) open(ctx context.Context, std *IO) (with vault.Opener, done func(), err error) {
	if len(o.ShareFile) > 0 {
		return readShares(o.ShareFile)
	}
	_, named := o.Passphrases.PassphraseFile[installation.VaultKey]
	if !named {
		var way vault.Way
		err := installation.WithVault(ctx, o.Data, func(v *vault.Vault) error {
			s, err := v.Status(ctx)
			way = s.Unseal
			return err
		})
		if err != nil {
			return nil, nil, err
		}
		switch {
		case way.Threshold > 0:
			return askShares(ctx, std, way)
		case way.Token != "":
			tokens, err := o.Reach.Tokens(std)
			if err != nil {
				return nil, nil, err
			}
			return vault.Token{Sealer: tokens}, func() { _ = tokens.Close() }, nil // what was asked of it is done
		}
	}
	secret, err := o.Passphrases.Read(ctx, std, PassphraseUse{Key: installation.VaultKey, Shared: true})
	if err != nil {
		return nil, nil, err
	}
	return vault.SecretOf(secret.Bytes()), secret.Clear, nil
}

// readShares reads shares from files, and names the file of one that will not do.
func readShares(paths []string) (vault.Opener, func(), error) {
	var shares vault.Shares
	done := func() {
		for _, s := range shares {
			s.Clear()
		}
	}
	for _, path := range paths {
		share, err := readShare(path)
		if err != nil {
			done()
			return nil, nil, err
		}
		shares = append(shares, share)
	}
	return shares, done, nil
}

func readShare(path string) (vault.Share, error) {
	text, err := term.ReadSecretFile(path, "share")
	if err != nil {
		return vault.Share{}, err
	}
	defer text.Clear()
	share, err := vault.ParseShare(text.Bytes())
	if err != nil {
		return share, sealift.Errorf(sealift.KindInvalid, "reading "+path, "%w", err).WithReason(sealift.ReasonOf(err)).WithHint("%s", sealift.HintOf(err))
	}
	return share, nil
}

// askShares asks for as many shares as are needed, one after the other, and
// again for one that is mistyped.
func askShares(ctx context.Context, std *IO, way vault.Way) (vault.Opener, func(), error) {
	if !term.IsTerminal(std.In) {
		return nil, nil, sealift.Errorf(sealift.KindInvalid, "reading shares", "none was given, and there is no terminal to ask on").
			WithHint("name their files, %d of the %d: --share-file FILE --share-file FILE …", way.Threshold, way.Shares)
	}
	var shares vault.Shares
	done := func() {
		for _, s := range shares {
			s.Clear()
		}
	}
	for len(shares) < way.Threshold {
		text, err := term.Prompt(ctx, std.In, std.Err, fmt.Sprintf("share %d of the %d that are needed: ", len(shares)+1, way.Threshold))
		if err != nil {
			done()
			return nil, nil, err
		}
		share, err := vault.ParseShare(text.Bytes())
		text.Clear()
		if err != nil {
			std.Warn("%s\n%s", err, sealift.HintOf(err))
			continue
		}
		shares = append(shares, share)
	}
	return shares, done, nil
}
