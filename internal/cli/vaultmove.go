package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/installation"
	"github.com/sealift/sealift/internal/pkcs11"
	"github.com/sealift/sealift/internal/release"
	"github.com/sealift/sealift/internal/vault"
)

type vaultMoveCmd struct {
	Key        string         `arg:"" help:"The key: release-ca, device-ca, director, snapshot, timestamp or log."`
	To         string         `placeholder:"URI" xor:"to" help:"Make its next standby in a PKCS#11 token: 'pkcs11:token=NAME;object=LABEL'."`
	ToSoftware bool           `xor:"to" help:"Make its next standby in the vault itself."`
	Lost       bool           `help:"The standby that there is was in a token that is lost: declare it compromised, since it cannot be destroyed."`
	Reason     string         `required:"" placeholder:"TEXT" help:"Why: it goes into the log."`
	Opening    openingOptions `embed:""`
}

// Run implements the command.
func (c *vaultMoveCmd) Run(ctx context.Context, std *IO) error { return runVaultMove(ctx, std, *c) }

func runVaultMove(ctx context.Context, std *IO, opts vaultMoveCmd) (err error) {
	if opts.To == "" && !opts.ToSoftware {
		return usage("it is not said where to").WithHint("use --to 'pkcs11:token=NAME;object=LABEL' or --to-software")
	}
	var wanted []string
	if opts.To != "" {
		if err := checkNewKey(opts.To); err != nil {
			return err
		}
		wanted = []string{opts.To}
	}
	if err := opts.Opening.Passphrases.Check(installation.VaultKey); err != nil {
		return err
	}
	if err := vault.HardenProcess(); err != nil {
		return err
	}
	with, done, err := opts.Opening.open(ctx, std)
	if err != nil {
		return err
	}
	defer done()
	tokens, err := opts.Opening.Reach.Tokens(std, wanted...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tokens.Close()) }()
	keys := &newTokenKeys{Tokens: tokens}
	info, err := installation.MoveStandby(ctx, opts.Opening.Data, with, keys, release.Move{ID: opts.Key, URI: opts.To, Lost: opts.Lost, Reason: opts.Reason}, localActor(), std.Now)
	if err != nil {
		if refusedForSure(err) {
			err = errors.Join(err, keys.undo(ctx))
		}
		if !opts.Lost && sealift.ReasonOf(err) != "" && (sealift.KindOf(err) == sealift.KindNetwork || sealift.ReasonOf(err) == pkcs11.ReasonUnknown) {
			return sealift.Errorf(sealift.KindOf(err), "moving key "+opts.Key, "%w", err).WithHint("%s; if the token of the present standby is lost for good, add --lost", sealift.HintOf(err))
		}
		return err
	}
	place := "in software"
	if info.Token != "" {
		place = info.Token
	}
	key := fmt.Sprintf("%s/%d", info.ID, info.Version)
	return std.Print(map[string]any{"standby": key, "provider": info.Provider, "token": info.Token}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "the standby is %s, %s\nNext, have people vouch for it, then put it into use:\n  %s\n  sealift key rotate %s --reason TEXT\n", key, place, release.Ceremony(info.Purpose), info.ID)
		return err
	})
}
