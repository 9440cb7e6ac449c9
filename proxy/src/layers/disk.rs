//! Layers of files: each key is a path below a folder, with dots for slashes, and its value what the file holds. Called by [`super::Layers`]
//! on the control thread; the operator's files are small, and what is not is refused.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::bootstrap::DiskLayer;
use config::runtime::{Entries, of_text};

/// Envoy's.
const DEEPEST: usize = 16;
/// Files of a layer, and octets of each.
const MOST_FILES: usize = 10_000;
const LONGEST: u64 = 64 * 1024;

/// What is at the root: something else has other numbers.
pub(super) fn identity(root: &str) -> Option<(u64, u64)> {
    let found = fs::symlink_metadata(root).ok()?;
    Some((found.dev(), found.ino()))
}

/// What the files say; `None`: the folder is not there.
pub(super) fn read(layer: &DiskLayer, cluster: &str) -> Result<Option<Entries>, String> {
    let mut folder = PathBuf::from(&*layer.root);
    // Whatever it begins with, it is below the root.
    folder.push(layer.subdirectory.trim_start_matches('/'));
    if layer.of_cluster {
        folder.push(cluster.trim_start_matches('/'));
    }
    if !folder.is_dir() {
        return Ok(None);
    }
    let mut entries = Entries::new();
    walk(&folder, "", 1, &mut entries)?;
    Ok(Some(entries))
}

fn walk(folder: &Path, prefix: &str, depth: usize, entries: &mut Entries) -> Result<(), String> {
    if depth > DEEPEST {
        return Err(format!("{} is more than {DEEPEST} folders deep", folder.display()));
    }
    let failed = |error: std::io::Error| format!("{} cannot be read: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(format!("{} is not named in UTF-8", path.display()));
        };
        let key = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
        // Links are followed: Kubernetes mounts files as links.
        if path.is_dir() {
            walk(&path, &key, depth + 1, entries)?;
        } else if path.is_file() {
            if entries.len() >= MOST_FILES {
                return Err(format!("there are more than {MOST_FILES} files"));
            }
            let text = of_text(&value(&path)?).map_err(|reason| format!("{} is no YAML: {reason}", path.display()))?;
            entries.insert(Arc::from(key), text);
        }
    }
    Ok(())
}

/// A file without its comments and the space at its end.
fn value(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text));
    read.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    if text.len() as u64 > LONGEST {
        return Err(format!("{} is longer than {LONGEST} octets", path.display()));
    }
    let lines: Vec<&str> = text.split('\n').filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    Ok(lines.join("\n").trim_end().to_owned())
}
