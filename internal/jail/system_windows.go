package jail

import (
	"io/fs"
	"syscall"
)

// A systemError is an error of the system.
type systemError = syscall.Errno

const openFlags = 0 // folders contain no FIFOs

// Errors that package syscall does not name. Its EMFILE and the like are inventions that
// the system never returns.
const (
	tooManyOpenFiles      = syscall.Errno(4)
	invalidHandle         = syscall.Errno(6)
	notEnoughMemory       = syscall.Errno(8)
	outOfMemory           = syscall.Errno(14)
	notReady              = syscall.Errno(21)
	crcError              = syscall.Errno(23)
	generalFailure        = syscall.Errno(31)
	sharingViolation      = syscall.Errno(32)
	lockViolation         = syscall.Errno(33)
	sharingBufferExceeded = syscall.Errno(36)
	unexpectedNetError    = syscall.Errno(59)
	semaphoreTimeout      = syscall.Errno(121)
	busy                  = syscall.Errno(170)
	ioDevice              = syscall.Errno(1117)
	fileCorrupt           = syscall.Errno(1392)
	diskCorrupt           = syscall.Errno(1393)
	noSystemResources     = syscall.Errno(1450)
	workingSetQuota       = syscall.Errno(1453)
	commitmentLimit       = syscall.Errno(1455)
	notEnoughQuota        = syscall.Errno(1816)
	wsaTooManyOpenFiles   = syscall.Errno(10024)
	wsaNetDown            = syscall.Errno(10050)
	wsaNetUnreachable     = syscall.Errno(10051)
	wsaNetReset           = syscall.Errno(10052)
	wsaNoBuffers          = syscall.Errno(10055)
	wsaNotConnected       = syscall.Errno(10057)
	wsaTimedOut           = syscall.Errno(10060)
	wsaHostDown           = syscall.Errno(10064)
	wsaHostUnreachable    = syscall.Errno(10065)
)

// ClientErrors are the errors of accept that concern a single connection, closed by its
// client before it was accepted, or its network.
var ClientErrors = []error{
	syscall.WSAECONNABORTED, syscall.WSAECONNRESET, syscall.ERROR_NETNAME_DELETED, wsaNetDown, wsaNetUnreachable,
	wsaNetReset, wsaNotConnected, wsaTimedOut, wsaHostDown, wsaHostUnreachable,
}

var (
	// Shortages are the errors of a system that has temporarily run out of a resource.
	Shortages = []error{
		tooManyOpenFiles, notEnoughMemory, outOfMemory, sharingBufferExceeded, noSystemResources,
		workingSetQuota, commitmentLimit, notEnoughQuota, wsaTooManyOpenFiles, wsaNoBuffers,
		syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS,
	}

	// LockErrors are the errors of a file that is locked by another process, or opened for
	// exclusive use.
	LockErrors = []error{sharingViolation, lockViolation, busy}

	// DeviceErrors are the errors of a disk, or of the connection to it.
	DeviceErrors = []error{
		invalidHandle, notReady, crcError, generalFailure, unexpectedNetError, syscall.ERROR_NETNAME_DELETED,
		semaphoreTimeout, ioDevice, fileCorrupt, diskCorrupt,
		syscall.EIO, syscall.ESTALE, syscall.EBADF, syscall.ETIMEDOUT,
	}
)

// IsRemoved reports false, since the system cannot tell.
func IsRemoved(fs.FileInfo) bool { return false }
