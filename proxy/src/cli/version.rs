//! What this build calls itself. Used by `--version`, admin's `/server_info` and the node's user agent.

/// Package version, e.g. `0.1.0`.
pub const NUMBER: &str = env!("CARGO_PKG_VERSION");

/// Source revision, as the build was told (`OUTRIGGER_REVISION`), or as git told a release's build.
pub const REVISION: &str = match option_env!("OUTRIGGER_REVISION") {
    Some(revision) => revision,
    None => "0",
};

/// `RELEASE` or `DEBUG`.
pub const BUILD_TYPE: &str = if cfg!(debug_assertions) { "DEBUG" } else { "RELEASE" };

/// The TLS library.
pub const SSL: &str = "AWS-LC";

/// `revision/number/status/build type/TLS library`, the shape that Envoy prints.
pub fn full() -> String {
    format!("{REVISION}/{NUMBER}/{}/{BUILD_TYPE}/{SSL}", status())
}

/// Whether the build is of the revision and of nothing else.
pub fn status() -> &'static str {
    match option_env!("OUTRIGGER_REVISION_STATUS") {
        Some(status) => status,
        None if REVISION == "0" => "Modified",
        None => "Clean",
    }
}

/// What `--version` prints.
pub fn line() -> String {
    format!("\noutrigger  version: {}\n\n", full())
}

/// Major, minor and patch number.
pub fn numbers() -> [u32; 3] {
    let mut parts = NUMBER.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
    [(); 3].map(|()| parts.next().unwrap_or(0))
}
