//! Tests of `overload`.

use std::time::Duration;

use config::bootstrap::{Monitor, OverloadAction};

use super::*;
use crate::stats::StatsSettings;

fn trigger(scaling: f64, saturation: f64) -> Trigger {
    Trigger { monitor: "heap".into(), scaling, saturation }
}

fn config() -> Overload {
    let action = |name: &str, remedy, trigger| OverloadAction { name: name.into(), remedy, triggers: vec![trigger] };
    Overload {
        interval: Duration::from_secs(1),
        monitors: vec![Monitor { name: "heap".into(), watched: Watched::Heap(100) }],
        actions: vec![
            action("stop", Remedy::StopAccepting, trigger(0.95, 0.95)),
            action("shrink", Remedy::ShrinkHeap, trigger(0.9, 0.9)),
            action("reduce", Remedy::ReduceTimeouts, trigger(0.5, 0.9)),
        ],
        ..Overload::default()
    }
}

#[test]
fn remedies_begin_and_end_with_the_pressure() {
    let (config, stats) = (config(), Stats::new(StatsSettings::default()));
    let mut state = State::new(&config, &stats);
    let mut at = |pressure: Option<f64>| state.look(&config, &[pressure]);
    assert_eq!(at(Some(0.5)), []);
    assert_eq!(at(Some(0.7)), [(Remedy::ReduceTimeouts, (0.7 - 0.5) / (0.9 - 0.5))]);
    let value = |name: &str| stats.samples(|known, _| known == name)[0].value;
    assert_eq!((value("overload.reduce.scale_percent"), value("overload.reduce.active")), (50, 0));
    assert_eq!(at(Some(0.9)), [(Remedy::ShrinkHeap, 1.0), (Remedy::ReduceTimeouts, 1.0)]);
    assert_eq!(at(Some(0.96)), [(Remedy::StopAccepting, 1.0), (Remedy::ShrinkHeap, 1.0)]);
    assert_eq!(
        at(None),
        [(Remedy::ShrinkHeap, 1.0)],
        "memory is given back again and again, and what nobody knows is as it was"
    );
    assert_eq!((value("overload.heap.pressure"), value("overload.stop.active")), (96, 1));
    assert_eq!((value("overload.heap.failed_updates"), value("overload.stop.scale_percent")), (1, 100));
    assert_eq!(at(Some(0.1)), [(Remedy::StopAccepting, 0.0), (Remedy::ShrinkHeap, 0.0), (Remedy::ReduceTimeouts, 0.0)]);
}

#[test]
fn a_file_says_how_much_is_used() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let watched = Watched::File(file.path().to_str().unwrap().into());
    let at = |text: &str| {
        std::fs::write(file.path(), text).unwrap();
        pressure(&watched)
    };
    assert_eq!((at("0.5\n"), at("2"), at("much")), (Some(0.5), None, None));
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
