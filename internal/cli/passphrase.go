package cli

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/internal/term"
)

// PassphraseOptions are the flags of a command that needs passphrases of keys:
// embed it.
type PassphraseOptions struct {
	PassphraseFile map[string]string `name:"passphrase-file" mapsep:"none" placeholder:"KEY=FILE" help:"File with the passphrase of one key, readable by you only. May be repeated. Without it: $$SEALIFT_PASSPHRASE where one passphrase is enough, else a prompt."`
}

// PassphraseUse says what a passphrase is wanted for.
type PassphraseUse struct {
	Key    string // as in --passphrase-file KEY=FILE
	New    bool   // it is being set: ask twice
	Shared bool   // SEALIFT_PASSPHRASE may serve, though it would serve every key
}

// Check refuses --passphrase-file for keys that the command does not ask for: a
// misspelt one would otherwise be passed over.
func (o PassphraseOptions) Check(keys ...string) error {
	for _, key := range slices.Sorted(maps.Keys(o.PassphraseFile)) {
		if !slices.Contains(keys, key) {
			return sealift.Errorf(sealift.KindInvalid, "reading --passphrase-file", "the passphrase of %q is not asked for", key).
				WithHint("here it asks for those of %s", strings.Join(keys, ", "))
		}
	}
	return nil
}

// Read returns the passphrase of one key: from its --passphrase-file, else from
// SEALIFT_PASSPHRASE where use allows, else from a prompt. Clear it after use.
func (o PassphraseOptions) Read(ctx context.Context, std *IO, use PassphraseUse) (term.Secret, error) {
	if path, ok := o.PassphraseFile[use.Key]; ok {
		return term.ReadSecretFile(path, "passphrase of "+use.Key)
	}
	if v, _ := std.Env(envPassphrase); v != "" && use.Shared {
		if len(v) > term.MaxSecret {
			return term.Secret{}, sealift.Errorf(sealift.KindInvalid, "reading "+envPassphrase, "it is longer than %d bytes", term.MaxSecret)
		}
		return term.NewSecret([]byte(v)), nil
	}
	if !term.IsTerminal(std.In) {
		hint := "name its file: --passphrase-file " + use.Key + "=FILE"
		if use.Shared {
			hint += ", or set " + envPassphrase
		}
		return term.Secret{}, sealift.Errorf(sealift.KindInvalid, "reading passphrase of "+use.Key, "none was given, and there is no terminal to ask on").
			WithReason(ceremony.ReasonNoPassphrase).WithHint("%s", hint)
	}
	if use.New {
		return term.PromptNew(ctx, std.In, std.Err, "new passphrase of "+use.Key+": ")
	}
	return term.Prompt(ctx, std.In, std.Err, "passphrase of "+use.Key+": ")
}
