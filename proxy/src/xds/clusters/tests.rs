//! Tests of `clusters`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use xds_client::type_url;

use super::super::testing::{World, bad_cluster, bytes, eds_cluster, endpoints, static_cluster};
use crate::cluster::dns::Resolver;
use crate::cluster::testing::{run, run_paused};
use crate::store::{Kind, Stored};

fn services(world: &World) -> Vec<String> {
    let mut names: Vec<String> = world.control.clusters.service_names().collect();
    names.sort();
    names
}

#[test]
fn a_bad_cluster_is_refused_with_its_field_and_the_good_one_beside_it_applies() {
    run(async {
        let mut world = World::new();
        let refused = world.refused(&[static_cluster("before", 1), bad_cluster("bad"), static_cluster("after", 2)]);
        assert_eq!(refused.len(), 1, "{refused:?}");
        let (name, reason) = &refused[0];
        assert_eq!(name, "bad");
        assert!(reason.contains("connect_timeout"), "{reason}");
        assert_eq!(world.ports("before"), ["10.0.0.1:1"]);
        assert_eq!(world.ports("after"), ["10.0.0.1:2"]);
        assert!(world.cluster("bad").is_none());
        assert_eq!(world.shown_refusal(Kind::Cluster, "bad").as_deref(), Some(&**reason));
        assert_eq!(
            (world.value("cluster_manager.cds.update_rejected"), world.value("cluster_manager.cds.update_success")),
            (1, 0)
        );
    });
}

/// Each rejects itself alone, names its field, and the next push applies.
#[test]
fn clusters_that_cannot_be_hold_nobody_up() {
    let endpoint = |more: serde_json::Value| {
        let mut endpoint =
            json!({"endpoint": {"address": {"socket_address": {"address": "10.0.0.1", "port_value": 1}}}});
        endpoint.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"load_assignment": {"cluster_name": "bad", "endpoints": [{"lb_endpoints": [endpoint]}]}})
    };
    let ring =
        json!({"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": 8, "maximum_ring_size": 4}});
    let localities = |weight: u32| {
        let zones = ["a", "b"].map(|zone| json!({"locality": {"zone": zone}, "load_balancing_weight": weight}));
        json!({"load_assignment": {"cluster_name": "bad", "endpoints": zones}})
    };
    let selector = json!({"keys": ["k"], "fallback_policy": "KEYS_SUBSET", "fallback_keys_subset": ["k"]});
    let cases = [
        (ring, "ring_hash_lb_config.minimum_ring_size: "),
        (endpoint(json!({"load_balancing_weight": 0})), "lb_endpoints[0].load_balancing_weight: "),
        (localities(0), "endpoints[0].load_balancing_weight: "),
        (localities(u32::MAX), "endpoints[1].load_balancing_weight: "),
        (json!({"lb_subset_config": {"subset_selectors": [selector]}}), "subset_selectors[0].fallback_keys_subset: "),
        (
            json!({"common_lb_config": {"zone_aware_lb_config": {"routing_enabled": {"value": 101}}}}),
            "routing_enabled.value: ",
        ),
        (json!({"lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": 10}}), "maglev_lb_config.table_size: "),
        (json!({"circuit_breakers": {"per_host_thresholds": [{"max_requests": 1}]}}), "per_host_thresholds[0]: "),
    ];
    run(async {
        let mut world = World::new();
        for (port, (fields, expected)) in (1..).zip(cases) {
            let mut bad = static_cluster("bad", 1);
            bad.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            let refused = world.refused(&[bad, static_cluster("good", port)]);
            assert_eq!((refused.len(), &*refused[0].0), (1, "bad"), "{refused:?}");
            assert!(refused[0].1.contains(expected), "{expected}: {}", refused[0].1);
            assert_eq!(world.ports("good"), [format!("10.0.0.1:{port}")]);
            world.push(&[static_cluster("bad", port)]).unwrap();
            assert_eq!(world.ports("bad"), [format!("10.0.0.1:{port}")]);
        }
    });
}

#[test]
fn endpoints_that_nobody_asked_for_are_nothing() {
    run(async {
        let mut world = World::new();
        world.push(&[eds_cluster("a", "svc")]).unwrap();
        world.push(&[endpoints("stranger", &[1]), endpoints("svc", &[2])]).unwrap();
        assert_eq!(world.ports("a"), ["10.0.0.1:2"]);
        assert!(world.active(Kind::Endpoints, "stranger").is_none() && world.cluster("stranger").is_none());
    });
}

/// Of two endpoints of one address the first counts; priorities need not follow each other; weights are as large as their type.
#[test]
fn odd_endpoints_are_taken() {
    run(async {
        let mut world = World::new();
        world.push(&[eds_cluster("a", "svc")]).unwrap();
        let mut odd = endpoints("svc", &[1, 2, 1]);
        for one in odd["endpoints"][0]["lb_endpoints"].as_array_mut().unwrap() {
            one["load_balancing_weight"] = json!(u32::MAX);
        }
        let mut last = endpoints("svc", &[3])["endpoints"][0].take();
        last["priority"] = json!(128);
        odd["endpoints"].as_array_mut().unwrap().push(last);
        world.push(&[odd]).unwrap();
        assert_eq!(world.ports("a"), ["10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3"]);
    });
}

#[test]
fn a_version_whose_verification_is_not_enforced_here_takes_the_one_without_it_down() {
    run(async {
        let mut world = World::new();
        world.push(&[static_cluster("a", 1)]).unwrap();
        let validator = json!({
            "name": "spiffe",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig"}
        });
        let tls = json!({
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "common_tls_context": {"validation_context": {"custom_validator_config": validator}}
        });
        let mut verified = bad_cluster("a");
        verified["transport_socket"] = json!({"name": "tls", "typed_config": tls});
        world.refused(&[verified]);
        assert!(world.cluster("a").is_none());
        assert!(world.active(Kind::Cluster, "a").is_none() && world.shown_refusal(Kind::Cluster, "a").is_some());
    });
}

#[test]
fn a_refused_version_leaves_the_one_before_and_a_good_one_forgets_the_refusal() {
    run(async {
        let mut world = World::new();
        world.push(&[static_cluster("a", 1)]).unwrap();
        world.refused(&[bad_cluster("a")]);
        assert_eq!(world.ports("a"), ["10.0.0.1:1"]);
        assert!(world.shown_refusal(Kind::Cluster, "a").is_some());
        world.push(&[static_cluster("a", 1)]).unwrap();
        assert!(world.shown_refusal(Kind::Cluster, "a").is_none(), "the control plane took it back");
        world.push(&[static_cluster("a", 2)]).unwrap();
        assert_eq!(world.ports("a"), ["10.0.0.1:2"]);
    });
}

#[test]
fn unchanged_bytes_change_nothing() {
    run(async {
        let mut world = World::new();
        world.push(&[static_cluster("a", 1)]).unwrap();
        let (cluster, table) = (world.cluster("a").unwrap(), world.published.clusters.load_full());
        world.push(&[static_cluster("a", 1)]).unwrap();
        assert!(Arc::ptr_eq(&world.cluster("a").unwrap(), &cluster));
        assert!(Arc::ptr_eq(&world.published.clusters.load_full(), &table), "nothing was published");
        assert_eq!(world.value("cluster_manager.cluster_modified"), 0);
        world.push(&[static_cluster("a", 2)]).unwrap();
        assert_eq!(world.value("cluster_manager.cluster_modified"), 1);
    });
}

#[test]
fn a_removed_cluster_is_gone_with_all_that_was_asked_for_it() {
    run(async {
        let mut world = World::new();
        world.push(&[eds_cluster("a", "one"), eds_cluster("warming", "two"), static_cluster("b", 1)]).unwrap();
        world.push(&[endpoints("one", &[1])]).unwrap();
        assert_eq!(services(&world), ["one", "two"]);
        world.take_away(type_url::CLUSTER, &["a", "warming", "never-there"]).unwrap();
        assert!(world.cluster("a").is_none() && world.cluster("b").is_some());
        assert_eq!(services(&world), [""; 0]);
        assert_eq!(world.control.clusters.warming_count(), 0);
        assert!(world.active(Kind::Cluster, "a").is_none() && world.active(Kind::Endpoints, "one").is_none());
        assert_eq!(world.value("cluster_manager.cluster_removed"), 1, "one of them was in use");
    });
}

#[test]
fn a_cluster_waits_for_endpoints_that_come_later() {
    run(async {
        let mut world = World::new();
        world.push(&[eds_cluster("a", "svc"), eds_cluster("b", "svc")]).unwrap();
        assert!(world.cluster("a").is_none() && world.control.clusters.awaits_endpoints());
        world.push(&[endpoints("svc", &[1, 2])]).unwrap();
        // Two clusters may ask about one service.
        assert_eq!(world.ports("a"), ["10.0.0.1:1", "10.0.0.1:2"]);
        assert_eq!(world.ports("b"), ["10.0.0.1:1", "10.0.0.1:2"]);
        assert!(!world.control.clusters.awaits_endpoints());
        world.push(&[endpoints("svc", &[3])]).unwrap();
        assert_eq!(world.ports("a"), ["10.0.0.1:3"]);
    });
}

#[test]
fn a_new_version_begins_with_the_endpoints_of_the_one_before() {
    run(async {
        let mut world = World::new();
        world.push(&[eds_cluster("a", "svc")]).unwrap();
        world.push(&[endpoints("svc", &[1])]).unwrap();
        let before = world.cluster("a").unwrap();
        let mut changed = eds_cluster("a", "svc");
        changed["connect_timeout"] = json!("2s");
        world.push(&[changed]).unwrap();
        assert!(!Arc::ptr_eq(&world.cluster("a").unwrap(), &before));
        assert_eq!(world.ports("a"), ["10.0.0.1:1"]);
    });
}

#[test]
fn a_version_of_another_service_waits_and_takes_nothing_of_the_old_one() {
    run(async {
        let mut world = World::new();
        world.push(&[eds_cluster("a", "old")]).unwrap();
        world.push(&[endpoints("old", &[1])]).unwrap();
        world.push(&[eds_cluster("a", "new")]).unwrap();
        assert_eq!(services(&world), ["new", "old"]);
        world.push(&[endpoints("old", &[2])]).unwrap();
        assert_eq!(world.ports("a"), ["10.0.0.1:2"], "the old version serves, and follows its own service");
        assert_eq!(world.control.clusters.warming_count(), 1, "the new one waits for endpoints of its own");
        world.push(&[endpoints("new", &[9])]).unwrap();
        assert_eq!(world.ports("a"), ["10.0.0.1:9"]);
        assert_eq!(services(&world), ["new"], "nothing is asked about the old one any more");
        world.push(&[endpoints("old", &[3])]).unwrap();
        assert_eq!(world.ports("a"), ["10.0.0.1:9"]);
    });
}

#[test]
fn going_back_to_the_version_in_use_ends_the_wait() {
    run(async {
        let mut world = World::new();
        world.push(&[eds_cluster("a", "old")]).unwrap();
        world.push(&[endpoints("old", &[1])]).unwrap();
        world.push(&[eds_cluster("a", "new")]).unwrap();
        world.push(&[eds_cluster("a", "old")]).unwrap();
        assert_eq!(world.control.clusters.warming_count(), 0);
        assert_eq!(services(&world), ["old"]);
        world.push(&[endpoints("new", &[9])]).unwrap();
        assert_eq!(world.ports("a"), ["10.0.0.1:1"]);
    });
}

#[test]
fn a_warming_version_sent_again_does_not_begin_to_wait_anew() {
    run(async {
        let mut world = World::new();
        world.push(&[eds_cluster("a", "svc")]).unwrap();
        let warming = |world: &World| {
            let warming = world.control.clusters.held.warming("a").unwrap();
            (warming.since, Arc::as_ptr(&warming.cluster))
        };
        let before = warming(&world);
        world.push(&[eds_cluster("a", "svc")]).unwrap();
        assert_eq!(warming(&world), before);
    });
}

#[test]
fn endpoints_are_waited_for_no_longer_than_the_cluster_says() {
    run(async {
        let mut world = World::new();
        let mut cluster = eds_cluster("a", "svc");
        cluster["eds_cluster_config"]["eds_config"]["initial_fetch_timeout"] = json!("15s");
        world.push(&[cluster]).unwrap();
        assert!(world.cluster("a").is_none());
        let wait = world.control.clusters.next_timeout().expect("the loop is to look again");
        assert!(wait <= Duration::from_secs(15) && !wait.is_zero(), "{wait:?}");
        world.control.clusters.held.warming_mut("a").unwrap().since -= Duration::from_secs(15);
        world.control.settle(None);
        assert_eq!(world.ports("a"), [""; 0], "in use, and without endpoints");
    });
}

#[test]
fn endpoints_that_cannot_be_read_are_named_and_the_others_apply() {
    run(async {
        let mut world = World::new();
        world.push(&[eds_cluster("a", "one"), eds_cluster("b", "two")]).unwrap();
        world.push(&[endpoints("one", &[1]), endpoints("two", &[1])]).unwrap();
        let mut bad = endpoints("one", &[2, 3]);
        bad["endpoints"][0]["lb_endpoints"][1]["endpoint"]["address"] =
            json!({"socket_address": {"address": "10.0.0.1", "port_value": 70_000}});
        let refused = world.refused(&[bad, endpoints("two", &[4])]);
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert_eq!(refused[0].0, "one");
        assert!(refused[0].1.contains("endpoints[0].lb_endpoints[1].endpoint.address"), "{}", refused[0].1);
        assert_eq!(world.ports("a"), ["10.0.0.1:1"], "what came before stays");
        assert_eq!(world.ports("b"), ["10.0.0.1:4"]);
    });
}

/// As in Envoy.
#[test]
fn endpoints_that_are_said_to_be_gone_stay_and_who_waits_for_them_waits_no_longer() {
    run(async {
        let mut world = World::new();
        world.push(&[eds_cluster("a", "svc"), eds_cluster("b", "never-there")]).unwrap();
        world.push(&[endpoints("svc", &[1])]).unwrap();
        world.take_away(type_url::ENDPOINT, &["svc", "never-there"]).unwrap();
        assert_eq!(world.ports("a"), ["10.0.0.1:1"]);
        assert_eq!(world.ports("b"), [""; 0], "in use, and without endpoints");
    });
}

#[test]
fn endpoints_of_a_cluster_that_is_gone_do_not_come_back() {
    run(async {
        let mut world = World::new();
        world.push(&[eds_cluster("a", "svc")]).unwrap();
        world.push(&[endpoints("svc", &[1])]).unwrap();
        world.take_away(type_url::CLUSTER, &["a"]).unwrap();
        // It was on its way.
        world.push(&[endpoints("svc", &[2])]).unwrap();
        assert!(world.active(Kind::Endpoints, "svc").is_none());
        world.push(&[eds_cluster("a", "svc")]).unwrap();
        assert!(world.cluster("a").is_none(), "it waits for new ones");
    });
}

fn dns_cluster(name: &str, host: &str) -> serde_json::Value {
    let endpoint = json!({"endpoint": {"address": {"socket_address": {"address": host, "port_value": 80}}}});
    json!({
        "@type": type_url::CLUSTER, "name": name, "type": "STRICT_DNS", "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}
    })
}

/// Until the control loop has something to look at, and then it does.
async fn answered(world: &mut World) {
    world.control.clusters.answered().notified().await;
    world.control.settle(None);
}

#[test]
fn a_changed_dns_cluster_serves_as_before_until_the_new_names_answer() {
    run_paused(async {
        let folder = tempfile::tempdir().unwrap();
        let hosts = folder.path().join("hosts");
        std::fs::write(&hosts, "10.0.0.1 one.example\n").unwrap();
        let mut world = World::with_resolver(Resolver::with_files(folder.path().join("resolv.conf"), &hosts));
        world.push(&[dns_cluster("a", "one.example")]).unwrap();
        assert_eq!(world.ports("a"), [""; 0], "a first version waits for nothing");
        answered(&mut world).await;
        assert_eq!(world.ports("a"), ["10.0.0.1:80"]);
        // What the old version knows, the new one need not ask.
        let mut same_names = dns_cluster("a", "one.example");
        same_names["connect_timeout"] = json!("2s");
        let before = world.cluster("a").unwrap();
        world.push(&[same_names]).unwrap();
        assert!(!Arc::ptr_eq(&before, &world.cluster("a").unwrap()));
        assert_eq!(world.ports("a"), ["10.0.0.1:80"]);
        // Other names it does: no server answers, and the file says nothing yet.
        world.push(&[dns_cluster("a", "two.example")]).unwrap();
        answered(&mut world).await;
        assert_eq!((world.ports("a"), world.control.clusters.warming_count()), (vec!["10.0.0.1:80".to_owned()], 1));
        assert!(!world.control.clusters.awaits_endpoints(), "listeners do not wait for DNS");
        std::fs::write(&hosts, "10.0.0.2 two.example\n").unwrap();
        // The file system's clock may not have moved on since it was written first.
        let later = std::time::SystemTime::now() + Duration::from_secs(10);
        std::fs::File::options().write(true).open(&hosts).unwrap().set_modified(later).unwrap();
        while world.control.clusters.warming_count() > 0 {
            answered(&mut world).await;
        }
        assert_eq!(world.ports("a"), ["10.0.0.2:80"]);
    });
}

#[test]
fn a_cluster_that_wants_its_names_first_holds_listeners_back_until_a_look_up_has_ended() {
    run_paused(async {
        let folder = tempfile::tempdir().unwrap();
        let hosts = folder.path().join("hosts");
        std::fs::write(&hosts, "10.0.0.1 one.example\n").unwrap();
        // Of the second one nothing is known, and there is no server that could be asked.
        for (host, ports) in [("one.example", &["10.0.0.1:80"][..]), ("two.example", &[])] {
            let mut world = World::with_resolver(Resolver::with_files(folder.path().join("resolv.conf"), &hosts));
            let waiting = |wanted: bool| {
                let mut cluster = dns_cluster("a", host);
                cluster["wait_for_warm_on_init"] = json!(wanted);
                cluster
            };
            world.push(&[waiting(true)]).unwrap();
            assert!(world.cluster("a").is_none() && world.control.clusters.awaits_endpoints(), "{host}");
            answered(&mut world).await;
            assert_eq!(world.ports("a"), ports);
            assert!(!world.control.clusters.awaits_endpoints(), "{host}");
            world.push(&[static_cluster("a", 1), dns_cluster("b", host)]).unwrap();
            let mut other = waiting(false);
            other["name"] = json!("c");
            world.push(&[other]).unwrap();
            assert!(world.cluster("b").is_some() && world.cluster("c").is_some(), "others wait for nothing");
        }
    });
}

#[test]
fn a_static_cluster_is_not_changed_from_outside() {
    run(async {
        let mut world = World::new();
        for cluster in [static_cluster("ready", 1), eds_cluster("waiting", "svc")] {
            let config = config::cluster::decode(&bytes(&cluster), &config::Options::default()).unwrap();
            let stored = Stored::now(bytes(&cluster), &"".into());
            world.control.clusters.add_static(Arc::new(config), stored).unwrap();
        }
        world.control.settle(None);
        world.push(&[static_cluster("ready", 2), static_cluster("waiting", 2)]).unwrap();
        world.push(&[bad_cluster("ready")]).unwrap();
        world.take_away(type_url::CLUSTER, &["ready", "waiting"]).unwrap();
        assert_eq!(world.ports("ready"), ["10.0.0.1:1"]);
        assert_eq!(services(&world), ["svc"], "the one that waits is still the bootstrap's");
        world.push(&[endpoints("svc", &[5])]).unwrap();
        assert_eq!(world.ports("waiting"), ["10.0.0.1:5"]);
    });
}

#[test]
fn endpoints_that_are_stale_are_used_no_more() {
    run_paused(async {
        let mut world = World::new();
        world.push(&[eds_cluster("app", "svc")]).unwrap();
        let mut stale = endpoints("svc", &[1]);
        stale["policy"] = json!({"endpoint_stale_after": "10s"});
        let later = async |world: &mut World, seconds| {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            world.control.settle(None);
            world.ports("app").len()
        };
        world.push(&[stale.clone()]).unwrap();
        assert_eq!(later(&mut world, 9).await, 1);
        world.push(&[stale.clone()]).unwrap();
        assert_eq!(later(&mut world, 9).await, 1, "what is said again is not stale");
        assert_eq!(world.control.clusters.next_timeout(), Some(Duration::from_secs(1)));
        assert_eq!(later(&mut world, 1).await, 0);
        assert_eq!(world.control.clusters.next_timeout(), None);
        let value = |world: &World, name: &str| world.value(&format!("cluster.app.{name}"));
        assert_eq!((value(&world, "assignment_timeout_received"), value(&world, "assignment_stale")), (2, 1));
        world.push(&[stale]).unwrap();
        assert_eq!(world.ports("app").len(), 1, "the same once more is news");
        world.push(&[endpoints("svc", &[1])]).unwrap();
        assert_eq!(later(&mut world, 3600).await, 1, "nothing says that these grow old");
    });
}

/// Attempts, and what came of them: taken, refused, failed, unchanged, none, too late.
fn counted(world: &World, cluster: &str) -> [u64; 7] {
    let names =
        ["attempt", "success", "rejected", "failure", "no_rebuild", "empty"].map(|what| format!("update_{what}"));
    let mut counts = names.iter().map(String::as_str).chain(["init_fetch_timeout"]);
    let mut value = || world.stats.value(&format!("cluster.{cluster}.{}", counts.next().expect("seven")));
    std::array::from_fn(|_| value().unwrap_or_default())
}

#[test]
fn each_answer_with_endpoints_counts_for_the_clusters_of_its_service() {
    run(async {
        let mut world = World::new();
        let mut in_time = eds_cluster("late", "other");
        in_time["eds_cluster_config"]["eds_config"]["initial_fetch_timeout"] = json!("0.2s");
        world.push(&[eds_cluster("one", "svc"), eds_cluster("two", "svc"), in_time]).unwrap();
        assert_eq!((counted(&world, "one"), counted(&world, "late")), ([1, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0]));
        tokio::time::sleep(Duration::from_millis(250)).await;
        world.control.settle(None);
        world.control.settle(None);
        assert_eq!(counted(&world, "late"), [2, 0, 0, 0, 0, 0, 1]);
        world.push(&[endpoints("svc", &[1])]).unwrap();
        world.push(&[endpoints("svc", &[1])]).unwrap();
        world.push(&[endpoints("svc", &[2])]).unwrap();
        assert_eq!((counted(&world, "one"), counted(&world, "two")), ([4, 3, 0, 0, 1, 0, 0], [4, 3, 0, 0, 1, 0, 0]));
        let mut wrong = endpoints("svc", &[1]);
        wrong["endpoints"][0]["priority"] = json!(200);
        world.refused(&[wrong]);
        world.take_away(type_url::ENDPOINT, &["svc"]).unwrap();
        assert_eq!((counted(&world, "one"), counted(&world, "late")[0]), ([6, 4, 1, 0, 1, 1, 0], 2));
        world.push(&[eds_cluster("one", "another")]).unwrap();
        assert_eq!(counted(&world, "one")[0], 7, "another version asks anew");
        world.control.clusters.stream_ended();
        assert_eq!((counted(&world, "one")[3], counted(&world, "two")[3]), (1, 1));
        world.take_away(type_url::CLUSTER, &["one"]).unwrap();
        assert_eq!((counted(&world, "one"), counted(&world, "two")[0]), ([0; 7], 7), "what is counted goes with it");
    });
}

#[test]
fn endpoints_of_a_service_that_nobody_asks_about_concern_nobody() {
    run(async {
        let mut world = World::new();
        world.push(&[eds_cluster("app", "svc")]).unwrap();
        world.push(&[endpoints("stranger", &[9]), endpoints("svc", &[1])]).unwrap();
        assert_eq!(world.ports("app"), ["10.0.0.1:1"]);
        assert!(world.shown(Kind::Endpoints).iter().all(|entry| &*entry.name != "stranger"), "nothing is kept of it");
        world.push(&[eds_cluster("late", "stranger")]).unwrap();
        assert!(world.cluster("late").is_none(), "it would be old: the cluster waits for its own answer");
    });
}

/// A dynamic forward proxy shares its cache with those that say the same of it.
#[test]
fn a_cache_of_names_is_what_its_clusters_say_together() {
    run(async {
        let mut world = World::new();
        let forward = |name: &str, hosts: u32| {
            json!({
                "@type": type_url::CLUSTER, "name": name, "lb_policy": "CLUSTER_PROVIDED",
                "cluster_type": {"name": "envoy.clusters.dynamic_forward_proxy", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig",
                    "dns_cache_config": {"name": "names", "max_hosts": hosts}
                }}
            })
        };
        let refused = world.refused(&[forward("one", 5), forward("other", 6), forward("same", 5)]);
        assert_eq!((refused.len(), &*refused[0].0), (1, "other"), "{refused:?}");
        let reason =
            "cluster_type.typed_config.dns_cache_config: config specified DNS cache 'names' with different settings";
        assert!(refused[0].1.contains(reason), "{}", refused[0].1);
        assert!(world.cluster("one").is_some() && world.cluster("same").is_some());
        world.take_away(type_url::CLUSTER, &["one", "same"]).unwrap();
        world.push(&[forward("other", 6)]).unwrap();
        assert!(world.cluster("other").is_some(), "nobody says otherwise any more");
        let mut weak = forward("weak", 6);
        weak["lb_policy"] = json!("ROUND_ROBIN");
        assert!(world.refused(&[weak])[0].1.contains("lb_policy: only CLUSTER_PROVIDED"));
    });
}
