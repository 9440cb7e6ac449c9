//! Which revision a release is built from, for `--version`: `OUTRIGGER_REVISION` if it is set, else what git says of this checkout. A build for
//! development does not ask, for each commit would then build the whole crate anew. Must need nothing but the standard library.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=OUTRIGGER_REVISION");
    if std::env::var_os("OUTRIGGER_REVISION").is_some() || std::env::var("PROFILE").as_deref() != Ok("release") {
        return;
    }
    let Some(revision) = git(&["rev-parse", "HEAD"]) else { return };
    println!("cargo::rustc-env=OUTRIGGER_REVISION={revision}");
    let is_clean = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|changes| changes.is_empty());
    println!("cargo::rustc-env=OUTRIGGER_REVISION_STATUS={}", if is_clean { "Clean" } else { "Modified" });
    // Another commit is another revision, and so is what was changed since.
    let branch = git(&["symbolic-ref", "-q", "HEAD"]);
    for name in ["HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        if let Some(path) = git(&["rev-parse", "--git-path", name]).filter(|path| std::path::Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    println!("cargo::rerun-if-changed=src");
}

/// The first line of what git says, if there is a git and a checkout.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.lines().next().unwrap_or_default().to_owned())
}
