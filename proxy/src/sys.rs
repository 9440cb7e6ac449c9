//! System calls that the socket library does not wrap, or wraps at a cost: pipes, splice, raw socket options, receiving and sending.
//! The only place where unsafe code may stand. Called by `listener`, `cluster` (socket options), `tcp` (splice) and `transport`.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::net::{RecvFlags, SendFlags};
use rustix::pipe::{PipeFlags, SpliceFlags};
use tokio::io::ReadBuf;

/// A pipe whose ends do not block.
#[derive(Debug)]
pub struct Pipe {
    /// The end that is read.
    pub read: OwnedFd,
    /// The end that is written.
    pub write: OwnedFd,
    /// How many octets it holds at most.
    pub capacity: usize,
}

impl Pipe {
    /// A pipe that holds `capacity` octets, or what the system lets it have: without privileges a user's pipes share a budget, after
    /// which growing them is refused (`EPERM`) and new ones hold a page or two.
    ///
    /// # Errors
    /// No descriptor is left (`EMFILE`, `ENFILE`).
    pub fn new(capacity: usize) -> io::Result<Pipe> {
        let (read, write) = rustix::pipe::pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
        // A refusal leaves the pipe as it is.
        let _ = rustix::pipe::fcntl_setpipe_size(&write, capacity);
        let capacity = rustix::pipe::fcntl_getpipe_size(&write)?;
        Ok(Pipe { read, write, capacity })
    }
}

/// Seconds that local time is ahead of UTC at a moment (seconds since 1970).
pub fn utc_offset(moment: i64) -> i32 {
    // SAFETY: an all-zero `tm` is valid, and `localtime_r` writes to it alone.
    let local = unsafe {
        let mut local: libc::tm = std::mem::zeroed();
        let moment: libc::time_t = moment;
        if libc::localtime_r(&raw const moment, &raw mut local).is_null() {
            return 0;
        }
        local
    };
    i32::try_from(local.tm_gmtoff).unwrap_or(0)
}

/// Moves up to `length` octets from one descriptor to the other, one of which is a pipe; neither blocks. 0 is the end of input.
///
/// # Errors
/// `WouldBlock` when the input is empty or the output full; else what the system says.
pub fn splice(from: impl AsFd, to: impl AsFd, length: usize) -> io::Result<usize> {
    let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
    Ok(rustix::pipe::splice(from, None, to, None, length, flags)?)
}

/// Receives what there is, up to the room in `out`. 0 is the end of the stream. Not by way of the C library, whose functions have
/// work of their own to do in a process with threads: two hundredths of what a small request costs.
///
/// # Errors
/// `WouldBlock` when nothing is there; else what the system says.
pub fn receive(socket: impl AsFd, out: &mut ReadBuf<'_>) -> io::Result<usize> {
    // SAFETY: `recv` only writes, and so leaves no octet uninitialised that was initialised.
    let room = unsafe { out.unfilled_mut() };
    let ((filled, _), _) = rustix::net::recv(socket, room, RecvFlags::empty())?;
    let count = filled.len();
    // SAFETY: `recv` has written so many octets at the front.
    unsafe { out.assume_init(count) };
    out.advance(count);
    Ok(count)
}

/// Sends as much as the system takes. A peer that is gone is an error, never a signal.
///
/// # Errors
/// `WouldBlock` when it takes nothing; else what the system says.
pub fn send(socket: impl AsFd, data: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(socket, data, SendFlags::NOSIGNAL)?)
}

/// `setsockopt` as the configuration spells it: level, name, and the value's octets.
///
/// # Errors
/// What the system says.
pub fn set_socket_option(socket: BorrowedFd<'_>, level: i32, name: i32, value: &[u8]) -> io::Result<()> {
    let length = libc::socklen_t::try_from(value.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the descriptor is borrowed and so open; pointer and length describe `value`, which outlives the call.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value.as_ptr().cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests;

/// Gives free memory back to the system, and lets go of the pages of code that only the start or a dump needed. Called after something
/// large was let go (a bootstrap's descriptors, a config dump); costs some milliseconds at most.
pub fn trim_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `malloc_trim` takes no pointer and may be called at any time from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
    #[cfg(target_os = "linux")]
    release_code();
}

/// Unmaps this program's code. What runs comes back from the page cache by minor faults, some hundred of them; what does not run again
/// (most of it: decoders of configuration, the command line) no longer counts as memory of ours and can be reclaimed.
#[cfg(target_os = "linux")]
fn release_code() {
    let (Ok(maps), Ok(program)) = (std::fs::read_to_string("/proc/self/maps"), std::fs::read_link("/proc/self/exe"))
    else {
        return;
    };
    let program = program.to_string_lossy();
    for (start, length) in maps.lines().filter_map(|line| code_range(line, &program)) {
        // SAFETY: the range is a mapping of this program's file that is executable and cannot be written (`r-xp`), so every page of it is
        // as it is in the file, and the kernel reads a page that is touched again from there.
        unsafe {
            libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED);
        }
    }
}

/// Start and length of a line of `/proc/self/maps` that is code of `program`.
#[cfg(target_os = "linux")]
fn code_range(line: &str, program: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (range, rights) = (words.next()?, words.next()?);
    if rights != "r-xp" || !line.ends_with(program) || program.is_empty() {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    Some((start, end.checked_sub(start)?))
}
