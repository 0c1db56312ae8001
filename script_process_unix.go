//go:build unix && !aix

package rawhttp

import (
	"errors"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"example.com/rawhttp/internal/jail"
)

const hasProcessGroups = true

// A process is the leader of a process group. Pipes connect it to the server.
type process struct {
	pid      int
	in       *os.File // standard input; nil unless it is a pipe
	out, err *os.File // standard output and error
}

// startProcess starts a program in the folder. It takes over the file of the input. The program
// leads a process group of its own, so that end reaches what it starts, and a ^C at the terminal
// of the server does not.
func startProcess(folder string, argv, env []string, in scriptInput) (*process, error) {
	var p process
	theirs, err := p.open(in)
	if err == nil {
		files := []uintptr{theirs[0].Fd(), theirs[1].Fd(), theirs[2].Fd()} // Fd makes them blocking, as programs expect
		p.pid, err = syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
			Dir: folder, Env: env, Files: files, Sys: &syscall.SysProcAttr{Setpgid: true},
		})
	}
	for _, f := range theirs { // while the server held them open, it would never read the end of the output
		f.Close()
	}
	if err != nil {
		p.in.Close()
		p.out.Close()
		p.err.Close()
		return nil, startError(folder, argv[0], err)
	}
	return &p, nil
}

// descriptorFolder is where the system lists the open descriptors of a process.
var descriptorFolder = map[string]string{
	"linux": "/proc/self/fd", "android": "/proc/self/fd", "darwin": "/dev/fd", "ios": "/dev/fd",
}

// inheritNothing marks all descriptors from 3 on close-on-exec. Go opens its own that way;
// descriptors inherited by this process, or opened by package syscall or by C, may not be. It
// affects the whole process, but not programs started with os/exec, which pass descriptors on
// explicitly.
func inheritNothing() {
	fds, err := openDescriptors(descriptorFolder[runtime.GOOS])
	if err != nil {
		fds = possibleDescriptors()
	}
	for _, fd := range fds {
		if fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}

// openDescriptors returns the descriptors listed in the folder.
func openDescriptors(folder string) (fds []int, err error) {
	dir, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	for _, name := range names {
		if fd, err := strconv.Atoi(name); err == nil {
			fds = append(fds, fd)
		}
	}
	return fds, err
}

// possibleDescriptors returns all descriptors that may be open, up to a million.
func possibleDescriptors() (fds []int) {
	var limit syscall.Rlimit
	syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	for fd := range int(min(uint64(limit.Cur), 1<<20)) { // the limit may be infinite
		fds = append(fds, fd)
	}
	return fds
}

// open opens the pipes, and returns the ends for the program: its standard input, output
// and error. On failure some files may be nil, which is safe to close.
func (p *process) open(in scriptInput) (theirs [3]*os.File, err error) {
	switch {
	case in.file != nil:
		theirs[0] = in.file
	case in.from != nil:
		theirs[0], p.in, err = os.Pipe()
	default:
		theirs[0], err = os.Open(os.DevNull)
	}
	if err == nil {
		p.out, theirs[1], err = os.Pipe()
	}
	if err == nil {
		p.err, theirs[2], err = os.Pipe()
	}
	return theirs, err
}

// startError returns the error for a program that could not be started. A missing
// interpreter is not reported as [fs.ErrNotExist], which would mean that the resource does not
// exist.
func startError(folder, program string, err error) error {
	status := 500
	switch {
	case !mayRun(folder, shebang(folder, program)): // a mistake of the owner: 500
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		status = 403
	case jail.IsShortage(err), errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ETXTBSY): // too many processes; it is being written
		status = 503
	}
	return &StatusError{Status: status, Err: errors.New("start " + describeProgram(folder, program, err) + ": " + err.Error())}
}

// mayRun reports whether the interpreter is an executable file, or "" for none.
func mayRun(folder, interpreter string) bool {
	if interpreter == "" {
		return true
	}
	info, err := os.Stat(inFolder(folder, interpreter))
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// describeProgram returns the name of a program that could not be started, and those of its
// interpreters, since the system does not say which of them its error concerns.
func describeProgram(folder, program string, err error) string {
	text := strconv.Quote(program)
	for range 5 { // the limit of Linux
		interpreter := shebang(folder, program)
		if interpreter == "" {
			break
		}
		program = interpreter
		text += " with interpreter " + strconv.Quote(program)
		if strings.HasSuffix(program, "\r") {
			text += " (its #! line ends in CR)"
		}
	}
	if _, missing := os.Stat(inFolder(folder, program)); missing == nil && errors.Is(err, syscall.ENOENT) {
		text += " (the file exists, its dynamic loader does not)"
	}
	return text
}

// inFolder resolves the path of a program relative to the folder in which it is started.
func inFolder(folder, program string) string {
	if strings.HasPrefix(program, "/") {
		return program
	}
	return folder + "/" + program
}

// shebang returns the interpreter on the #! line of a program, or "". It is used only to explain
// a failure, so it does no harm that the file may have changed since.
func shebang(folder, program string) string {
	program = inFolder(folder, program)
	if info, err := os.Stat(program); err != nil || !jail.IsFile(info.Mode()) { // opening a FIFO would block
		return ""
	}
	f, err := os.Open(program)
	if err != nil {
		return ""
	}
	defer f.Close()
	b := make([]byte, 256) // as much as Linux reads
	n, _ := io.ReadFull(f, b)
	line, _, _ := strings.Cut(string(b[:n]), "\n")
	line, ok := strings.CutPrefix(line, "#!")
	if !ok {
		return ""
	}
	line = strings.TrimLeft(line, " \t")
	if end := strings.IndexAny(line, " \t\x00"); end >= 0 {
		line = line[:end]
	}
	return line
}

// wait waits for the leader to exit. It returns what went wrong, or "".
func (p *process) wait() (fault string) {
	var status syscall.WaitStatus
	_, err := syscall.Wait4(p.pid, &status, 0, nil)
	for err == syscall.EINTR {
		_, err = syscall.Wait4(p.pid, &status, 0, nil)
	}
	switch {
	case err != nil:
		return err.Error()
	case status.Signaled():
		return "signal: " + status.Signal().String()
	case status.ExitStatus() != 0:
		return "exit status " + strconv.Itoa(status.ExitStatus())
	}
	return ""
}

// end ends all processes of the group, after giving them time to exit, and waits until they
// are gone. exited is closed when wait has returned.
//
// The number of the group is not reused while one of its processes exists. Afterwards the
// system may reuse it, once it has used all other numbers, so end signals it only for a
// short time. There is no event for the end of a group, so end asks every few milliseconds.
func (p *process) end(exited chan struct{}) {
	const step = 5 * time.Millisecond
	p.signal(syscall.SIGTERM, exited)
	for begun := time.Now(); p.signal(0, exited); time.Sleep(step) {
		waited := time.Since(begun)
		if waited >= scriptGrace {
			p.signal(syscall.SIGKILL, exited) // repeated, since processes may be starting others
		}
		if isClosed(exited) { // before that, Wait4 could take the exit status that wait waits for
			if waited >= 3*scriptGrace {
				return // only zombies of a parent that does not wait for them
			}
			syscall.Wait4(-p.pid, nil, syscall.WNOHANG, nil) // as process 1, the server must reap orphans
		}
	}
}

// signal sends a signal to the group, and to a leader that may have left it. It reports
// whether a process received it. SIGTERM goes to the leader only if there is no group,
// since a leader in the group would receive it twice. SIGKILL goes to both: a group of
// zombies that only the leader can reap lasts as long as the leader.
func (p *process) signal(s syscall.Signal, exited chan struct{}) bool {
	isThere := syscall.Kill(-p.pid, s) == nil
	// After the exit, p.pid may be the number of another process.
	if isClosed(exited) || isThere && s == syscall.SIGTERM {
		return isThere
	}
	return syscall.Kill(p.pid, s) == nil || isThere
}

// readNow reads what is already in the pipe. If it is empty, readNow returns io.EOF instead of
// waiting. A Read with a deadline in the past would return nothing at all.
func readNow(pipe *os.File, b []byte) (n int, err error) {
	raw, err := pipe.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlErr := raw.Control(func(fd uintptr) {
		n, err = syscall.Read(int(fd), b)
	})
	switch {
	case controlErr != nil:
		return 0, controlErr
	case err == syscall.EAGAIN, err == nil && n == 0:
		return 0, io.EOF
	}
	return max(n, 0), err // n is -1 on errors
}
