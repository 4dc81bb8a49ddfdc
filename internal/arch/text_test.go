package arch

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"
)

// registries are hosts of package registries and their mirrors. The project
// names packages, never where this or that machine fetches them. They are put
// together here, so that this file does not hold them.
func registries() []string {
	return []string{
		"proxy.golang" + ".org", "sum.golang" + ".org", "index.golang" + ".org", "goproxy" + ".",
		"registry." + "npmjs", "npmjs" + ".com", "registry." + "yarnpkg", "pypi" + ".org", "pythonhosted" + ".org",
		"crates" + ".io", "rubygems" + ".org", "maven" + ".org", "docker" + ".io", "deb.debian" + ".org", "archive.ubuntu" + ".com",
	}
}

// checkText looks for registries in the named text files of fsys.
func checkText(fsys fs.FS, files []string) (found []finding, err error) {
	for _, name := range files {
		info, err := fs.Stat(fsys, name)
		if err != nil || !info.Mode().IsRegular() { // deleted, not yet committed; or a link
			continue
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		if bytes.IndexByte(data[:min(len(data), 8000)], 0) >= 0 { // as git tells text
			continue
		}
		for i, line := range strings.Split(strings.ToLower(string(data)), "\n") {
			for _, host := range registries() {
				if strings.Contains(line, host) {
					found = append(found, finding{name, i + 1, fmt.Sprintf("names the package registry %s", host)})
				}
			}
		}
	}
	return found, nil
}

// trackedFiles lists what git tracks; outside a git checkout, every file.
func trackedFiles(t *testing.T, root string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "-C", root, "ls-files", "-z").Output()
	if err == nil {
		return strings.Split(strings.TrimRight(string(out), "\x00"), "\x00")
	}
	var all []string
	err = fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (name == ".git" || name == ".cache" || name == "bin") {
			return fs.SkipDir
		}
		all = append(all, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestText(t *testing.T) {
	found, err := checkText(os.DirFS(root), trackedFiles(t, root))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Error(f)
	}
}

func TestTextGoesRed(t *testing.T) {
	fsys := fstest.MapFS{}
	var names, want []string
	for i, host := range registries() {
		name := fmt.Sprintf("docs/%d.md", i)
		fsys[name] = &fstest.MapFile{Data: []byte("fine\nhttps://" + strings.ToUpper(host) + "/x\n")}
		names = append(names, name)
		want = append(want, name+":2: names the package registry "+host)
	}
	fsys["ok.md"] = &fstest.MapFile{Data: []byte("npm pack monaco-editor; golang.org/x/mod; go.dev\n")}
	fsys["picture.png"] = &fstest.MapFile{Data: []byte("\x00" + registries()[0])}
	found, err := checkText(fsys, append(names, "ok.md", "picture.png", "deleted"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range found {
		got = append(got, f.String())
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
