package cli

import (
	"io"

	"github.com/sealift/sealift/internal/store/postgres"
)

type helpCmd struct {
	Topic []string `arg:"" optional:"" help:"A command, such as \"app create\", or a topic: ${topics}."`
}

// Run implements the command.
func (c *helpCmd) Run(std *IO, words *grammar) error { return runHelp(std, words, *c) }

func runHelp(std *IO, words *grammar, opts helpCmd) error {
	if len(opts.Topic) == 1 {
		for _, t := range topics() {
			if t.name == opts.Topic[0] {
				return std.Print(t.json, t.human)
			}
		}
	}
	_, err := words.parse(append(opts.Topic, "--help")...)
	return err
}

// topic is something to read about that is no command.
type topic struct {
	name  string
	json  any
	human func(io.Writer) error
}

func topics() []topic {
	return []topic{
		{"exit-codes", map[string][]exitCode{"exitCodes": exitCodes()}, exitCodeTable},
		{"environment", map[string][]variable{"environment": environment()}, environmentTable},
		{"postgres", map[string]string{"sql": postgres.Roles}, text(postgres.Roles)},
	}
}

// text prints what is to be read as it is.
func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func topicNames() []string {
	var names []string
	for _, t := range topics() {
		names = append(names, t.name)
	}
	return names
}

// The environment variables that commands read.
const (
	envServer     = "SEALIFT_SERVER"
	envToken      = "SEALIFT_TOKEN"
	envPassphrase = "SEALIFT_PASSPHRASE"
)

type variable struct {
	Name    string `json:"name"`
	Meaning string `json:"meaning"`
}

func environment() []variable {
	return []variable{
		{envServer, "base URL of the server, where --server is not given"},
		{envToken, "access token, where --token-file is not given; without it the session of login"},
		{envPassphrase, "passphrase, where --passphrase-file does not name one and one passphrase is enough"},
		{envPKCS11, "how to reach PKCS#11 tokens, where --pkcs11 is not given: URIs with spaces between"},
		{envHelper, "path of sealift-pkcs11, where it is not beside sealift"},
		{"NO_COLOR", "set to anything: no colours"},
		{"XDG_CONFIG_HOME", "the folder in which login keeps sessions, in sealift/sessions; without it: .config in HOME"},
		{"SSL_CERT_FILE", "certificates of the authorities that servers are checked against"},
	}
}

func environmentTable(w io.Writer) error {
	var rows [][]string
	for _, v := range environment() {
		rows = append(rows, []string{v.Name, v.Meaning})
	}
	return Table([]string{"VARIABLE", "MEANING"}, rows)(w)
}
