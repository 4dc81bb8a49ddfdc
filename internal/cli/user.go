package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
)

type userCmd struct {
	List     userListCmd    `cmd:"" help:"List the people who may act, and who was invited."`
	Show     userShowCmd    `cmd:"" help:"Show one person."`
	Invite   userInviteCmd  `cmd:"" help:"Invite a person."`
	Accept   userAcceptCmd  `cmd:"" help:"Accept an invitation: set your password and your authenticator app."`
	Role     userRoleCmd    `cmd:"" help:"Give a person another role, or another scope."`
	Disable  userDisableCmd `cmd:"" help:"Let a person do nothing until they are enabled again. Their sessions end."`
	Enable   userEnableCmd  `cmd:"" help:"Let a person who was disabled act again."`
	Confirm  userConfirmCmd `cmd:"" help:"Have others confirm that it was this person who accepted the invitation."`
	ResetMFA userResetCmd   `cmd:"" name:"reset-mfa" help:"Take from a person all that they sign in with, and invite them anew: a phone or an invitation was lost."`
	Remove   userRemoveCmd  `cmd:"" help:"End a person for ever. The log goes on naming them."`
}

type userListCmd struct {
	API APIOptions `embed:""`
}

// Run implements the command.
func (c *userListCmd) Run(ctx context.Context, std *IO) error { return runUserList(ctx, std, *c) }

func runUserList(ctx context.Context, std *IO, opts userListCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	persons, err := c.Persons(ctx)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, p := range persons {
		rows = append(rows, []string{p.ID, p.Login, p.Name, string(p.Role), appOr(p.App), personState(p), strings.Join(p.Methods, " ")})
		if p.Forged {
			std.Warn("person %s was not written by the vault: somebody changed the database", p.ID)
		}
	}
	return std.Print(map[string]any{"persons": persons}, Table([]string{"PERSON", "LOGIN", "NAME", "ROLE", "FOR", "STATE", "SIGNS IN WITH"}, rows))
}

func appOr(app string) string {
	if app == "" {
		return "all apps"
	}
	return app
}

func personState(p api.Person) string {
	if p.Forged {
		return "forged"
	}
	return string(p.State)
}

// findPerson returns the person who has an id or a login.
func findPerson(ctx context.Context, c *apiclient.Client, who string) (api.Person, error) {
	persons, err := c.Persons(ctx)
	if err != nil {
		return api.Person{}, err
	}
	for _, p := range persons {
		if p.ID == who || strings.EqualFold(p.Login, who) {
			return p, nil
		}
	}
	return api.Person{}, sealift.Errorf(sealift.KindNotFound, "finding a person", "there is no person %q", who).
		WithReason("person").WithHint("see the people there are with: sealift user list")
}

type userShowCmd struct {
	Person string     `arg:"" help:"Their login or id."`
	API    APIOptions `embed:""`
}

// Run implements the command.
func (c *userShowCmd) Run(ctx context.Context, std *IO) error { return runUserShow(ctx, std, *c) }

func runUserShow(ctx context.Context, std *IO, opts userShowCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	p, err := findPerson(ctx, c, opts.Person)
	if err != nil {
		return err
	}
	return std.Print(p, Table([]string{"FIELD", "VALUE"}, personFields(p)))
}

func personFields(p api.Person) [][]string {
	fields := [][]string{
		{"person", p.ID}, {"login", p.Login}, {"name", p.Name}, {"role", string(p.Role)}, {"for", appOr(p.App)}, {"state", personState(p)},
		{"signs in with", strings.Join(p.Methods, " ")}, {"invited by", p.Creator}, {"invited", p.Created.UTC().Format(minute)},
	}
	if p.Inviter != p.Creator {
		fields = append(fields, []string{"invited anew by", p.Inviter})
	}
	if p.Accepted != nil {
		fields = append(fields, []string{"accepted", p.Accepted.UTC().Format(minute)}, []string{"accepted from", p.AcceptedFrom},
			[]string{"accepted with", p.AcceptedWith}, []string{"invited from", p.InvitedFrom}, []string{"confirmed by", orDash(p.Confirmed)})
	}
	return fields
}

type userInviteCmd struct {
	Login string     `arg:"" help:"Their e-mail address. Nothing is sent to it: you hand the invitation over."`
	Role  string     `required:"" placeholder:"ROLE" help:"What they may do: owner, security_officer, release_manager, developer, auditor or operator."`
	App   string     `placeholder:"ID" help:"The only app that they may touch. Without it: all."`
	Name  string     `placeholder:"TEXT" help:"Their name. Without it they say it themselves."`
	Out   string     `placeholder:"FILE" help:"Write the invitation there. Without it: print it, this once. The file must not exist."`
	API   APIOptions `embed:""`
}

// Run implements the command.
func (c *userInviteCmd) Run(ctx context.Context, std *IO) error { return runUserInvite(ctx, std, *c) }

func runUserInvite(ctx context.Context, std *IO, opts userInviteCmd) error {
	return inviteTo(ctx, std, opts.API, opts.Out, func(c *apiclient.Client) (api.Invited, error) {
		return c.InvitePerson(ctx, api.NewPerson{Login: opts.Login, Role: api.Role(opts.Role), App: opts.App, Name: opts.Name})
	})
}

// inviteTo has an invitation made and hands it over: in a file, or in print.
func inviteTo(ctx context.Context, std *IO, flags APIOptions, path string, invite func(c *apiclient.Client) (api.Invited, error)) (err error) {
	server, err := flags.Open(std)
	if err != nil {
		return err
	}
	c, err := apiclient.New(server.Base.String(), server)
	if err != nil {
		return err
	}
	var out *os.File
	if path != "" { // the file first: what cannot be kept should not be made
		if out, err = newSecretFile(path); err != nil {
			return err
		}
		defer func() { err = closeSecretFile(out, err) }()
	}
	made, err := invite(c)
	if err != nil {
		return err
	}
	until := made.Expires.UTC().Format(minute)
	accept := "sealift user accept --server " + server.Base.String() + " --invitation-file FILE"
	if out == nil {
		return std.Print(made, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "invited %s as %s; good until %s\n\nThe invitation, shown this once:\n%s\n\nGive it to them alone, for:\n  %s\n",
				made.Person.Login, made.Person.Role, until, made.Invitation, accept)
			return err
		})
	}
	_, err = out.WriteString(made.Invitation + "\n")
	if err = errors.Join(err, out.Sync()); err != nil {
		return sealift.Errorf(sealift.KindExhausted, "writing the invitation", "%w", err).
			WithHint("make another with: sealift user reset-mfa %s", made.Person.Login)
	}
	return std.Print(map[string]any{"person": made.Person, "file": path, "expires": made.Expires}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "invited %s as %s; the invitation in %s is good until %s\n\nGive it to them alone, for:\n  %s\n",
			made.Person.Login, made.Person.Role, path, until, accept)
		return err
	})
}

type userAcceptCmd struct {
	InvitationFile string        `placeholder:"FILE" help:"File with the invitation, readable by you only. Without it: a prompt."`
	Name           string        `placeholder:"TEXT" help:"Your name, as others are to see it. Without it: as you were invited."`
	PasswordFile   string        `placeholder:"FILE" help:"File with the password that you choose. Without it: a prompt."`
	Server         ServerOptions `embed:""`
}

// Run implements the command.
func (c *userAcceptCmd) Run(ctx context.Context, std *IO) error { return runUserAccept(ctx, std, *c) }

func runUserAccept(ctx context.Context, std *IO, opts userAcceptCmd) error {
	server, c, err := opts.Server.open(std)
	if err != nil {
		return err
	}
	path, err := sessionFile(server.Base)
	if err != nil {
		return err
	}
	invitation, err := readOrAsk(ctx, std, opts.InvitationFile, "invitation", "--invitation-file")
	if err != nil {
		return err
	}
	defer invitation.Clear()
	begun, err := c.BeginAcceptance(ctx, string(invitation.Bytes()))
	if err != nil {
		return err
	}
	how := api.AcceptInvitation{Invitation: string(invitation.Bytes()), Ceremony: begun.TOTP.Ceremony, Name: opts.Name}
	if how.Name == "" {
		how.Name = begun.Name
	}
	if how.Name == "" {
		return usage("your name was not given").WithHint("say what others are to call you: --name TEXT")
	}
	std.Note("you are invited as %s, %s, for %s", begun.Login, begun.Role, appOr(begun.App))
	password, err := proofOptions{PasswordFile: opts.PasswordFile}.password(ctx, std, true)
	if err != nil {
		return err
	}
	defer password.Clear()
	how.Password = string(password.Bytes())
	done, err := proveTOTP(ctx, std, begun.TOTP, func(code string) (api.Accepted, error) {
		how.Code = code
		return c.AcceptInvitation(ctx, how)
	})
	if err != nil {
		return err
	}
	if err := writeSession(path, done.Secret); err != nil {
		std.Warn("%s: sign in with sealift login %s", err, begun.Login)
	}
	if done.State == api.PersonStateAccepted {
		std.Warn("you may do nothing else until others have confirmed that it was you\nregister a passkey at %s/people/; then whoever invited you runs: sealift user confirm %s", server.Base, begun.Login)
	}
	return std.Print(map[string]any{"session": done.Session, "recoveryCodes": done.RecoveryCodes}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s\n\n%s", signedIn(begun.Login, done.Session), codesText(done.RecoveryCodes))
		return err
	})
}

type userRoleCmd struct {
	Person string     `arg:"" help:"Their login or id."`
	Role   string     `arg:"" help:"What they may do from now on: owner, security_officer, release_manager, developer, auditor or operator."`
	App    string     `placeholder:"ID" help:"The only app that they may touch. Without it: all."`
	API    APIOptions `embed:""`
}

// Run implements the command.
func (c *userRoleCmd) Run(ctx context.Context, std *IO) error {
	return runUserChange(ctx, std, c.API, c.Person, api.PersonChange{Role: api.Role(c.Role), App: &c.App})
}

func runUserChange(ctx context.Context, std *IO, flags APIOptions, person string, change api.PersonChange) error {
	c, err := flags.client(std)
	if err != nil {
		return err
	}
	p, err := c.ChangePerson(ctx, person, change)
	if err != nil {
		return err
	}
	return std.Print(p, Println("%s is %s for %s, %s", p.Login, p.Role, appOr(p.App), p.State))
}

type userDisableCmd struct {
	Person string     `arg:"" help:"Their login or id."`
	API    APIOptions `embed:""`
}

// Run implements the command.
func (c *userDisableCmd) Run(ctx context.Context, std *IO) error {
	return runUserChange(ctx, std, c.API, c.Person, api.PersonChange{State: api.PersonChangeStateDisabled})
}

type userEnableCmd struct {
	Person string     `arg:"" help:"Their login or id."`
	API    APIOptions `embed:""`
}

// Run implements the command.
func (c *userEnableCmd) Run(ctx context.Context, std *IO) error {
	return runUserChange(ctx, std, c.API, c.Person, api.PersonChange{State: api.PersonChangeStateActive})
}

type userResetCmd struct {
	Person string     `arg:"" help:"Their login or id."`
	Out    string     `placeholder:"FILE" help:"Write the invitation there. Without it: print it, this once. The file must not exist."`
	API    APIOptions `embed:""`
}

// Run implements the command.
func (c *userResetCmd) Run(ctx context.Context, std *IO) error { return runUserReset(ctx, std, *c) }

func runUserReset(ctx context.Context, std *IO, opts userResetCmd) error {
	return inviteTo(ctx, std, opts.API, opts.Out, func(c *apiclient.Client) (api.Invited, error) { return c.ResetPerson(ctx, opts.Person) })
}

type userConfirmCmd struct {
	Person string     `arg:"" help:"Their login or id."`
	API    APIOptions `embed:""`
}

// Run implements the command.
func (c *userConfirmCmd) Run(ctx context.Context, std *IO) error { return runUserConfirm(ctx, std, *c) }

func runUserConfirm(ctx context.Context, std *IO, opts userConfirmCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	p, err := findPerson(ctx, c, opts.Person)
	if err != nil {
		return err
	}
	if p.Accepted == nil {
		return sealift.Errorf(sealift.KindConflict, "confirming a person", "%s has not accepted an invitation yet", p.Login).
			WithReason("invited").WithHint("an invitation that was lost or is over is replaced with: sealift user reset-mfa %s", p.Login)
	}
	std.Note("%s accepted at %s, from %s, with %s; the invitation was made from %s\nask %s in person or on the phone whether that was they", p.Login,
		p.Accepted.UTC().Format(minute), p.AcceptedFrom, orDash(p.AcceptedWith), orDash(p.InvitedFrom), p.Login)
	confirmed, err := c.ConfirmPerson(ctx, p.ID, *p.Accepted)
	if err != nil {
		return err
	}
	return std.Print(confirmed, Println("%s is %s for %s, %s", confirmed.Login, confirmed.Role, appOr(confirmed.App), confirmed.State))
}

type userRemoveCmd struct {
	Person string     `arg:"" help:"Their login or id."`
	API    APIOptions `embed:""`
}

// Run implements the command.
func (c *userRemoveCmd) Run(ctx context.Context, std *IO) error { return runUserRemove(ctx, std, *c) }

func runUserRemove(ctx context.Context, std *IO, opts userRemoveCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	if err := c.RemovePerson(ctx, opts.Person); err != nil {
		return err
	}
	return std.Print(map[string]any{"removed": opts.Person}, Println("removed %s", opts.Person))
}
