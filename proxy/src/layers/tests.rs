//! Tests of `layers`: their order, what changes them, and what is counted.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::stats::StatsSettings;

struct Bench {
    layers: Arc<Layers>,
    runtime: Arc<Runtime>,
    stats: Arc<Stats>,
    changes: Arc<AtomicU64>,
}

impl Bench {
    fn new(sources: Vec<(&str, LayerSource)>) -> Bench {
        let layers: Vec<_> = sources.into_iter().map(|(name, source)| Layer { name: name.into(), source }).collect();
        let (runtime, stats) = (Arc::<Runtime>::default(), Stats::new(StatsSettings::default()));
        let changes = Arc::new(AtomicU64::new(0));
        let counted = changes.clone();
        let changed = move |_: &Runtime| {
            counted.fetch_add(1, Ordering::Relaxed);
        };
        let layers = Layers::new(&layers, &"me".into(), &runtime, &stats, changed);
        Bench { layers, runtime, stats, changes }
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.runtime.get(key)
    }

    fn stat(&self, name: &str) -> u64 {
        self.stats.value(&format!("runtime.{name}")).unwrap_or_default()
    }

    fn names(&self) -> Vec<String> {
        self.layers.shown().iter().map(|(name, _)| name.to_string()).collect()
    }
}

fn entries(values: &[(&str, &str)]) -> Entries {
    values.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value))).collect()
}

fn says(values: &[(&str, &str)]) -> LayerSource {
    LayerSource::Static(entries(values))
}

fn disk(root: &Path, subdirectory: &str, of_cluster: bool) -> LayerSource {
    LayerSource::Disk(DiskLayer { root: root.to_str().unwrap().into(), subdirectory: subdirectory.into(), of_cluster })
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn an_operator_has_the_last_word_where_the_layer_stands() {
    let bench = Bench::new(vec![
        ("first", says(&[("a", "1"), ("b", "1"), ("c", "1")])),
        ("admin", LayerSource::Admin),
        ("last", says(&[("c", "3")])),
    ]);
    let live = bench.runtime.live("b", 0_u64);
    bench.layers.modify([("b", "2"), ("c", "2")].into_iter()).unwrap();
    assert_eq!((bench.number("a"), live.get(), bench.number("c")), (Some(1), 2, Some(3)));
    assert_eq!((bench.stat("admin_overrides_active"), bench.stat("num_keys"), bench.stat("num_layers")), (1, 3, 3));
    assert_eq!((bench.stat("load_success"), bench.changes.load(Ordering::Relaxed)), (3, 3), "two of them at the start");
    let wrong = bench.layers.modify([("b", "9"), ("d", "{half")].into_iter()).unwrap_err();
    assert!(wrong.contains("'d' is no YAML"), "{wrong}");
    assert_eq!((live.get(), bench.stat("load_success")), (2, 3), "all or nothing");
    bench.layers.modify([("b", ""), ("c", "")].into_iter()).unwrap();
    assert_eq!((live.get(), bench.stat("admin_overrides_active")), (1, 0));
}

#[test]
fn without_a_layer_of_theirs_operators_say_nothing() {
    let bench = Bench::new(vec![("only", says(&[("a", "1")]))]);
    let refused = bench.layers.modify([("a", "2")].into_iter());
    assert_eq!((refused, bench.number("a")), (Err("No admin layer specified".into()), Some(1)));
}

#[test]
fn overrides_are_bounded() {
    let bench = Bench::new(vec![("admin", LayerSource::Admin)]);
    let many: Vec<String> = (0..=MOST_OVERRIDES).map(|number| number.to_string()).collect();
    let refused = bench.layers.modify(many.iter().map(|key| (&**key, "1")));
    assert!(refused.unwrap_err().contains("10000 overrides at most"));
    assert_eq!(bench.stat("num_keys"), 0);
}

#[test]
fn files_are_keys() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "v1/sub/a/b", "# why\n7\n");
    write(folder.path(), "v1/sub/empty", "# nothing yet\n");
    write(folder.path(), "v1/sub/share", "numerator: 5\ndenominator: MILLION\n");
    write(folder.path(), "v1/own/me/a/b", "8");
    write(folder.path(), "v1/own/other/a/b", "9");
    let root = folder.path().join("current");
    symlink("v1", &root).unwrap();
    let all = || vec![("all", disk(&root, "sub", false)), ("own", disk(&root, "/own", true))];
    let bench = Bench::new([all(), vec![("none", disk(&root, "none", false))]].concat());
    assert_eq!(bench.names(), ["all", "own"]);
    assert_eq!((bench.number("a.b"), bench.stat("override_dir_exists")), (Some(8), 2));
    let share = bench.runtime.get::<config::matcher::Fraction>("share").unwrap();
    assert_eq!((share.numerator, share.denominator), (5, 1_000_000));
    // A layer that is no good is left out, and the others stay.
    write(folder.path(), "v1/own/me/bad", "{half");
    bench.layers.reload();
    assert_eq!((bench.number("a.b"), bench.stat("load_error"), bench.stat("num_layers")), (Some(7), 1, 1));
    write(folder.path(), "v1/own/me/bad", &"x".repeat(70_000));
    bench.layers.reload();
    assert_eq!(bench.stat("load_error"), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_moved_to_the_root_is_read() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "v1/k", "1");
    write(folder.path(), "v2/k", "2");
    let root = folder.path().join("current");
    symlink("v1", &root).unwrap();
    let bench = Bench::new(vec![("files", disk(&root, "", false))]);
    let watch = tokio::spawn(bench.layers.clone().watch());
    tokio::time::sleep(Duration::from_secs(3)).await;
    // As with Envoy what is written in place is not looked at.
    write(folder.path(), "v1/k", "3");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(bench.number("k"), Some(1));
    symlink("v2", folder.path().join("next")).unwrap();
    fs::rename(folder.path().join("next"), &root).unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(bench.number("k"), Some(2));
    watch.abort();
}

#[test]
fn a_control_plane_says_what_its_layer_is() {
    let rtds = RtdsLayer { name: "resource".into(), server: None, initial_fetch_timeout: None };
    let bench = Bench::new(vec![("first", says(&[("a", "1")])), ("rtds", LayerSource::Rtds(rtds))]);
    assert_eq!(bench.names(), ["first", "rtds"], "there, and empty");
    bench.layers.discover(&"rtds".into(), entries(&[("a", "2")]));
    assert_eq!(bench.number("a"), Some(2));
    bench.layers.discover(&"rtds".into(), Entries::new());
    assert_eq!(bench.number("a"), Some(1));
}
