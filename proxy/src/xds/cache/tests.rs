//! Tests of `cache`.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::*;
use crate::cluster::testing::run;
use crate::stats::{Stats, StatsSettings};
use crate::status::Shown;
use crate::xds::testing::{World, endpoints, resource, static_cluster, tcp_listener};

fn cache(folder: &Path) -> Cache {
    let mut cache = Cache::new(folder, false, Stats::new(StatsSettings::default()).gauge("server.config_cache_stale"));
    cache.use_at = Some(Instant::now());
    cache
}

fn update(resources: &[Value]) -> Update {
    let type_url: Arc<str> = resources[0]["@type"].as_str().unwrap().into();
    Update {
        id: UpdateId::new(type_url.clone(), 1),
        type_url,
        delta: true,
        version: "new".into(),
        resources: resources.iter().map(resource).collect(),
        refused: Vec::new(),
        removed: Vec::new(),
    }
}

fn in_use(world: &World) -> Shown {
    world.control.show()
}

#[test]
fn what_was_accepted_is_served_and_what_is_gone_goes() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("cache");
        let mut world = World::new();
        world.push(&[static_cluster("kept", 1), static_cluster("gone", 2)]).unwrap();
        world.push(&[tcp_listener("l", "kept")]).unwrap();
        let file = folder.join("resources");
        write(&file, &in_use(&world).resources, false).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);

        let mut cache = cache(&folder);
        let mut again = World::new();
        for update in cache.begin_with() {
            again.control.judge(&update).unwrap();
            again.control.settle(None);
        }
        assert!(cache.begin_with().is_empty(), "once");
        for (kind, name) in [(Kind::Cluster, "kept"), (Kind::Cluster, "gone"), (Kind::Listener, "l")] {
            assert_eq!(again.active(kind, name), world.active(kind, name), "{name}");
        }
        assert!(cache.stale_since().is_some());

        let mut clusters = update(&[static_cluster("kept", 1)]);
        cache.heard(&mut clusters);
        assert_eq!(clusters.removed, ["gone"]);
        assert!(cache.stale_since().is_some(), "of listeners nothing was said");
        let mut listeners = update(&[tcp_listener("l", "kept")]);
        cache.heard(&mut listeners);
        assert!(listeners.removed.is_empty() && cache.stale_since().is_none());
    });
}

#[test]
fn secrets_are_left_out_unless_they_are_asked_for() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::new();
        let mut secret = static_cluster("secret", 1);
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----";
        secret["metadata"] = json!({ "filter_metadata": { "a": { "note": key } } });
        world.push(&[static_cluster("plain", 1), secret]).unwrap();
        let kept = |keeps: bool| {
            let file = folder.path().join("resources");
            write(&file, &in_use(&world).resources, keeps).unwrap();
            read(&file).unwrap().0.iter().map(|update| update.resources.len()).sum::<usize>()
        };
        assert_eq!((kept(false), kept(true)), (1, 2));
    });
}

#[test]
fn a_control_plane_that_speaks_first_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let mut cache = cache(folder.path());
    cache.heard(&mut update(&[endpoints("a", &[])]));
    assert!(cache.begin_with().is_empty() && cache.stale_since().is_none());
    assert!(cache.next_timeout().is_some_and(|left| left <= AFTER), "and is kept soon");
}

#[test]
fn a_broken_or_missing_file_is_as_if_there_was_none() {
    let folder = tempfile::tempdir().unwrap();
    assert!(cache(folder.path()).begin_with().is_empty());
    fs::write(folder.path().join("resources"), b"\xff\xff\xff").unwrap();
    let mut broken = cache(folder.path());
    assert!(broken.begin_with().is_empty() && broken.stale_since().is_none());
}
