//! The proxy as `docs/security.md` says that it can be run: uid 1337, no capability, no new privileges, a root that is read-only, and the
//! seccomp profile that is shipped.

use std::path::Path;
use std::process::Command;

use outrigger_integration::embedded::sidecar::{AGENT_FLAGS, Launch, Sidecar};
use outrigger_integration::embedded::{EmbeddedMesh, Options};
use outrigger_integration::skip::or_skip;

const CONFINED: &str = env!("CARGO_BIN_EXE_outrigger-confined");
const PROFILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/seccomp.json");

/// Sockets of the agent are opened for everybody, as the agent runs under that uid, too.
const SCRIPT: &str = r#"
set -e
chmod -R a+rwX .
mount --make-rprivate /
mount -o remount,bind,ro /
exec setpriv --reuid 1337 --regid 1337 --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs -- "$0" "$@"
"#;

/// What starts the proxy so.
fn through() -> &'static [&'static str] {
    let words = ["unshare", "--mount", "sh", "-c", SCRIPT, CONFINED, PROFILE];
    Box::leak(words.to_vec().into_boxed_slice())
}

fn can_confine() -> Result<(), String> {
    if std::env::consts::ARCH != "x86_64" {
        return Err("the launcher knows the system calls of x86-64 alone".to_owned());
    }
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut tried = Command::new("unshare");
    tried.args(["--mount", "sh", "-c", SCRIPT, "true"]).current_dir(folder.path());
    let output = tried.output().map_err(|error| format!("unshare: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            Err(format!("it needs root and a mount namespace: {}", String::from_utf8_lossy(&output.stderr).trim()))
        }
    }
}

/// A line of `/proc/PID/status`.
fn status(sidecar: &Sidecar, key: &str) -> String {
    let id = sidecar.id().expect("it runs");
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).expect("it can be read");
    let line = text.lines().find_map(|line| line.strip_prefix(key)).expect("a line of that key");
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn it_serves_without_a_capability_on_a_read_only_root_under_the_profile() {
    let name = "it_serves_without_a_capability_on_a_read_only_root_under_the_profile";
    if or_skip(name, can_confine()).is_none() {
        return;
    }
    let launch = Launch { through: through(), flags: AGENT_FLAGS, ..Launch::default() };
    let mesh = EmbeddedMesh::start_with(Options { launch, ..Options::default() }).await;
    for _ in 0..20 {
        assert_eq!(mesh.get("/").await.status, 200);
    }
    for sidecar in [&mesh.ratings, &mesh.details] {
        assert_eq!(sidecar.admin("/stats").await.status, 200);
        assert_eq!(status(sidecar, "Uid:"), "1337 1337 1337 1337");
        assert_eq!(status(sidecar, "Gid:"), "1337 1337 1337 1337");
        for capabilities in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
            assert_eq!(status(sidecar, capabilities), "0000000000000000", "{capabilities}");
        }
        assert_eq!((status(sidecar, "NoNewPrivs:"), status(sidecar, "Seccomp:")), ("1".to_owned(), "2".to_owned()));
        let id = sidecar.id().expect("it runs");
        let mounts = std::fs::read_to_string(format!("/proc/{id}/mounts")).expect("they can be read");
        let root = mounts.lines().rfind(|line| line.split(' ').nth(1) == Some("/")).expect("it has a root");
        assert!(root.split(' ').nth(3).is_some_and(|options| options.starts_with("ro")), "{root}");
        sidecar.signal(libc::SIGTERM).await;
        assert_eq!(sidecar.exit().await.code(), Some(0));
        assert!(!sidecar.log().contains("Operation not permitted"), "{}", sidecar.log());
    }
}

#[test]
fn what_the_profile_does_not_list_is_refused() {
    let name = "what_the_profile_does_not_list_is_refused";
    if or_skip(name, can_confine()).is_none() {
        return;
    }
    let run = |program: &[&str]| Command::new(CONFINED).arg(PROFILE).args(program).output().expect("it starts");
    let allowed = run(&["true"]);
    assert!(allowed.status.success(), "{}", String::from_utf8_lossy(&allowed.stderr));
    for program in [&["unshare", "--mount", "true"][..], &["chroot", "/", "true"], &["mount", "-o", "remount", "/"]] {
        let output = run(program);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && said.to_lowercase().contains("not permitted") || said.contains("permission"),
            "{program:?}: {said}"
        );
    }
}

#[test]
fn the_profile_lists_nothing_that_leads_out() {
    let text = std::fs::read_to_string(Path::new(PROFILE)).expect("it is shipped");
    let profile: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
    let mut names: Vec<_> = profile["syscalls"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|rule| rule["names"].as_array().cloned().unwrap_or_default())
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect();
    names.sort();
    let sorted = names.clone();
    names.dedup();
    assert_eq!(names, sorted, "a name stands there twice");
    for forbidden in [
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "mount",
        "umount2",
        "pivot_root",
        "chroot",
        "unshare",
        "setns",
        "bpf",
        "init_module",
        "finit_module",
        "kexec_load",
        "perf_event_open",
        "keyctl",
        "add_key",
        "userfaultfd",
        "io_uring_setup",
        "setuid",
        "setgid",
        "setresuid",
        "setgroups",
        "capset",
        "reboot",
        "swapon",
        "open_by_handle_at",
        "pidfd_getfd",
        "kcmp",
        "seccomp",
    ] {
        assert!(!names.iter().any(|name| name == forbidden), "{forbidden}");
    }
}
