//! A child process of the lab: in a process group of its own, its output in a file, ended by its id.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::{Result, wait};

/// How long a process may take to end when asked.
const END_DEADLINE: Duration = Duration::from_secs(10);

/// A running child. Dropping it kills its whole process group.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with output to `FOLDER/NAME.log` (appended to, so that a restarted process keeps its story).
    pub fn spawn(name: &str, folder: &Path, mut command: Command) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log)?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).process_group(0);
        let child = command.spawn().map_err(|error| format!("{name}: cannot start {command:?}: {error}"))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// All that it has written so far.
    pub fn output(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(&self.log)?).into_owned())
    }

    /// Its id, which is also the id of its process group.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// An error that says how it ended, if it has.
    pub fn check_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(format!("{} ended by itself ({status}):\n{}", self.name, tail(&self.log, 20)).into()),
        }
    }

    /// Sends SIGTERM to it alone, not to its children, as systemd does under `KillMode=mixed`.
    pub fn ask_to_end(&self) {
        send("TERM", &self.child.id().to_string());
    }

    /// Asks it and its children to end with SIGTERM, and waits.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        send("TERM", &self.group());
        self.wait_for_end()
    }

    /// Waits until it has ended, for at most 10 s.
    pub fn wait_for_end(&mut self) -> Result<ExitStatus> {
        wait::until(&format!("{} to end", self.name), END_DEADLINE, || Ok(self.child.try_wait()?))
    }

    /// Ends it and its children at once. A pilot-agent must end so: its proxy would outlive it otherwise.
    pub fn kill(&mut self) {
        send("KILL", &self.group());
        let _ = self.child.wait();
    }

    /// How `kill` spells its process group.
    fn group(&self) -> String {
        format!("-{}", self.child.id())
    }
}

fn send(signal: &str, target: &str) {
    // `kill` says no such process when it has ended, which is what is wanted.
    let _ = Command::new("kill").arg(format!("-{signal}")).args(["--", target]).output();
}

impl Drop for Process {
    fn drop(&mut self) {
        // The group may hold children after the leader has ended; its id stays taken until the last of them is gone.
        self.kill();
    }
}

/// The last lines of each log below `folder`, each under its name.
pub fn log_tails(folder: &Path, lines: usize) -> String {
    let mut logs: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    logs.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.sort();
    let parts = logs.iter().map(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        format!("--- {name}\n{}\n", tail(path, lines))
    });
    parts.collect()
}

fn tail(path: &Path, lines: usize) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<_> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
