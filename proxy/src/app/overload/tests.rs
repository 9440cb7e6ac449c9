//! Tests of `overload`.

use std::time::Duration;

use config::bootstrap::{Monitor, OverloadAction};

use super::*;
use crate::stats::StatsSettings;

fn config() -> Overload {
    let action =
        |name: &str, remedy, from| OverloadAction { name: name.into(), remedy, triggers: vec![("heap".into(), from)] };
    Overload {
        interval: Duration::from_secs(1),
        monitors: vec![Monitor { name: "heap".into(), watched: Watched::Heap(100) }],
        actions: vec![action("stop", Remedy::StopAccepting, 0.95), action("shrink", Remedy::ShrinkHeap, 0.9)],
    }
}

#[test]
fn remedies_begin_and_end_with_the_pressure() {
    let (config, stats) = (config(), Stats::new(StatsSettings::default()));
    let mut state = State::new(&config, &stats);
    let mut at = |pressure: f64| state.look(&config, &[("heap".into(), pressure)]);
    assert_eq!(at(0.5), []);
    assert_eq!(at(0.9), [(Remedy::ShrinkHeap, true)]);
    assert_eq!(at(0.96), [(Remedy::StopAccepting, true), (Remedy::ShrinkHeap, true)]);
    assert_eq!(at(0.96), [(Remedy::ShrinkHeap, true)], "memory is given back again and again");
    let value = |name: &str| stats.samples(|known, _| known == name)[0].value;
    assert_eq!((value("overload.heap.pressure"), value("overload.stop.active")), (96, 1));
    assert_eq!(at(0.1), [(Remedy::StopAccepting, false), (Remedy::ShrinkHeap, false)]);
}

#[test]
fn the_groups_memory_is_read_in_both_versions() {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = root.path().join("sys/fs/cgroup").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    assert_eq!(process::group_memory(root.path()), None);
    write("memory/memory.usage_in_bytes", "7\n");
    write("memory/memory.limit_in_bytes", "10\n");
    assert_eq!(process::group_memory(root.path()), Some((7, Some(10))));
    write("memory.current", "5\n");
    write("memory.max", "max\n");
    assert_eq!(process::group_memory(root.path()), Some((5, None)));
}
