//! One `outrigger` process, started as pilot-agent starts it.
//!
//! Called by the harness, tests and the demo. It has a root folder of its own, which is its working directory. Dropping
//! it kills the process, as the agent does. Must never wait without a deadline.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::binary;
use super::client::{Reply, Request};
use super::ports::Ports;
use crate::control_plane::ControlPlane;
use crate::control_plane::bootstrap::{self, AdsProtocol};
use crate::control_plane::model::Workload;
use crate::control_plane::seen::DEADLINE;

/// A running proxy.
#[derive(Debug)]
pub struct Sidecar {
    name: String,
    root: TempDir,
    ports: Ports,
    child: Mutex<Child>,
    output: Arc<Output>,
    last_words: fn(&str),
}

/// How the binary is started.
#[derive(Debug, Clone, Copy)]
pub struct Launch<'a> {
    /// A program with its arguments that starts the binary; nothing to start it directly.
    pub through: &'a [&'a str],
    /// Flags beside `-c`, `-l` and `--concurrency`.
    pub flags: &'a [&'a str],
    /// Prints what the process wrote, when a panic has ended the harness.
    pub last_words: fn(&str),
}

impl Default for Launch<'_> {
    /// As the agent does it.
    fn default() -> Self {
        Launch { through: &[], flags: AGENT_FLAGS, last_words: crate::skip::print }
    }
}

/// The agent's flags, but for its longer log flush interval.
pub const AGENT_FLAGS: &[&str] = &[
    "--drain-time-s",
    "45",
    "--drain-strategy",
    "immediate",
    "--local-address-ip-version",
    "v4",
    "--file-flush-interval-msec",
    "100",
    "--disable-hot-restart",
    "--skip-deprecated-logs",
    "--allow-unknown-static-fields",
];

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// What the process wrote.
#[derive(Debug)]
struct Output {
    lines: Mutex<Vec<Line>>,
    count: watch::Sender<usize>,
}

/// One line of a process's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Standard error (the log), or standard output (access logs).
    pub error: bool,
    /// Without its end.
    pub text: String,
}

impl Sidecar {
    /// Serves the workload's sockets, writes its bootstrap and starts the proxy.
    pub async fn start(
        control_plane: &ControlPlane,
        workload: &Workload,
        ports: Ports,
        protocol: AdsProtocol,
        launch: Launch<'_>,
    ) -> Self {
        let document = bootstrap::document(workload, &ports.bootstrap, protocol);
        let root = tempfile::Builder::new().prefix("outrigger-embedded-").tempdir().expect("a temporary folder");
        control_plane.serve(&workload.name, root.path());
        let file = bootstrap::write(root.path(), &document);
        Self::spawn(&workload.name, root, ports, &file, launch)
    }

    /// Starts the proxy with a file.
    ///
    /// # Panics
    /// If the binary cannot be built or started.
    pub fn spawn(name: &str, root: TempDir, ports: Ports, file: &Path, launch: Launch<'_>) -> Self {
        let program = binary::build().unwrap_or_else(|reason| panic!("{reason}"));
        let mut command = match launch.through {
            [] => Command::new(program),
            [first, others @ ..] => {
                let mut command = Command::new(first);
                command.args(others).arg(program);
                command
            }
        };
        command.arg("-c").arg(file).args(launch.flags);
        let level = std::env::var("OUTRIGGER_LOG").unwrap_or_else(|_| "warning".into());
        command.args(["-l", &level, "--concurrency", "1"]);
        // Tests look at its descriptors, which without this flag root alone may.
        if !is_root() {
            command.arg("--enable-core-dump");
        }
        command.current_dir(root.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().expect("the binary starts");
        let output = Arc::new(Output { lines: Mutex::default(), count: watch::Sender::new(0) });
        tokio::spawn(collect(child.stdout.take().expect("it is piped"), false, output.clone()));
        tokio::spawn(collect(child.stderr.take().expect("it is piped"), true, output.clone()));
        Self { name: name.to_owned(), root, ports, child: Mutex::new(child), output, last_words: launch.last_words }
    }

    /// The process's working directory.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The addresses of its bootstrap.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// The process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child().id()
    }

    /// Sends a signal (`libc::SIGTERM`, …).
    ///
    /// # Panics
    /// If the process has ended.
    pub async fn signal(&self, signal: i32) {
        let id = self.id().expect("the process runs");
        // The shell's `kill` saves an unsafe call.
        let status = Command::new("kill").arg(format!("-{signal}")).arg(id.to_string()).status().await;
        assert!(status.expect("kill is everywhere").success(), "kill -{signal} {id}");
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().expect("nothing panics while it holds the process")
    }

    /// `GET PATH` of the admin interface.
    pub async fn admin(&self, path: &str) -> Reply {
        Request::get(path).host("localhost").send(self.ports.bootstrap.admin).await
    }

    /// `POST PATH` of the admin interface.
    pub async fn admin_post(&self, path: &str) -> Reply {
        Request::new("POST", path).host("localhost").send(self.ports.bootstrap.admin).await
    }

    /// A counter or gauge by its full name; `None` if there is no such line.
    pub async fn stat(&self, name: &str) -> Option<u64> {
        let text = self.admin("/stats").await.text();
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")?.trim().parse().ok())
    }

    /// Waits until the agent would call the proxy ready: clusters and listeners accepted, live, workers started.
    pub async fn wait_ready(&self) {
        self.wait_until("ready", async || {
            let regex = "^(cluster_manager\\.cds|listener_manager\\.lds)\\.(update_success|update_rejected)$";
            let counters = self.stats(regex).await?;
            let positive = |name: &str| counters.lines().any(|line| positive(line, name));
            let received =
                positive("cluster_manager.cds.update_success") && positive("listener_manager.lds.update_success");
            let state = self.stats("^(server\\.state|listener_manager\\.workers_started)").await?;
            let live = state.contains("server.state: 0") && state.contains("listener_manager.workers_started: 1");
            (received && live).then_some(())
        })
        .await;
    }

    async fn stats(&self, filter: &str) -> Option<String> {
        let path = format!("/stats?usedonly&filter={}", escaped(filter));
        let reply = Request::get(&path).host("localhost").try_send(self.ports.bootstrap.admin).await.ok()?;
        (reply.status == 200).then(|| reply.text())
    }

    /// Waits for what only the outside can see, asking again and again.
    ///
    /// # Panics
    /// After the deadline, or if the process ends meanwhile.
    pub async fn wait_until<T>(&self, what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
        self.ask(what, async || {
            let seen = check().await;
            if seen.is_none()
                && let Some(status) = self.child().try_wait().expect("it is our child")
            {
                panic!("{}: ended with {status} before it was {what}\n{}", self.name, self.log());
            }
            seen
        })
        .await
    }

    async fn ask<T>(&self, what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
        let asking = async {
            loop {
                if let Some(seen) = check().await {
                    return seen;
                }
                tokio::time::sleep(ASK_AGAIN).await;
            }
        };
        match tokio::time::timeout(DEADLINE, asking).await {
            Ok(seen) => seen,
            Err(_) => panic!("{}: not {what} within {DEADLINE:?}\n{}", self.name, self.log()),
        }
    }

    /// Waits for a line of output, among those that were written already too.
    ///
    /// # Panics
    /// After the deadline.
    pub async fn wait_line(&self, wanted: impl Fn(&Line) -> bool) -> Line {
        let mut count = self.output.count.subscribe();
        let waiting = async {
            loop {
                if let Some(line) = self.lines().into_iter().find(|line| wanted(line)) {
                    return line;
                }
                count.changed().await.expect("the output lives");
            }
        };
        match tokio::time::timeout(DEADLINE, waiting).await {
            Ok(line) => line,
            Err(_) => panic!("{}: no such line within {DEADLINE:?}\n{}", self.name, self.log()),
        }
    }

    /// Waits for a line of the access log that contains this.
    pub async fn wait_access_log(&self, part: &str) -> String {
        self.wait_line(|line| !line.error && line.text.contains(part)).await.text
    }

    /// Everything written so far.
    pub fn lines(&self) -> Vec<Line> {
        self.output.lines.lock().expect("nothing panics while it holds the lines").clone()
    }

    /// Everything written so far, as text.
    pub fn log(&self) -> String {
        self.lines().into_iter().map(|line| line.text + "\n").collect()
    }

    /// Waits for the process to end by itself.
    ///
    /// # Panics
    /// After the deadline.
    pub async fn exit(&self) -> ExitStatus {
        self.ask("ended", async || self.child().try_wait().expect("it is our child")).await
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.last_words)(&format!("--- output of {} ---\n{}", self.name, self.log()));
        }
    }
}

async fn collect(stream: impl AsyncRead + Unpin, error: bool, output: Arc<Output>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(text)) = lines.next_line().await {
        output.lines.lock().expect("nothing panics while it holds the lines").push(Line { error, text });
        output.count.send_modify(|count| *count += 1);
    }
}

fn positive(line: &str, name: &str) -> bool {
    line.strip_prefix(name).and_then(|rest| rest.strip_prefix(": ")).is_some_and(|value| value.trim() != "0")
}

/// Only what a request target cannot carry; the agent sends `^ ( | ) \ $` raw, and hyper refuses those.
fn escaped(regex: &str) -> String {
    let escape = |c: char| if "^|\\".contains(c) { format!("%{:02X}", u32::from(c)) } else { c.to_string() };
    regex.chars().map(escape).collect()
}

/// Between two looks at what does not announce itself.
const ASK_AGAIN: Duration = Duration::from_millis(20);
