//! Scenarios are files: one `NAME.json` each, in a folder of their kind. Read by the kinds of scenarios, each of which knows its keys.

use std::path::Path;

use serde_json::Value;

use super::started::Failure;

/// All scenarios of a folder, in order of their names; with `PARITY_ONLY=a,b` in the environment those whose names begin with `a` or `b`.
/// `read` makes one of its name and text.
///
/// # Errors
/// The file that is none.
pub fn all<T>(folder: &Path, read: impl Fn(&str, &str) -> Result<T, Failure>) -> Result<Vec<T>, Failure> {
    let only = std::env::var("PARITY_ONLY").unwrap_or_default();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == "json")
            && only.split(',').any(|prefix| name.starts_with(prefix))
        {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    let one = |name: &String| {
        let path = folder.join(format!("{name}.json"));
        let read = std::fs::read_to_string(&path).map_err(Failure::from).and_then(|text| read(name, &text));
        read.map_err(|error| format!("{}: {error}", path.display()).into())
    };
    names.iter().map(one).collect()
}

/// What is misspelt would go unnoticed.
///
/// # Errors
/// A key that is none of these.
pub fn known(value: &Value, keys: &[&str]) -> Result<(), Failure> {
    match value.as_object().into_iter().flatten().find(|(key, _)| !keys.contains(&key.as_str())) {
        Some((key, _)) => Err(format!("nothing is called {key:?}").into()),
        None => Ok(()),
    }
}
