//! The proxy as the first process of a container: it ends when it is asked to, and leaves no zombies.

use std::path::PathBuf;
use std::process::Stdio;

use outrigger_integration::control_plane::bootstrap::{self, AdsProtocol};
use outrigger_integration::control_plane::model::Workload;
use outrigger_integration::embedded::client::Request;
use outrigger_integration::embedded::ports::Ports;
use outrigger_integration::embedded::sidecar::{Launch, Sidecar};
use outrigger_integration::skip::or_skip;
use tokio::process::Command;

/// A process as the kernel shows it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Process {
    id: u32,
    parent: u32,
    state: char,
}

/// Every process of this machine, by `/proc/*/stat`.
fn processes() -> Vec<Process> {
    let read = |folder: PathBuf| {
        let id = folder.file_name()?.to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
        // The name before stands in parentheses, and may hold anything.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let (state, parent) = (fields.next()?.chars().next()?, fields.next()?.parse().ok()?);
        Some(Process { id, parent, state })
    };
    let entries = std::fs::read_dir("/proc").expect("there is a /proc");
    entries.flatten().filter_map(|entry| read(entry.path())).collect()
}

fn children(parent: u32) -> Vec<Process> {
    processes().into_iter().filter(|process| process.parent == parent).collect()
}

/// The command that starts another as the first process of a namespace of its own.
async fn namespace() -> Result<Vec<&'static str>, String> {
    let as_root = vec!["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];
    let as_user = [&as_root[..], &["--user", "--map-root-user"]].concat();
    let mut reason = String::new();
    for command in [as_root, as_user] {
        let tried = Command::new(command[0]).args(&command[1..]).arg("true").stdin(Stdio::null()).output().await;
        match tried {
            Ok(output) if output.status.success() => return Ok(command),
            Ok(output) => reason = String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(format!("no process namespace can be made here: {reason}"))
}

/// Starts the proxy as process 1 after `shell` has run as that process. Gives it, ready for signals, and its id out here.
async fn first_process(namespace: &[&str], shell: &str) -> (Sidecar, u32) {
    let (root, ports) = (tempfile::tempdir().expect("a temporary folder"), Ports::free());
    let workload = Workload::new("ratings", [127, 0, 0, 1].into());
    let document = bootstrap::document(&workload, &ports.bootstrap, AdsProtocol::Delta);
    let file = bootstrap::write(root.path(), &document);
    let script = format!("[ $$ = 1 ] || exit 9; {shell} exec \"$@\"");
    let through = [namespace, &["sh", "-c", &script, "sh"]].concat();
    let sidecar = Sidecar::spawn("first", root, ports, &file, Launch { through: &through, ..Launch::default() });
    let answers = async || Request::get("/server_info").host("x").try_send(ports.bootstrap.admin).await.ok();
    sidecar.wait_until("answering", answers).await;
    let unshare = sidecar.id().expect("it runs");
    let [proxy] = children(unshare)[..] else { unreachable!("unshare has one child") };
    (sidecar, proxy.id)
}

async fn kill(id: u32, signal: &str) {
    let status = Command::new("kill").arg(format!("-{signal}")).arg(id.to_string()).status().await;
    assert!(status.expect("kill is everywhere").success(), "kill -{signal} {id}");
}

#[tokio::test]
async fn process_1_ends_when_it_is_asked_to() {
    // The kernel drops a signal for process 1 that has no handler: an end with 0 is the handler's.
    let test = "process_1_ends_when_it_is_asked_to";
    let Some(namespace) = or_skip(test, namespace().await) else { return };
    for signal in ["TERM", "INT"] {
        let (sidecar, proxy) = first_process(&namespace, "").await;
        kill(proxy, signal).await;
        let status = sidecar.exit().await;
        assert_eq!(status.code(), Some(0), "{signal}: {status}\n{}", sidecar.log());
    }
}

#[tokio::test]
async fn process_1_reaps_the_orphans_of_others() {
    let test = "process_1_reaps_the_orphans_of_others";
    let Some(namespace) = or_skip(test, namespace().await) else { return };
    // A grandchild whose parent ends at once; it waits for one line, so that it ends only when told to.
    let orphan = "mkfifo release; (sh -c 'read line < release; exit 7' &);";
    let (sidecar, proxy) = first_process(&namespace, orphan).await;
    let [orphan] = children(proxy)[..] else { unreachable!("the orphan is the only child: {:?}", children(proxy)) };
    assert_ne!(orphan.state, 'Z');
    tokio::fs::write(sidecar.root().join("release"), "now\n").await.expect("the orphan reads");
    let gone = async || processes().iter().all(|process| process.id != orphan.id).then_some(());
    sidecar.wait_until("rid of the orphan", gone).await;
    // And it goes on serving.
    let admin = sidecar.ports().bootstrap.admin;
    assert_eq!(Request::get("/server_info").host("x").send(admin).await.status, 200);
    kill(proxy, "TERM").await;
    assert_eq!(sidecar.exit().await.code(), Some(0));
}
