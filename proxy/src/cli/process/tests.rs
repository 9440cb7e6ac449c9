//! Tests of `process`.

use super::*;

fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    root
}

#[test]
fn quota_of_cgroup_v2() {
    let root = machine(&[
        ("proc/self/cgroup", "0::/system.slice/app.service\n"),
        ("sys/fs/cgroup/system.slice/cpu.max", "150000 100000\n"),
        ("sys/fs/cgroup/system.slice/app.service/cpu.max", "max 100000\n"),
    ]);
    assert_eq!(cpu_quota(root.path()), Some(1.5));
}

#[test]
fn quota_of_cgroup_v2_in_a_container() {
    let root = machine(&[("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/cpu.max", "25000 100000\n")]);
    assert_eq!(cpu_quota(root.path()), Some(0.25));
}

#[test]
fn quota_of_cgroup_v1() {
    let root = machine(&[
        ("proc/self/cgroup", "12:memory:/ecs/x\n4:cpu,cpuacct:/ecs/x\n"),
        ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "51200\n"),
        ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
    ]);
    assert_eq!(cpu_quota(root.path()), Some(0.512));
}

#[test]
fn no_quota() {
    let root = machine(&[
        ("proc/self/cgroup", "4:cpu:/\ngarbage\n0::/x\n"),
        ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
        ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
        ("sys/fs/cgroup/cpu.max", "what is this\n"),
    ]);
    assert_eq!(cpu_quota(root.path()), None);
    assert_eq!(cpu_quota(tempfile::tempdir().unwrap().path()), None);
    assert!(default_concurrency() >= 1);
}

#[test]
fn the_soft_limit_becomes_the_hard_one() {
    let before = rustix::process::getrlimit(Resource::Nofile);
    // The limit is the process's, which other tests share: it goes down by one, and comes back.
    let lower = before.maximum.or(before.current).map(|most| most - 1);
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current: lower, maximum: before.maximum }).unwrap();
    let limit = raise_file_limit();
    assert_eq!(rustix::process::getrlimit(Resource::Nofile).current, limit);
    assert_eq!(limit, before.maximum);
    assert_ne!(limit, lower);
}

#[tokio::test]
async fn signals_become_requests() {
    let mut signals = Signals::install().unwrap();
    let me = rustix::process::getpid();
    rustix::process::kill_process(me, rustix::process::Signal::HUP).unwrap();
    rustix::process::kill_process(me, rustix::process::Signal::USR1).unwrap();
    assert_eq!(signals.next().await, Request::ReopenLogs);
    rustix::process::kill_process(me, rustix::process::Signal::TERM).unwrap();
    assert_eq!(signals.next().await, Request::Stop("SIGTERM"));
}
