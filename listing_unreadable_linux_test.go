package rawhttp

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp/internal/jail"
	"example.com/rawhttp/internal/testkit"
)

// makeUnreadable makes a folder with files and folders of another user, which user 0 can read
// only if it has the capability. It skips the test for any other user.
func makeUnreadable(t *testing.T) (root string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only user 0 can make files of another user")
	}
	root = testkit.Folder(t, map[string]string{"readable.txt": "r", "secret.txt": "s", "open/a": "a", "closed/b": "b", "to-secret": "->secret.txt"})
	for name, mode := range map[string]os.FileMode{"secret.txt": 0o600, "closed": 0o700} {
		path := filepath.Join(root, name)
		if err := os.Chown(path, 65534, 65534); err != nil {
			t.Skip(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// listUnreadable returns the listings of the folder, with the answers for the entries that
// are not listed.
func listUnreadable(t *testing.T, root string) map[string]string {
	fsys, err := FS(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]*FileResolver{"Dir": filesOfDir(t, root), "os.DirFS": fsys, "os.Root": filesOfDir(t, root)}
	dir, err := os.OpenRoot(root)
	if err != nil {
		t.Fatal(err)
	}
	sources["os.Root"].tree = &jail.OSRootTree{Root: dir}
	defer dir.Close()
	lists := make(map[string]string)
	for name, r := range sources {
		lists[name] = resolveString(t, r, resolveGet(t, "/"))
		for _, hidden := range []string{"/secret.txt", "/closed/", "/to-secret"} {
			if !strings.Contains(lists[name], hidden[1:]+"\n") {
				lists[name] += resolveString(t, r, resolveGet(t, hidden)) + "\n"
			}
		}
	}
	return lists
}

const (
	listedToAll    = "closed/\nopen/\nreadable.txt\nsecret.txt\nto-secret\n"
	listedToOthers = "open/\nreadable.txt\nerror 403\nerror 403\nerror 403\n"
)

// sameForAll returns the same listing for each kind of tree.
func sameForAll(want string) map[string]string {
	return map[string]string{"Dir": want, "os.Root": want, "os.DirFS": want}
}

// User 0 of a container may lack the capability to ignore permissions. Entries that it cannot
// read are not listed.
func TestListingWithoutTheCapability(t *testing.T) {
	root := makeUnreadable(t)
	if _, err := os.ReadFile(filepath.Join(root, "secret.txt")); err != nil {
		t.Skip("user 0 cannot read all files here:", err)
	}
	if diff := cmp.Diff(sameForAll(listedToAll), listUnreadable(t, root)); diff != "" {
		t.Errorf("listings with the capability (-want +got):\n%s", diff)
	}
	testkit.WithoutCapabilities(t, func() {
		if diff := cmp.Diff(sameForAll(listedToOthers), listUnreadable(t, root)); diff != "" {
			t.Errorf("listings without the capability (-want +got):\n%s", diff)
		}
	})
}

// User 0 of a container may have the capability only for the users of the container. A
// process has that from its start, so this test starts itself.
func TestListingInUserNamespace(t *testing.T) {
	const variable = "RAWHTTP_TEST_UNREADABLE"
	if root := os.Getenv(variable); root != "" {
		if diff := cmp.Diff(sameForAll(listedToOthers), listUnreadable(t, root)); diff != "" {
			t.Errorf("listings in a user namespace (-want +got):\n%s", diff)
		}
		return
	}
	root := makeUnreadable(t)
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), variable+"="+root)
	users := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: users, GidMappings: users}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Skip("no user namespaces:", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, &out)
	}
}
