//! A measured process: pinned start, CPU time, proportional set size, end. Linux only.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A child that is ended when dropped.
pub struct Process {
    child: Child,
    /// For messages.
    pub name: String,
}

impl Process {
    /// Starts `argv` pinned to `cpu`, with stdout and stderr in `log`.
    pub fn start(name: &str, argv: &[String], cpu: usize, log: &Path) -> io::Result<Process> {
        let file = fs::File::create(log)?;
        let mut command = Command::new("taskset");
        command.arg("-c").arg(cpu.to_string()).args(argv);
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        Ok(Process { child: command.spawn()?, name: name.to_owned() })
    }

    /// Its process id. `taskset` executes the program in its own place, so this is the program's.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// CPU time of the process and its children (nginx and HAProxy have some), user and system.
    pub fn cpu(&self) -> Duration {
        family(self.pid()).into_iter().map(cpu_of).sum()
    }

    /// Proportional set size of the process and its children, KiB.
    pub fn pss_kib(&self) -> u64 {
        family(self.pid()).into_iter().map(pss_of).sum()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let children = family(self.pid());
        let _ = Command::new("kill").args(["-TERM", &self.pid().to_string()]).stderr(Stdio::null()).status();
        let until = Instant::now() + Duration::from_secs(3);
        while Instant::now() < until && !self.has_ended() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        for child in children.into_iter().filter(|child| *child != self.pid()) {
            let _ = Command::new("kill").args(["-KILL", &child.to_string()]).stderr(Stdio::null()).status();
        }
    }
}

/// The process and all that descend from it.
fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut next = 0;
    while next < all.len() {
        let tasks = fs::read_dir(format!("/proc/{}/task", all[next])).into_iter().flatten().flatten();
        for task in tasks {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        next += 1;
    }
    all
}

/// Nanoseconds on a CPU, summed over threads (`schedstat`, first field).
fn cpu_of(pid: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanos = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

fn pss_of(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
