package cli

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

func terminating(r metadata.DelegatedRole) metadata.DelegatedRole {
	r.Terminating = true
	return r
}

// edge is a delegation in a graph.
type edge struct {
	parent string
	role   metadata.DelegatedRole
}

func TestTUFDelegationGraphs(t *testing.T) {
	py := []string{"*.py"}
	for name, test := range map[string]struct {
		edges   []edge
		visited []string
	}{
		"basic":                  {[]edge{{"targets", role("A")}}, []string{"A"}},
		"single level":           {[]edge{{"targets", role("A")}, {"targets", role("B")}}, []string{"A", "B"}},
		"two levels":             {[]edge{{"targets", role("A")}, {"targets", role("B")}, {"B", role("C")}}, []string{"A", "B", "C"}},
		"depth first":            {[]edge{{"targets", role("A")}, {"targets", role("B")}, {"A", role("C")}, {"A", role("D")}}, []string{"A", "C", "D", "B"}},
		"three levels":           {[]edge{{"targets", role("A")}, {"targets", role("B")}, {"A", role("C")}, {"C", role("D")}}, []string{"A", "C", "D", "B"}},
		"terminating":            {[]edge{{"targets", role("A")}, {"targets", role("B")}, {"A", terminating(role("C"))}, {"A", role("D")}}, []string{"A", "C"}},
		"terminating, deeper":    {[]edge{{"targets", role("A")}, {"targets", role("B")}, {"A", terminating(role("C"))}, {"C", role("D")}}, []string{"A", "C", "D"}},
		"paths":                  {[]edge{{"targets", role("A", py...)}, {"targets", role("B")}, {"A", role("C")}}, []string{"B"}},
		"paths, deeper":          {[]edge{{"targets", role("A")}, {"targets", role("B")}, {"A", role("C", py...)}, {"C", role("D")}}, []string{"A", "B"}},
		"cycle":                  {[]edge{{"targets", role("A")}, {"targets", role("B")}, {"B", role("C")}, {"C", role("D")}, {"D", role("B")}}, []string{"A", "B", "C", "D"}},
		"diamond":                {[]edge{{"targets", role("A")}, {"targets", role("B")}, {"B", role("C")}, {"A", role("C")}}, []string{"A", "C", "B"}},
		"diamond of other paths": {[]edge{{"targets", role("A")}, {"targets", role("B")}, {"B", role("C")}, {"A", role("C", py...)}}, []string{"A", "B", "C"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := startConformant(t)
			c.graph(test.edges)
			c.want(1, c.download("missingpath"))
			c.wantVisited(test.visited)
		})
	}
}

func (c *conformant) graph(edges []edge) {
	c.t.Helper()
	var roles []string
	for _, e := range edges {
		c.delegate(e.parent, e.role)
		for _, name := range []string{e.parent, e.role.Name} {
			if !slices.Contains(roles, name) {
				roles = append(roles, name)
			}
		}
	}
	c.publish(append(roles, "snapshot", "timestamp")...)
}

func (c *conformant) wantVisited(roles []string) {
	c.t.Helper()
	var want []string
	for _, role := range roles {
		want = append(want, role+" 1")
	}
	if diff := cmp.Diff(want, append([]string(nil), c.requests()[4:]...)); diff != "" {
		c.t.Fatalf("visited (-want +got):\n%s", diff)
	}
}

func TestTUFTargetSearch(t *testing.T) {
	for path, test := range map[string]struct {
		code    int
		visited []string
	}{
		"targetfile":          {0, nil},
		"README.md":           {0, []string{"A"}},
		"releases/x/x_v1":     {0, []string{"B", "C"}},
		"releases/y/y_v1.zip": {0, []string{"B", "D"}},
		"releases/z/z_v1.zip": {1, []string{"B"}}, // not delegated by all of the chain
		"releases/README.md":  {1, nil},           // no wildcard matches a separator
		"foo-1.tgz":           {0, []string{"A"}},
		"foo-alpha.tgz":       {1, nil},
		"README.MD":           {1, nil},
	} {
		t.Run(filepath.Base(path), func(t *testing.T) {
			c := startConformant(t)
			c.targets["A"], c.targets["C"], c.targets["D"] = c.newTargets(), c.newTargets(), c.newTargets()
			c.addTarget("targets", "targetfile", "targetfile")
			for _, name := range []string{"README.md", "releases/README.md", "foo-1.tgz", "foo-alpha.tgz"} {
				c.addTarget("A", name, name)
			}
			c.addTarget("C", "releases/x/x_v1", "releases/x/x_v1")
			c.addTarget("D", "releases/y/y_v1.zip", "releases/y/y_v1.zip")
			c.addTarget("D", "releases/z/z_v1.zip", "releases/z/z_v1.zip")
			c.graph([]edge{
				{"targets", role("A", "*.doc", "*.md", "foo-?.tgz")}, {"targets", role("B", "releases/*/*")},
				{"B", role("C", "releases/x/*")}, {"B", role("D", "releases/y/*.zip")},
			})
			c.want(test.code, c.download(path))
			c.wantVisited(test.visited)
			for _, content := range c.downloaded() {
				if content != path || test.code != 0 {
					t.Errorf("downloaded %q", content)
				}
			}
		})
	}
}

// go-tuf verifies a role for the first delegator that leads to it only.
func TestTUFCachedRoleVerifiedPerDelegator(t *testing.T) {
	c := startConformant(t)
	c.delegate("targets", role("parent-a", "team-a/*"))
	c.delegate("targets", role("parent-b", "team-b/*"))
	c.delegate("parent-a", role("release", "team-a/*"))
	c.delegate("parent-b", role("release", "team-b/*"))
	c.signers["release"] = c.signers["release"][:1] // parent-a's key
	c.addTarget("release", "team-a/file", "trusted A")
	c.addTarget("release", "team-b/file", "malicious B")
	c.publish("release", "parent-a", "parent-b", "targets", "snapshot", "timestamp")
	c.want(1, c.download("team-a/file", "team-b/file"))
	if diff := cmp.Diff(map[string]string{"team-a%2Ffile": "trusted A"}, c.downloaded()); diff != "" {
		t.Errorf("downloaded (-want +got):\n%s", diff)
	}
	c.want(0, c.download("team-a/file"))
}

func TestTUFDelegationNotInSnapshot(t *testing.T) {
	c := startConformant(t)
	c.delegate("targets", role("delegated", "delegatedpath/*"))
	c.publish("delegated", "targets")
	delete(c.snapshot.Signed.Meta, "delegated.json")
	c.publish("snapshot", "timestamp")
	c.want(0, c.refresh())
	c.requests()
	c.want(1, c.download("delegatedpath/foo"))
	c.wantRequests("root 2", "timestamp")
	if _, ok := c.trusted()["delegated"]; ok {
		t.Error("a role that the snapshot does not list is trusted")
	}
}

func TestTUFSuccinctRoles(t *testing.T) {
	c := startConformant(t)
	bins := c.delegateBins(4, "bin")
	var first string
	for i := range 20 {
		path := fmt.Sprintf("dir/file-%d", i)
		bin := c.targets["targets"].Signed.Delegations.SuccinctRoles.GetRolesForTarget(path)[0].Name
		c.addTarget(bin, path, path)
		if i == 0 {
			first = bin
		}
	}
	c.publish(append(bins, "targets", "snapshot", "timestamp")...)
	c.want(0, c.download("dir/file-0"))
	c.wantVisited([]string{first})
	for i := range 20 {
		c.want(0, c.download(fmt.Sprintf("dir/file-%d", i)))
	}
	c.want(1, c.download("dir/file-none"))
	if got := len(c.downloaded()); got != 20 {
		t.Errorf("%d files downloaded, want 20", got)
	}
}
