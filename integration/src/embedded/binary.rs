//! The `outrigger` binary that tests and the demo start: `$OUTRIGGER_BIN`, or the one that belongs to this build.
//!
//! It is built if need be, once for each process. Must never start another profile's binary by mistake.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Builds the binary unless `$OUTRIGGER_BIN` names one, and gives its path. Cargo's progress goes to standard error.
///
/// # Errors
/// What Cargo said, in a sentence that tells what to do.
pub fn build() -> Result<PathBuf, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(build_now).clone()
}

fn build_now() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("OUTRIGGER_BIN") {
        let path = PathBuf::from(path);
        return if path.exists() { Ok(path) } else { Err(format!("OUTRIGGER_BIN: {} does not exist", path.display())) };
    }
    let folder = profile_folder()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // Of the whole workspace, so that dependencies have the features that `cargo build --workspace` and `cargo test --workspace` built them with.
    command.args(["build", "--workspace", "--bin", "outrigger"]);
    command.arg("--manifest-path").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));
    if folder.ends_with("release") {
        command.arg("--release");
    }
    let target = folder.parent().ok_or("the build folder has no parent")?;
    command.arg("--target-dir").arg(target).stdin(Stdio::null());
    // Cargo's own variables of the outer run would make the inner one rebuild everything.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
            command.env_remove(&name);
        }
    }
    let status = command.status().map_err(|error| format!("cargo does not start: {error}"))?;
    if !status.success() {
        return Err(format!("cargo build --bin outrigger ended with {status}; its messages stand above"));
    }
    Ok(folder.join("outrigger"))
}

/// `target/debug` or `target/release`, from where this program itself is.
fn profile_folder() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("this program has no path: {error}"))?;
    let folder = own.parent().ok_or("this program has no folder")?;
    let tests = folder.ends_with("deps") || folder.ends_with("examples");
    let folder = if tests { folder.parent().unwrap_or(Path::new("")) } else { folder };
    Ok(folder.to_owned())
}
