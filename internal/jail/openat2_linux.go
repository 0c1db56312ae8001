//go:build !android && (amd64 || arm64)

package jail

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// Constants of openat2(2) that package syscall does not define.
const (
	SysOpenat2          = 437 // exported for tests that forbid the call
	oPath               = 0x200000
	resolveNoMagicLinks = 0x02 // resolveBeneath includes it, but openat2(2) says that this may change
	resolveBeneath      = 0x08
)

// An Openat2Tree is a folder as a Tree, confined by the kernel: no name leads out of it. It
// opens a name of any depth with one system call.
type Openat2Tree struct {
	SystemNames
	mu  sync.RWMutex // held while fd is in use, so that the number is not reused meanwhile
	fd  int          // descriptor of dir, or -1 if closed
	dir *os.File
}

// NewOpenat2Tree opens the folder. Its error is [errors.ErrUnsupported] if openat2 is
// unavailable: kernels before 5.6 return ENOSYS, and the seccomp filter of a container makes the
// call return ENOSYS, EPERM or EACCES. Any other error, such as a lack of descriptors, may be
// temporary.
func NewOpenat2Tree(dir string) (LinkReader, error) {
	f, err := os.OpenFile(dir, oPath|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	j := &Openat2Tree{dir: f, fd: int(f.Fd())}
	fd, err := j.openat2(".", oPath) // on trial
	if err != nil {
		f.Close()
		if errors.Is(err, fs.ErrPermission) {
			err = errors.ErrUnsupported
		}
		return nil, err
	}
	syscall.Close(fd)
	return j, nil
}

// Open opens a file without blocking. O_NONBLOCK is cleared again, since os.NewFile would register
// a nonblocking file with the poller.
func (j *Openat2Tree) Open(name string) (fs.File, fs.FileInfo, error) {
	fd, err := j.openat2(name, syscall.O_RDONLY|openFlags)
	if err != nil {
		return nil, nil, TreeError(err)
	}
	syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_SETFL, 0) // if it fails, reading only costs more
	return statOpened(name, os.NewFile(uintptr(fd), name))
}

// lookAt stats the target of the name without opening it. A name that has one element and
// is not a link needs no openat2.
func (j *Openat2Tree) lookAt(name string, stat *syscall.Stat_t) error {
	if j.lstat(name, stat) && stat.Mode&syscall.S_IFMT != syscall.S_IFLNK {
		return nil
	}
	fd, err := j.openat2(name, oPath)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	return syscall.Fstat(fd, stat)
}

// Stat does not open the file, so it needs no permission to read it.
func (j *Openat2Tree) Stat(name string) (fs.FileInfo, error) {
	info := &statInfo{name: path.Base(name)}
	if err := j.lookAt(name, &info.stat); err != nil {
		return nil, TreeError(err)
	}
	return info, servable(name, info)
}

// Identify knows regular files only. It makes one system call for a file at the top of the tree,
// and three for others.
func (j *Openat2Tree) Identify(name string) (id FileID, known bool) {
	var stat syscall.Stat_t
	err := j.lookAt(name, &stat)
	return identity(&stat), err == nil && stat.Mode&syscall.S_IFMT == syscall.S_IFREG
}

// Readlink opens the folder of the link with openat2, so that no folder above it leads out, and
// reads the link relative to that folder.
func (j *Openat2Tree) Readlink(name string) (target string, err error) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		j.mu.RLock()
		defer j.mu.RUnlock()
		if j.fd < 0 {
			return "", fs.ErrClosed
		}
		return readlinkat(j.fd, name)
	}
	fd, err := j.openat2(name[:i], oPath)
	if err != nil {
		return "", err
	}
	defer syscall.Close(fd)
	return readlinkat(fd, name[i+1:])
}

func readlinkat(dir int, name string) (target string, err error) {
	var buf [maxStackName]byte
	p, text := cString(&buf, name), make([]byte, maxPath)
	for {
		n, _, errno := syscall.Syscall6(syscall.SYS_READLINKAT, uintptr(dir), uintptr(unsafe.Pointer(p)), uintptr(unsafe.Pointer(&text[0])), maxPath, 0, 0)
		switch errno {
		case 0:
			return string(text[:n]), nil
		case syscall.EINTR:
		default:
			return "", errno
		}
	}
}

// maxPath exceeds the length of any link's text in bytes.
const maxPath = 4096

// IdentityOf returns the FileID in the FileInfo of an open file.
func IdentityOf(info fs.FileInfo) (id FileID, known bool) {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return identity(stat), true
	}
	return FileID{}, false
}

func identity(stat *syscall.Stat_t) FileID {
	return FileID{uint64(stat.Dev), stat.Ino, uint64(stat.Size), stat.Ctim.Nano(), stat.Mtim.Nano()}
}

// ReadDir reads entries as they are on the disk, with their types. Package os would stat
// entries by path, not relative to the folder.
func (j *Openat2Tree) ReadDir(dir fs.File) (entries []Entry, err error) {
	var buf [32 << 10]byte // enough for about 1,000 entries
	fd := int(dir.(*os.File).Fd())
	n, err := syscall.ReadDirent(fd, buf[:])
	for err == syscall.EINTR {
		n, err = syscall.ReadDirent(fd, buf[:])
	}
	if err != nil {
		return nil, err
	}
	if n <= 0 {
		return nil, io.EOF
	}
	entries = direntEntries(fd, buf[:n])
	runtime.KeepAlive(dir)
	return entries, nil
}

// direntEntries converts the output of getdents64(2) for the open folder.
func direntEntries(fd int, b []byte) []Entry {
	entries := make([]Entry, 0, countDirents(b))
	for rest := b; len(rest) > 0; rest = rest[direntLen(rest):] {
		name := rest[direntName:direntLen(rest)]
		name = name[:bytes.IndexByte(name, 0)]
		if string(name) == "." || string(name) == ".." {
			continue
		}
		if e, ok := direntEntry(fd, string(name), rest[direntType]); ok {
			entries = append(entries, e)
		}
	}
	return entries
}

// Offsets in a struct linux_dirent64, see getdents64(2).
const (
	direntReclen = unsafe.Offsetof(syscall.Dirent{}.Reclen)
	direntType   = unsafe.Offsetof(syscall.Dirent{}.Type)
	direntName   = unsafe.Offsetof(syscall.Dirent{}.Name)
)

// direntLen returns the length of the first entry in b, in bytes.
func direntLen(b []byte) int { return int(binary.NativeEndian.Uint16(b[direntReclen:])) }

// countDirents counts the entries in b that may be listed, to allocate no more memory than
// they need.
func countDirents(b []byte) (n int) {
	for ; len(b) > 0; b = b[direntLen(b):] {
		switch b[direntType] {
		case syscall.DT_REG, syscall.DT_DIR, syscall.DT_LNK, syscall.DT_UNKNOWN:
			n++
		}
	}
	return n
}

// direntEntry returns an entry with the type recorded on the disk. If the file system does
// not record it, direntEntry asks for it.
func direntEntry(fd int, name string, kind uint8) (Entry, bool) {
	switch kind {
	case syscall.DT_REG:
		return newEntry(name, 0)
	case syscall.DT_DIR:
		return newEntry(name, fs.ModeDir)
	case syscall.DT_LNK:
		return newEntry(name, fs.ModeSymlink)
	case syscall.DT_UNKNOWN:
		var stat syscall.Stat_t
		err := fstatat(fd, name, &stat)
		e, ok := newEntry(name, fileMode(stat.Mode))
		return e, ok && err == nil
	}
	return Entry{}, false
}

func (j *Openat2Tree) StatEntry(dir fs.File, e *Entry) error {
	var stat syscall.Stat_t
	err := fstatat(int(dir.(*os.File).Fd()), e.Name, &stat)
	runtime.KeepAlive(dir)
	switch mode := fileMode(stat.Mode); {
	case err != nil:
		return err
	case !IsFile(mode) && !mode.IsDir():
		return NotExist(e.Name, "is no longer a regular file or folder")
	default:
		e.Set(mode.IsDir(), stat.Size, knownTime(time.Unix(stat.Mtim.Unix())))
	}
	return nil
}

// MayRead checks the permissions that opening the entry would need. A folder must be
// searchable too.
func (j *Openat2Tree) MayRead(dir fs.File, folder string, e *Entry) bool {
	const (
		read, enter           = 4, 1
		effectiveID, noFollow = 0x200, 0x100 // AT_EACCESS, AT_SYMLINK_NOFOLLOW
	)
	if e.IsLink {
		return mayOpen(j, folder, e)
	}
	mode := uint32(read)
	if e.IsFolder {
		mode |= enter
	}
	err := syscall.Faccessat(int(dir.(*os.File).Fd()), e.Name, mode, effectiveID|noFollow) // open, too, goes by the effective user
	runtime.KeepAlive(dir)
	return !errors.Is(err, fs.ErrPermission)
}

// ReadsAll reports whether the process may read everything, so that permissions need no
// check. Being user 0 does not suffice: in a container, user 0 may lack the capability, or
// have it only for the users of its own namespace.
func ReadsAll() bool {
	const (
		version      = 0x20080522  // _LINUX_CAPABILITY_VERSION_3, of capget(2)
		capabilities = 1<<1 | 1<<2 // CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
	)
	header := struct{ version, thread uint32 }{version, 0}
	var sets [2]struct{ effective, permitted, inheritable uint32 }
	_, _, errno := syscall.RawSyscall(syscall.SYS_CAPGET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&sets)), 0)
	return errno == 0 && sets[0].effective&capabilities != 0 && inFirstNamespace()
}

// inFirstNamespace reports whether the process is in the initial user namespace, which
// contains all users. A process with several threads, like any Go program, cannot change
// its namespace.
var inFirstNamespace = sync.OnceValue(func() bool {
	name, err := os.Readlink("/proc/self/ns/user")
	return err == nil && name == "user:[4026531837]" // PROC_USER_INIT_INO
})

// lstat stats a name in the folder itself, without following a link. It reports false if it
// cannot.
func (j *Openat2Tree) lstat(name string, stat *syscall.Stat_t) bool {
	if strings.Contains(name, "/") || name == ".." { // fstatat is not confined: a link in the path may lead out
		return false
	}
	j.mu.RLock()
	defer j.mu.RUnlock()
	return fstatat(j.fd, name, stat) == nil // if closed, fd is -1, which fails
}

// Close closes the folder, but not the files opened from it. It does not wait for requests.
func (j *Openat2Tree) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fd < 0 {
		return nil
	}
	j.fd = -1
	return j.dir.Close()
}

// maxResolves is how often a lookup is tried before it fails with ErrBusy. Somebody who moves
// folders all the time must not keep a request busy without end.
const maxResolves = 100

// openat2 opens a name beneath the folder. The kernel returns EXDEV for an escape, and
// EAGAIN if it cannot tell because a folder was moved while it followed a "..".
func (j *Openat2Tree) openat2(name string, flags uint64) (fd int, err error) {
	var buf [maxStackName]byte
	p := cString(&buf, name)
	how := struct{ flags, mode, resolve uint64 }{flags | syscall.O_CLOEXEC, 0, resolveBeneath | resolveNoMagicLinks}
	j.mu.RLock()
	defer j.mu.RUnlock()
	if j.fd < 0 {
		return -1, &fs.PathError{Op: "open", Path: name, Err: fs.ErrClosed}
	}
	for range maxResolves {
		fd, _, errno := syscall.Syscall6(SysOpenat2, uintptr(j.fd), uintptr(unsafe.Pointer(p)), uintptr(unsafe.Pointer(&how)), unsafe.Sizeof(how), 0, 0)
		switch errno {
		case 0:
			return int(fd), nil
		case syscall.EAGAIN, syscall.EINTR:
		case syscall.EXDEV:
			return -1, &fs.PathError{Op: "openat2", Path: name, Err: errEscape}
		default:
			return -1, &fs.PathError{Op: "openat2", Path: name, Err: errno}
		}
	}
	return -1, ErrBusy
}

// maxStackName is the size of most names, including a final NUL. They need no allocation.
const maxStackName = 128

// cString returns the name as a NUL-terminated string, in buf if it fits.
func cString(buf *[maxStackName]byte, name string) *byte {
	p := buf[:]
	if len(name) >= len(p) {
		p = make([]byte, len(name)+1)
	}
	p[copy(p, name)] = 0
	return &p[0]
}

// sysFstatat returns the number of fstatat(2), which package syscall does not export.
func sysFstatat() uintptr {
	if runtime.GOARCH == "arm64" {
		return 79
	}
	return 262
}

// fstatat stats a name of one element in the open folder, without following a link.
func fstatat(dir int, name string, stat *syscall.Stat_t) error {
	var buf [maxStackName]byte
	p := cString(&buf, name)
	const noFollow = 0x100 // AT_SYMLINK_NOFOLLOW
	for {
		_, _, errno := syscall.Syscall6(sysFstatat(), uintptr(dir), uintptr(unsafe.Pointer(p)), uintptr(unsafe.Pointer(stat)), noFollow, 0, 0)
		if errno == 0 {
			return nil
		}
		if errno != syscall.EINTR {
			return &fs.PathError{Op: "fstatat", Path: name, Err: errno}
		}
	}
}

// A statInfo is the FileInfo of a struct stat.
type statInfo struct {
	name string
	stat syscall.Stat_t
}

func (i *statInfo) Name() string       { return i.name }
func (i *statInfo) Size() int64        { return i.stat.Size }
func (i *statInfo) ModTime() time.Time { return time.Unix(i.stat.Mtim.Unix()) }
func (i *statInfo) IsDir() bool        { return i.Mode().IsDir() }
func (i *statInfo) Sys() any           { return &i.stat }

func (i *statInfo) Mode() fs.FileMode { return fileMode(i.stat.Mode) }

// fileMode converts an st_mode.
func fileMode(mode uint32) fs.FileMode {
	perm := fs.FileMode(mode & 0o777)
	switch mode & syscall.S_IFMT {
	case syscall.S_IFREG:
		return perm
	case syscall.S_IFDIR:
		return perm | fs.ModeDir
	case syscall.S_IFLNK:
		return perm | fs.ModeSymlink
	}
	return perm | fs.ModeDevice // or a FIFO or socket; none of these is served
}
