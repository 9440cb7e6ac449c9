//! The hosts file: one block of it is ours. All other lines stay as they are, to the octet, and whoever reads meanwhile sees the file
//! before or after.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::block::{BEGIN, END};
use crate::commands::Cannot;

/// Puts the block in place of the one that is there, or at the end; an empty one takes it out. Tells whether anything changed.
///
/// # Errors
/// The file cannot be read or written.
pub fn change(file: &Path, block: &str) -> Result<bool, Cannot> {
    let before = read(file)?;
    let after =
        with_block(&before, block).map_err(|reason| format!("{}: {reason}; nothing was changed", file.display()))?;
    if before == after {
        return Ok(false);
    }
    write(file, &after)
        .map_err(|error| format!("{} cannot be written: {error}; nothing else was changed", file.display()))?;
    Ok(true)
}

/// Whether exactly that block is in the file.
///
/// # Errors
/// The file cannot be read.
pub fn holds(file: &Path, block: &str) -> Result<bool, Cannot> {
    let text = read(file)?;
    with_block(&text, block).map(|after| after == text).map_err(|reason| format!("{}: {reason}", file.display()))
}

fn read(file: &Path) -> Result<Vec<u8>, Cannot> {
    match fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(|error| format!("{} cannot be read: {error}", file.display())),
    }
}

/// The text with the block. A block that is there twice, or has no end, was touched by somebody: not ours to guess.
pub fn with_block(text: &[u8], block: &str) -> Result<Vec<u8>, String> {
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let is = |line: &[u8], mark: &str| line.trim_ascii_end() == mark.as_bytes();
    let at = |mark: &str| -> Vec<usize> { (0..lines.len()).filter(|index| is(lines[*index], mark)).collect() };
    let (begin, end) = match (&at(BEGIN)[..], &at(END)[..]) {
        ([], []) => (lines.len(), lines.len()),
        ([begin], [end]) if begin < end => (*begin, end + 1),
        _ => {
            return Err(format!(
                "the lines '{BEGIN}' and '{END}' are not there once each, in this order; put that right"
            ));
        }
    };
    let mut out = lines[..begin].concat();
    if !block.is_empty() && out.last().is_some_and(|byte| *byte != b'\n') {
        out.push(b'\n');
    }
    out.extend_from_slice(block.as_bytes());
    out.extend(lines[end..].concat());
    Ok(out)
}

fn write(file: &Path, text: &[u8]) -> io::Result<()> {
    // What a link names is written, and the link stays.
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    match replace(&file, text) {
        // Containers mount the file itself: nothing can take its place, so it is written where it stands.
        Err(error)
            if file.exists() && matches!(error.kind(), io::ErrorKind::ResourceBusy | io::ErrorKind::CrossesDevices) =>
        {
            fs::write(&file, text)
        }
        done => done,
    }
}

/// Another file, complete, takes its place.
fn replace(file: &Path, text: &[u8]) -> io::Result<()> {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".outrigger-{}", std::process::id()));
    let beside = file.with_file_name(name);
    let done = (|| {
        let mut written = fs::OpenOptions::new().write(true).create_new(true).open(&beside)?;
        written.write_all(text)?;
        let mode = match fs::metadata(file) {
            Ok(old) => {
                // Only root may give a file away; whoever else writes it owns it.
                let _stays_ours = std::os::unix::fs::chown(&beside, Some(old.uid()), Some(old.gid()));
                old.permissions().mode()
            }
            Err(_) => 0o644,
        };
        fs::set_permissions(&beside, fs::Permissions::from_mode(mode))?;
        written.sync_all()?;
        fs::rename(&beside, file)
    })();
    if done.is_err() {
        let _gone_or_never_there = fs::remove_file(&beside);
    }
    done
}
