//! Where the lab's programs are: what `tools.sh --paths` says, our own helper and the Outrigger binary.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::Result;

/// What only the side-by-side run needs: the mesh goes without.
const BENCHES_ONLY: [&str; 2] = ["nginx:", "haproxy:"];

/// Programs by name. [`Tools::find`] says what is missing instead of failing later.
#[derive(Clone, Debug)]
pub struct Tools {
    paths: HashMap<String, PathBuf>,
}

impl Tools {
    /// Looks for everything a mesh test needs. `app` is the path of `outrigger-lab-app`, which cargo knows.
    ///
    /// # Errors
    /// The reason why mesh tests cannot run here: not root, or a program is missing.
    pub fn find(app: &Path) -> std::result::Result<Self, String> {
        let mut tools = Self::ask_script()?;
        if !is_root() {
            return Err(String::from("network namespaces need root"));
        }
        tools.paths.insert("app".to_owned(), app.to_owned());
        Ok(tools)
    }

    /// The full path of a program of the lab, for example `pilot-agent`.
    pub fn path(&self, name: &str) -> Result<&Path> {
        self.paths.get(name).map(PathBuf::as_path).ok_or_else(|| format!("tools.sh knows no {name}").into())
    }

    /// The folder of Istio's module: CRDs and the agent's bootstrap template are read there, never copied.
    pub fn istio_folder(&self) -> Result<&Path> {
        self.path("istio")
    }

    /// The Outrigger binary: `OUTRIGGER_BIN`, else the one of this build, which cargo brings up to date first.
    pub fn outrigger(&self) -> Result<PathBuf> {
        if let Some(path) = std::env::var_os("OUTRIGGER_BIN") {
            return Ok(std::fs::canonicalize(&path).map_err(|error| format!("OUTRIGGER_BIN {path:?}: {error}"))?);
        }
        let folder = self.path("app")?.parent().ok_or("the helper's path has no folder")?;
        static BUILT: OnceLock<std::result::Result<(), String>> = OnceLock::new();
        BUILT.get_or_init(|| build_outrigger(folder).map_err(|error| error.to_string())).clone()?;
        Ok(folder.join("outrigger"))
    }

    fn ask_script() -> std::result::Result<Self, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools.sh");
        let output = Command::new("bash").arg(&script).arg("--paths").output();
        let output = output.map_err(|error| format!("cannot run {}: {error}", script.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut paths = HashMap::new();
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            if key == "missing" {
                if BENCHES_ONLY.iter().any(|program| value.starts_with(program)) {
                    continue;
                }
                return Err(value.to_owned());
            }
            paths.insert(key.to_owned(), PathBuf::from(value));
        }
        Ok(Self { paths })
    }
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    uids.and_then(|uids| uids.split_whitespace().nth(1)) == Some("0")
}

/// `folder` is `target/debug` or `target/release`. The same selection of packages as in `make test`, so that nothing is built twice.
fn build_outrigger(folder: &Path) -> Result<()> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--quiet", "--workspace", "--bin", "outrigger"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    if folder.ends_with("release") {
        command.arg("--release");
    }
    match command.status()?.success() {
        true => Ok(()),
        false => Err("cargo could not build outrigger".into()),
    }
}
