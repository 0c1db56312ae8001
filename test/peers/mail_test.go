package peers

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// freePort returns an unused port.
func freePort(t *testing.T) int {
	t.Helper()
	ln := listen(t)
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

// await waits until something listens on the port.
func await(t *testing.T, port int) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; <-time.After(20 * time.Millisecond) {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// startPeer runs a server until the test ends.
func startPeer(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
}

const dovecotConf = `protocols = imap pop3
base_dir = FOLDER/run
state_dir = FOLDER/run
log_path = /dev/stderr
INTERNAL
ssl = no
disable_plaintext_auth = no
first_valid_uid = 1
mail_location = maildir:FOLDER/box
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid=UID gid=GID home=FOLDER
}
service imap-login {
  chroot =
  inet_listener imap {
    address = 127.0.0.1
    port = IMAP
  }
}
service pop3-login {
  chroot =
  inet_listener pop3 {
    address = 127.0.0.1
    port = POP3
  }
}
service anvil {
  chroot =
}
`

// startMail runs an SMTP server, and an IMAP and POP3 server for what it receives. It returns
// their ports.
func startMail(t *testing.T) (smtp, pop3, imap int) {
	t.Helper()
	folder, err := os.MkdirTemp("", "mail") // the paths of sockets must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	box := filepath.Join(folder, "box")
	uid, gid, internal := os.Getuid(), os.Getgid(), ""
	if uid == 0 { // Dovecot refuses to read mail as root
		nobody, err := user.Lookup("nobody")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ = strconv.Atoi(nobody.Uid)
		gid, _ = strconv.Atoi(nobody.Gid)
		if err := os.Chown(folder, uid, gid); err != nil {
			t.Fatal(err)
		}
		os.Chmod(folder, 0o755)
	} else if me, err := user.Current(); err == nil {
		internal = strings.ReplaceAll("default_internal_user = ME\ndefault_login_user = ME\n", "ME", me.Username)
	}
	smtp, pop3, imap = freePort(t), freePort(t), freePort(t)
	conf := strings.NewReplacer("FOLDER", folder, "INTERNAL", internal, "UID", fmt.Sprint(uid), "GID", fmt.Sprint(gid),
		"IMAP", fmt.Sprint(imap), "POP3", fmt.Sprint(pop3)).Replace(dovecotConf)
	startPeer(t, exec.Command(peer(t, "dovecot", "dovecot-imapd dovecot-pop3d"), "-F", "-c", writeFile(t, folder, "dovecot.conf", []byte(conf))))

	aiosmtpd := exec.Command(peer(t, "aiosmtpd", "python3-aiosmtpd"), "-n", "-l", fmt.Sprintf("127.0.0.1:%d", smtp), "-c", "aiosmtpd.handlers.Mailbox", box)
	if os.Getuid() == 0 {
		aiosmtpd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	startPeer(t, aiosmtpd)
	for _, port := range []int{smtp, pop3, imap} {
		await(t, port)
	}
	return smtp, pop3, imap
}

// Python's mail clients and real servers work with a spy between them, which shows
// the conversation line by line, with messages shortened.
func TestSpyMail(t *testing.T) {
	command := buildCommand(t)
	smtpPort, pop3Port, imapPort := startMail(t)
	spies := make([]*spy, 3)
	args := []string{"testdata/mail.py"}
	for i, port := range []int{smtpPort, pop3Port, imapPort} {
		spies[i] = startSpy(t, command, fmt.Sprintf("127.0.0.1:%d", port))
		args = append(args, spies[i].port)
	}
	if out, err := exec.Command(peer(t, "python3", "python3"), args...).CombinedOutput(); err != nil {
		t.Errorf("mail.py: %v\n%s", err, out)
	}
	for i, want := range [][]string{{
		"^#1 C ==> connects from 127.0.0.1:", "^#1 S <-- 220 ", "^#1 C --> ehlo ", "^#1 S <-- 250-", "^#1 S <-- 250 ",
		`^#1 C --> mail FROM:<ann@example\.test>`, "^#1 S <-- 250 ", "^#1 C --> data<CRLF>$", "^#1 S <-- 354 ", "^#1 C --> From: ann@example.test<CRLF>$",
		`^#1 C     \(… \d+ bytes more\)$`, `^#1 C --> \.<CRLF>$`, "^#1 S <-- 250 ", "^#1 C --> QUIT<CRLF>$", "^#1 S <-- 221 ", "closes$",
	}, {
		`^#1 S <-- \+OK `, "^#1 C --> USER bob<CRLF>$", "^#1 C --> PASS secret<CRLF>$", "^#1 C --> STAT<CRLF>$", `^#1 S <-- \+OK 1 `,
		"^#1 C --> RETR 1<CRLF>$", `^#1 S <-- \+OK \d+ octets`, "^#1 S <-- From: ann@example.test<CRLF>$", `^#1 S     \(… \d+ bytes more\)$`,
		`^#1 S <-- \.<CRLF>$`, "^#1 C --> QUIT<CRLF>$", "closes$",
	}, {
		`^#1 S <-- \* OK `, `^#1 C --> \w+ LOGIN bob "secret"<CRLF>$`, `^#1 C --> \w+ SELECT INBOX<CRLF>$`, `^#1 S <-- \* 1 EXISTS<CRLF>$`,
		`^#1 C --> \w+ FETCH 1 \(BODY\[TEXT\]\)<CRLF>$`, `^#1 S <-- \* 1 FETCH \(.*\{\d+\}<CRLF>$`, "^#1 S <-- line 0<CRLF>$",
		`^#1 S     \(… \d+ bytes more\)$`, `^#1 S <-- .*\)<CRLF>$`, `^#1 C --> \w+ APPEND INBOX .*\{\d+\}<CRLF>$`, `^#1 C --> Subject: appended<CRLF>$`,
		`^#1 C --> \w+ LOGOUT<CRLF>$`, `^#1 S <-- \* BYE`, "closes$",
	}} {
		shown := spies[i].stop()
		wantInOrder(t, shown, want)
		if strings.Contains(shown, "line 39") {
			t.Errorf("the message is not shortened:\n%s", shown)
		}
	}
}
