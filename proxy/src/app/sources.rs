//! What the configuration names instead of saying it: the content of a file or of an environment variable, read when the resource that
//! names it is. Given to the translation by `bootstrap`; secrets have their own reader, for they change. Reads nothing but files that
//! end: the control thread must not wait for a pipe.

use bytes::Bytes;
use config::discreet;
use config::secret::DataSource;

/// Octets of a file that are taken. What the field may hold is for its decoder to say.
const LONGEST: u64 = 16 << 20;

/// The content.
///
/// # Errors
/// There is none to be had, and what to do about it.
pub(super) fn read(source: &DataSource) -> Result<Bytes, String> {
    match source {
        DataSource::Inline(bytes) => Ok(bytes.clone()),
        DataSource::File(file) => {
            let failed = |error: std::io::Error| {
                format!("file {} cannot be read: {error}; put it there, or correct its path", file.shown())
            };
            let about = std::fs::metadata(&file.path).map_err(failed)?;
            if !about.is_file() || about.len() > LONGEST {
                return Err(format!("{} is no file of at most {LONGEST} octets", file.shown()));
            }
            std::fs::read(&file.path).map(Bytes::from).map_err(failed)
        }
        DataSource::Environment(name) => {
            use std::os::unix::ffi::OsStringExt as _;
            let value = std::env::var_os(&**name).ok_or_else(|| {
                let name = discreet::shown(name);
                format!("environment variable {name} is not set; set it before the proxy starts")
            })?;
            Ok(Bytes::from(value.into_vec()))
        }
    }
}

#[cfg(test)]
mod tests;
