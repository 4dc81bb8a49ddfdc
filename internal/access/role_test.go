package access_test

import (
	"strings"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
)

// The whole table again, as a person would draw it: every cell is tested, and
// a new role or action without a cell here fails.
const drawn = `
                  owner  security_officer  release_manager  developer  auditor  operator
app.list          yes    yes               yes              yes        yes      yes
app.create        yes    no                yes              no         no       no
app.change        yes    no                yes              no         no       no
app.open          yes    yes               no               no         no       no
channel.list      yes    yes               yes              yes        yes      yes
channel.create    yes    no                yes              no         no       no
channel.change    yes    yes               yes              no         no       no
channel.open      yes    yes               no               no         no       no
enrolment.issue   yes    yes               yes              no         no       yes
release.publish   yes    no                yes              yes        no       no
release.promote   yes    no                yes              yes        no       no
rollback.create   yes    no                yes              yes        no       no
release.cosign    yes    yes               yes              yes        no       no
release.list      yes    yes               yes              yes        yes      yes
rollout.pause     yes    yes               yes              yes        no       yes
rollout.steer     yes    no                yes              no         no       no
rollout.plan      yes    no                yes              no         no       no
device.list       yes    yes               yes              yes        yes      yes
device.revoke     yes    yes               no               no         no       no
device.erase      yes    yes               no               no         no       no
device.assign     yes    yes               yes              no         no       yes
deny.list         yes    yes               yes              no         yes      no
deny.change       yes    yes               no               no         no       no
deny.lift         yes    yes               no               no         no       no
root.read         yes    yes               yes              yes        yes      yes
root.accept       yes    yes               no               no         no       no
log.read          yes    yes               no               no         yes      no
token.list        yes    yes               no               no         yes      no
token.manage      yes    yes               no               no         no       no
token.revoke      yes    yes               no               no         no       no
person.list       yes    yes               no               no         yes      no
person.manage     yes    yes               no               no         no       no
account.use       yes    yes               yes              yes        yes      yes
key.list          yes    yes               no               no         yes      no
key.change        yes    yes               no               no         no       no
key.create        yes    yes               no               no         no       no
key.import        yes    yes               no               no         no       no
key.export        yes    yes               no               no         no       no
key.sign          yes    no                yes              yes        no       no
vault.seal        yes    yes               no               no         no       no
vault.rotate      yes    yes               no               no         no       no
vault.await       yes    yes               no               no         no       no
policy.list       yes    yes               yes              yes        yes      no
policy.change     yes    yes               no               no         no       no
approval.list     yes    yes               yes              yes        yes      no
approval.decide   yes    yes               yes              yes        no       no
backup.list       yes    yes               no               no         yes      yes
`

func TestEveryCell(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(drawn), "\n")
	roles := strings.Fields(lines[0])
	for _, line := range lines[1:] {
		cells := strings.Fields(line)
		for i, role := range roles {
			err := access.Allow(access.Role(role), access.Action(cells[0]))
			if got, want := err == nil, cells[i+1] == "yes"; got != want {
				t.Errorf("%s × %s: allowed is %t, want %t", role, cells[0], got, want)
			}
			if err != nil && (sealift.KindOf(err) != sealift.KindDenied || sealift.ReasonOf(err) != "role" || sealift.HintOf(err) == "") {
				t.Errorf("%s × %s: %v", role, cells[0], err)
			}
		}
	}
}

func TestUnknownIsRefused(t *testing.T) {
	for role, action := range map[access.Role]access.Action{
		"": access.ListApps, "Owner": access.ListApps, "root": access.ListApps, access.RoleOwner: "", access.RoleAuditor: "app.delete",
	} {
		if access.Allow(role, action) == nil {
			t.Errorf("%q may do %q", role, action)
		}
	}
}

func TestParseRole(t *testing.T) {
	for _, role := range strings.Fields(strings.Split(strings.TrimSpace(drawn), "\n")[0]) {
		if got, err := access.ParseRole(role); string(got) != role || err != nil {
			t.Errorf("ParseRole(%q) = %q, %v", role, got, err)
		}
	}
	if _, err := access.ParseRole("admin"); sealift.KindOf(err) != sealift.KindInvalid {
		t.Errorf("ParseRole(admin): %v", err)
	}
}
