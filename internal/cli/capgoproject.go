package cli

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/capgo"
	"github.com/sealift/sealift/internal/term"
	"github.com/sealift/sealift/internal/vault"
)

// capgoProject is what an app's folder says of how it is updated.
type capgoProject struct {
	*capgo.Project
	file string // that has the configuration
	text []byte // of it, as it was read

	// The private key with which Capgo's own program encrypted, where there is one,
	// and its public half; or that alone, which store builds have.
	private term.Secret
	public  *rsa.PublicKey
}

const (
	configName  = "capacitor.config.json"
	readProject = "reading the app's project"
)

// openCapgoProject reads the configuration and the key that the flags name. The
// caller clears private.
func openCapgoProject(std *IO, opts capgoImportCmd) (p *capgoProject, err error) {
	p = &capgoProject{file: opts.Config}
	if p.file == "" {
		if p.file, err = findConfig(opts.Dir); err != nil {
			return nil, err
		}
	}
	if p.text, err = readBounded(p.file, "the app's configuration", sealift.MaxCapacitorConfig, "name the capacitor.config.json of the app, a file that you may read"); err != nil {
		return nil, err
	}
	if p.Project, err = capgo.ParseProject(p.text); err != nil {
		return nil, fmt.Errorf("%s: %w", p.file, err)
	}
	if p.Updater.PrivateKey != "" {
		std.Warn("%s has a privateKey, and so has every copy of the app: take it out, and trust nothing that it encrypted", p.file)
	}
	if p.Updater.PublicKey != "" {
		if p.public, err = capgo.ParsePublicKey(p.Updater.PublicKey); err != nil {
			return nil, fmt.Errorf("publicKey in %s: %w", p.file, err)
		}
	}
	if opts.NewKey {
		return p, p.refuseOldKey(opts)
	}
	return p, p.readKey(std, opts)
}

// findConfig returns the configuration of the project in a folder.
func findConfig(dir string) (string, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "", sealift.Errorf(sealift.KindNotFound, readProject, "there is no folder %s", dir).
			WithHint("name the app's folder, in which package.json is: sealift capgo import ./shop --owner NAME")
	}
	// The Capacitor CLI takes these first: what stands in JSON beside them is not
	// what the app is built with.
	for _, name := range []string{"capacitor.config.ts", "capacitor.config.js"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return "", sealift.Errorf(sealift.KindInvalid, readProject, "its configuration is a program, %s, which is not run here", name).WithReason("config-form").
				WithHint("run npx cap sync, which writes it as JSON into the native projects, and name that: sealift capgo import %s --owner NAME --config %s", dir, filepath.Join(dir, "android/app/src/main/assets", configName))
		}
	}
	file := filepath.Join(dir, configName)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return "", sealift.Errorf(sealift.KindNotFound, readProject, "there is no %s", file).
			WithHint("name the app's folder, in which it is: sealift capgo import ./shop --owner NAME")
	}
	return file, nil
}

// readKey reads the private key of a project, where it has one, and wants it to be
// the one that devices know.
func (p *capgoProject) readKey(std *IO, opts capgoImportCmd) error {
	file := opts.keyFile()
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) && opts.Key == "" {
		return nil
	}
	private, loose, err := term.ReadForeignSecretFile(file, "the project's private key", sealift.MaxImport)
	if err != nil {
		return err
	}
	p.private = private
	if loose != nil {
		std.Warn("%v: whoever has it makes updates for every store build of this app; %s", loose, sealift.HintOf(loose))
	}
	public, err := publicOf(file, private)
	if err != nil {
		return err
	}
	if err := sameHalf(file+".pub", public); err != nil {
		return err
	}
	if p.public != nil && !p.public.Equal(public) {
		return sealift.Errorf(sealift.KindInvalid, readProject, "publicKey in %s is not of the key in %s: devices would take nothing that it encrypts", p.file, file).WithReason("other-key").
			WithHint("name the private key of the publicKey that the store builds have: sealift capgo import %s --owner NAME --key FILE", opts.Dir)
	}
	if p.public == nil {
		std.Warn("%s has no publicKey: store builds that were made so know no key, and take nothing of what is published with one", p.file)
	}
	p.public = public
	return nil
}

// publicOf is the public half of a private key that the vault and devices take.
func publicOf(file string, private term.Secret) (*rsa.PublicKey, error) {
	material, err := vault.ReadMaterial(private.Bytes())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	public, err := material.CapgoPublic()
	if err != nil {
		return nil, sealift.Errorf(sealift.KindOf(err), readProject, "%s: %w", file, err).WithReason("key-size").
			WithHint("no device takes what such a key encrypts; have the vault make one for the next store build: sealift capgo import DIR --owner NAME --new-key")
	}
	return public, nil
}

// sameHalf wants a file with a public key, where it is there, to be of that key.
func sameHalf(file string, public *rsa.PublicKey) error {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	text, err := readBounded(file, "the project's public key", sealift.MaxImport, "let yourself read the file beside the private key, or remove it")
	if err != nil {
		return err
	}
	half, err := capgo.ParsePublicKey(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if !half.Equal(public) {
		return sealift.Errorf(sealift.KindInvalid, readProject, "%s is not the public half of the key beside it", file).WithReason("other-key").
			WithHint("find out which of both store builds have, and remove the other one's file")
	}
	return nil
}

// refuseOldKey refuses --new-key where devices know a key whose private half is here.
func (p *capgoProject) refuseOldKey(opts capgoImportCmd) error {
	p.public = nil
	file := opts.keyFile()
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) && opts.Key == "" {
		return nil
	}
	return usage("--new-key is for a project without a key, and here is %s", file).
		WithHint("leave --new-key out, and the devices in the field go on; where they know no key, or it is lost to others, move the file away first")
}
