//! Tests of `from_files`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use xds_client::type_url;

use super::super::super::testing::{Told, World, static_cluster, tcp_listener};
use crate::cluster::testing::run;
use crate::store::Kind;
use crate::tls::testing::Authority;

/// A world whose listener has its certificate from a file.
struct Place {
    world: World,
    folder: TempDir,
}

fn good() -> Value {
    let leaf = Authority::new("mesh").issue("spiffe://mesh/ns/a/sa/b");
    json!({
        "@type": type_url::SECRET, "name": "own",
        "tls_certificate": {"certificate_chain": {"inline_string": leaf.chain}, "private_key": {"inline_string": leaf.key}}
    })
}

fn response(version: &str, secret: &Value) -> String {
    json!({"version_info": version, "resources": [secret]}).to_string()
}

fn listener(source: Value) -> Value {
    let mut listener = tcp_listener("l", "c");
    let secret = json!([{"name": "own", "sds_config": source}]);
    listener["filter_chains"][0]["transport_socket"] = json!({"name": "tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {"tls_certificate_sds_secret_configs": secret}
    }});
    listener
}

impl Place {
    fn new() -> Place {
        let mut world = World::new();
        world.push(&[static_cluster("c", 1)]).unwrap();
        Place { world, folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("s.json")
    }

    fn put(&self, content: &str) {
        put(&self.path(), content);
    }

    fn look(&mut self) {
        self.world.control.secrets.looked = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
        assert!(self.world.control.secrets.look_at_files().is_some());
    }

    fn serials(&self) -> Vec<String> {
        let facts = self.world.control.secrets.secrets.certificates();
        facts.iter().map(|facts| facts.serial.to_string()).collect()
    }

    /// Attempts, and what came of them: taken, refused, failed.
    fn counts(&self) -> [u64; 4] {
        ["attempt", "success", "rejected", "failure"]
            .map(|what| self.world.stats.value(&format!("sds.own.update_{what}")).unwrap_or_default())
    }
}

/// Moved to its place, as whoever replaces a file does it.
fn put(path: &Path, content: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, content).unwrap();
    std::fs::rename(beside, path).unwrap();
}

#[test]
fn a_listener_begins_with_the_secret_of_its_file_and_follows_what_is_moved_there() {
    run(async {
        let mut place = Place::new();
        place.put(&response("1", &good()));
        place.world.push(&[listener(json!({"path_config_source": {"path": place.path()}}))]).unwrap();
        assert_eq!(place.world.told(), [Told::Listen(0)]);
        let first = place.serials();
        assert_eq!((first.len(), place.counts()), (1, [1, 1, 0, 0]));
        let next = good();
        place.put(&response("2", &next));
        place.look();
        assert_ne!(place.serials(), first);
        assert_eq!(place.counts(), [2, 2, 0, 0]);
        // The same again is an update, and nothing new.
        let second = place.serials();
        place.put(&response("3", &next));
        place.look();
        assert_eq!((place.serials(), place.counts()), (second, [3, 3, 0, 0]));
        place.world.take_away(type_url::LISTENER, &["l"]).unwrap();
        assert_eq!((place.serials(), place.world.told()), (vec![], vec![Told::Stop(0)]));
        assert!(place.world.control.secrets.from_files.is_empty());
    });
}

#[test]
fn what_is_no_good_leaves_the_former_in_use() {
    run(async {
        let mut place = Place::new();
        place.put(&response("1", &good()));
        place.world.push(&[listener(json!({"path": place.path()}))]).unwrap();
        let first = place.serials();
        let mut another = good();
        another["name"] = json!("x");
        let mut broken = good();
        broken["tls_certificate"]["private_key"] = json!({"inline_string": "none"});
        let steps = [
            ("{{{".to_owned(), [2, 1, 0, 1]),
            (response("2", &another), [3, 1, 1, 1]),
            (response("3", &broken), [4, 1, 2, 1]),
            (json!({"resources": []}).to_string(), [5, 1, 3, 1]),
        ];
        for (content, counts) in steps {
            place.put(&content);
            place.look();
            assert_eq!((place.serials(), place.counts()), (first.clone(), counts), "{content}");
        }
        assert!(place.world.shown_refusal(Kind::Secret, "own").is_some());
        // Nobody moved anything there.
        std::fs::remove_file(place.path()).unwrap();
        (0..4).for_each(|_| place.look());
        assert_eq!((place.serials(), place.counts()), (first.clone(), [5, 1, 3, 1]));
        place.put(&response("4", &good()));
        place.look();
        assert_ne!(place.serials(), first);
    });
}

#[test]
fn what_is_no_good_from_the_beginning_lets_the_listener_begin_and_no_client_in() {
    run(async {
        let mut place = Place::new();
        place.put("{{{");
        place.world.push(&[listener(json!({"path_config_source": {"path": place.path()}}))]).unwrap();
        assert_eq!((place.world.told(), place.serials()), (vec![Told::Listen(0)], vec![]));
        assert_eq!(place.counts(), [1, 0, 0, 1]);
        place.put(&response("1", &good()));
        place.look();
        assert_eq!(place.serials().len(), 1);
    });
}

#[test]
fn a_file_or_directory_that_is_not_there_refuses_who_names_it() {
    run(async {
        let mut place = Place::new();
        let missing = json!({"path_config_source": {"path": place.path()}});
        let reason = place.world.refused(&[listener(missing.clone())]).remove(0).1;
        assert!(reason.contains("paths must refer to an existing path in the system"), "{reason}");
        place.put(&response("1", &good()));
        let unwatched = json!({"path_config_source": {
            "path": place.path(), "watched_directory": {"path": place.folder.path().join("nowhere")}
        }});
        let reason = place.world.refused(&[listener(unwatched)]).remove(0).1;
        assert!(reason.contains("watched_directory"), "{reason}");
        assert_eq!(place.world.told(), []);
        place.world.push(&[listener(missing)]).unwrap();
        assert_eq!(place.world.told(), [Told::Listen(0)]);
    });
}

#[test]
fn a_watched_directory_tells_when_the_file_is_read() {
    run(async {
        let mut place = Place::new();
        let elsewhere = tempfile::tempdir().unwrap();
        place.put(&response("1", &good()));
        let source = json!({"path_config_source": {
            "path": place.path(), "watched_directory": {"path": elsewhere.path()}
        }});
        place.world.push(&[listener(source)]).unwrap();
        let first = place.serials();
        place.put(&response("2", &good()));
        place.look();
        assert_eq!(place.serials(), first);
        put(&elsewhere.path().join("told"), "");
        place.look();
        assert_ne!(place.serials(), first);
    });
}

#[test]
fn files_that_a_secret_names_and_that_are_no_good_are_told_until_they_are() {
    run(async {
        let mut place = Place::new();
        let key = place.folder.path().join("key");
        let mut secret = good();
        let text = secret["tls_certificate"]["private_key"]["inline_string"].as_str().unwrap().to_owned();
        put(&key, &text);
        secret["tls_certificate"]["private_key"] = json!({"filename": key});
        place.put(&response("1", &secret));
        place.world.push(&[listener(json!({"path": place.path()}))]).unwrap();
        let first = place.serials();
        assert!(place.world.shown_refusal(Kind::Secret, "own").is_none());
        put(&key, "none");
        place.look();
        let told = place.world.shown_refusal(Kind::Secret, "own").unwrap();
        assert!(told.starts_with("secret own: ") && place.serials() == first, "{told}");
        put(&key, &text);
        place.look();
        assert!(place.world.shown_refusal(Kind::Secret, "own").is_none());
    });
}
