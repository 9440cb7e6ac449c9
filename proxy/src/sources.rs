//! What a `DataSource` names instead of saying it: the content of a file or of an environment variable. Everything that the configuration
//! names so is read here: bodies, log formats and dictionaries while their resource is translated, users and key sets when their filter is
//! made, secrets when they arrive and when their files change. Reads nothing but files that end, and not more than [`LONGEST`] of them: the
//! control thread must not wait for a pipe. What it has read is in no message.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;

use bytes::Bytes;
use config::discreet;
use config::secret::{DataSource, FileSource, wiped};

/// Octets that are taken. What the field may hold is for its decoder to say.
pub const LONGEST: u64 = 16 << 20;

/// The content, which may be a secret: it is overwritten when it is let go. The field that a refusal is about is
/// [`DataSource::specifier`].
///
/// # Errors
/// There is none to be had, and what to do about it.
pub fn read(source: &DataSource) -> Result<Bytes, String> {
    match source {
        DataSource::Inline(octets) => Ok(octets.clone()),
        DataSource::File(source) => file(source),
        DataSource::Environment(name) => {
            let value = std::env::var_os(&**name).map(OsStringExt::into_vec).map(wiped);
            let value = value.ok_or_else(|| {
                let name = discreet::shown(name);
                format!("environment variable {name} is not set; set it before the proxy starts")
            })?;
            bounded(value, || format!("environment variable {}", discreet::shown(name)))
        }
    }
}

/// The content of a file, likewise.
///
/// # Errors
/// It is not there, or no file to be read; and what to do about it.
pub fn file(source: &FileSource) -> Result<Bytes, String> {
    let failed =
        |error: io::Error| format!("cannot read {}: {error}; put the file there, or correct its path", source.shown());
    let regular = |about: std::fs::Metadata| match about.is_file() {
        true => Ok(about.len()),
        false => Err(format!("{} is no regular file; put one there, or correct its path", source.shown())),
    };
    // Asked before it is opened, for opening a device may do something; and of what was opened, which must not be waited for either.
    std::fs::metadata(&source.path).map_err(failed).and_then(regular)?;
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&source.path).map_err(failed)?;
    let length = opened.metadata().map_err(failed).and_then(regular)?;
    bounded(content(opened, length).map_err(failed)?, || source.shown())
}

/// One octet more than the longest is enough to know. With room for all from the beginning no copy is left behind.
fn content(file: File, length: u64) -> io::Result<Bytes> {
    let room = length.min(LONGEST) as usize + 64;
    let mut octets = Vec::with_capacity(room);
    let read = file.take(LONGEST + 1).read_to_end(&mut octets);
    let octets = wiped(octets);
    read.map(|_| octets)
}

fn bounded(octets: Bytes, name: impl FnOnce() -> String) -> Result<Bytes, String> {
    match octets.len() as u64 > LONGEST {
        true => Err(format!("{} is longer than 16 MiB; give less", name())),
        false => Ok(octets),
    }
}

#[cfg(test)]
mod tests;
