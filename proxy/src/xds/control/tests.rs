//! Tests of `control`.

use serde_json::{Value, json};
use tokio::sync::mpsc;
use xds_client::type_url;

use super::super::testing::{
    Told, World, bytes, endpoints, http_listener, resource, route_table, static_cluster, tcp_listener, with_http_filter,
};
use super::Control;
use crate::cluster::testing::run;
use crate::http::route::{RouteSlot, RouteSlots};
use crate::stats::{self, ServerState};
use crate::status::{Ask, Request};
use crate::store::Kind;

/// A listener of this table, in use.
fn serving(table: &str) -> World {
    let mut world = World::new();
    world.push(&[http_listener("a", table)]).unwrap();
    world.push(&[route_table(table, 200)]).unwrap();
    assert_eq!(world.told(), [Told::Listen(0)]);
    world
}

fn slot(world: &World, table: &str) -> std::sync::Arc<RouteSlot> {
    world.control.routes.slot(&table.into())
}

/// A table whose only route forwards to no cluster.
fn bad_table(name: &str) -> Value {
    let mut table = route_table(name, 200);
    table["virtual_hosts"][0]["routes"][0] = json!({"match": {"prefix": "/"}, "route": {}});
    table
}

#[test]
fn a_bad_table_is_refused_with_its_field_and_the_one_before_stays() {
    run(async {
        let mut world = serving("t");
        world.push(&[http_listener("b", "u")]).unwrap();
        let before = slot(&world, "t").load().unwrap();
        let refused = world.refused(&[bad_table("t"), route_table("u", 200)]);
        assert!(refused.len() == 1 && refused[0].0 == "t", "{refused:?}");
        assert!(refused[0].1.contains("virtual_hosts[0].routes[0]"), "{}", refused[0].1);
        assert!(slot(&world, "t").is_current(&before));
        assert!(world.control.routes.is_filled("u"));
        assert_eq!(world.active(Kind::Route, "t"), Some(bytes(&route_table("t", 200))));
        assert!(world.shown_refusal(Kind::Route, "t").is_some());
        world.push(&[route_table("t", 201)]).unwrap();
        assert!(!slot(&world, "t").is_current(&before));
        assert!(world.shown_refusal(Kind::Route, "t").is_none());
    });
}

#[test]
fn a_table_refused_for_its_policy_takes_the_one_before_away() {
    run(async {
        let mut world = serving("t");
        let mut table = route_table("t", 200);
        let policy = json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute"});
        table["virtual_hosts"][0]["routes"][0]["typed_per_filter_config"] = json!({"lua": policy});
        let refused = world.refused(&[table]);
        assert!(refused[0].1.contains("typed_per_filter_config"), "{refused:?}");
        assert!(!world.control.routes.is_filled("t"));
        assert!(world.active(Kind::Route, "t").is_none());
    });
}

#[test]
fn policy_behind_another_fault_of_a_table_takes_the_one_before_away() {
    run(async {
        let mut world = serving("t");
        world.refused(&[bad_table("t")]);
        assert!(world.control.routes.is_filled("t"), "the same fault alone takes nothing away");
        let mut table = bad_table("t");
        let policy = json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute"});
        let second = json!({"match": {"prefix": "/"}, "direct_response": {"status": 200}, "typed_per_filter_config": {"rbac": policy}});
        table["virtual_hosts"][0]["routes"].as_array_mut().unwrap().push(second);
        let refused = world.refused(&[table]);
        assert!(refused[0].1.contains("routes[0]"), "{refused:?}");
        assert!(!world.control.routes.is_filled("t") && world.active(Kind::Route, "t").is_none());
    });
}

#[test]
fn what_the_table_before_switches_off_takes_it_away_only_where_that_may_be_policy() {
    run(async {
        let off = json!({"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": true});
        for (filter, name, stays) in [
            ("grpc_web.v3.GrpcWeb", "first", true),
            ("grpc_web.v3.GrpcWeb", "of_a_chain_to_come", false),
            ("cors.v3.Cors", "first", true),
            ("rbac.v3.RBAC", "first", false),
        ] {
            let mut world = World::new();
            let filter = format!("envoy.extensions.filters.http.{filter}");
            world.push(&[with_http_filter(http_listener("a", "t"), &filter)]).unwrap();
            let mut table = route_table("t", 200);
            table["virtual_hosts"][0]["routes"][0]["typed_per_filter_config"] = json!({name: off});
            world.push(&[table]).unwrap();
            world.refused(&[bad_table("t")]);
            assert_eq!(world.control.routes.is_filled("t"), stays, "{filter} {name}");
        }
    });
}

#[test]
fn an_unchanged_table_is_not_compiled_again_but_one_that_was_lost_is() {
    run(async {
        let mut world = serving("t");
        let before = slot(&world, "t").load().unwrap();
        world.push(&[route_table("t", 200)]).unwrap();
        assert!(slot(&world, "t").is_current(&before));
        world.control.routes.remove("t");
        world.push(&[route_table("t", 200)]).unwrap();
        assert!(world.control.routes.is_filled("t"));
    });
}

/// As in Envoy.
#[test]
fn a_table_that_is_said_to_be_gone_goes_on_and_one_that_never_was_is_not_waited_for() {
    run(async {
        let mut world = serving("t");
        world.take_away(type_url::ROUTE, &["t", "never-there"]).unwrap();
        assert!(world.control.routes.is_filled("t") && world.active(Kind::Route, "t").is_some());
        world.push(&[http_listener("b", "u")]).unwrap();
        assert_eq!(world.told(), []);
        world.take_away(type_url::ROUTE, &["u"]).unwrap();
        assert_eq!(world.told(), [Told::Listen(1)], "it serves, and finds no route");
        assert!(slot(&world, "u").was_taken_away(), "nor does a request wait");
        world.push(&[route_table("u", 200)]).unwrap();
        assert!(!slot(&world, "u").was_taken_away() && world.control.routes.is_filled("u"));
    });
}

#[test]
fn a_table_goes_when_the_last_listener_that_named_it_has_drained() {
    run(async {
        let mut world = serving("t");
        world.take_away(type_url::LISTENER, &["a"]).unwrap();
        assert_eq!(world.control.routes.wanted().collect::<Vec<_>>(), ["t"], "open connections want it still");
        assert!(world.control.listeners.next_timeout().is_some(), "the loop looks again when they are gone");
        world.control.listeners.let_drains_end();
        world.control.listeners.on_timer(&|_| true);
        world.control.dirty = true;
        world.control.settle(None);
        assert_eq!(world.control.routes.wanted().count(), 0);
        assert!(world.active(Kind::Route, "t").is_none());
    });
}

#[test]
fn a_resource_goes_by_the_name_that_is_in_it() {
    run(async {
        let mut world = serving("t");
        let under = |name: &str, body: &Value| xds_client::Resource { name: name.to_owned(), ..resource(body) };
        world.respond_raw(type_url::CLUSTER, under("outside", &static_cluster("inside", 1))).unwrap();
        assert!(world.cluster("inside").is_some() && world.cluster("outside").is_none());
        world.respond_raw(type_url::LISTENER, under("outside", &tcp_listener("inside", "c"))).unwrap();
        assert!(world.active(Kind::Listener, "inside").is_some() && world.active(Kind::Listener, "outside").is_none());
        // What is asked for by name is not taken under another one.
        let refused = world.respond_raw(type_url::ROUTE, under("t", &route_table("other", 201))).unwrap_err();
        assert_eq!(refused[0].reason, "Unexpected RDS configuration (expecting t): other");
        let refused = world.respond_raw(type_url::ENDPOINT, under("s", &endpoints("other", &[1]))).unwrap_err();
        assert_eq!(refused[0].reason, "Unexpected EDS cluster (expecting s): other");
    });
}

#[test]
fn of_two_resources_of_one_name_the_first_counts() {
    run(async {
        let mut world = World::new();
        let refused = world.refused(&[static_cluster("a", 1), static_cluster("a", 2)]);
        assert_eq!(refused, [("a".to_owned(), "duplicate resource a found".to_owned())]);
        assert_eq!(world.ports("a"), ["10.0.0.1:1"]);
    });
}

#[test]
fn resources_that_were_not_asked_for_are_let_be() {
    run(async {
        let mut world = World::new();
        let unknown = json!({"@type": type_url::EXTENSION_CONFIG, "name": "x"});
        world.push(&[unknown]).unwrap();
        world.push(&[static_cluster("a", 1)]).unwrap();
        assert!(world.cluster("a").is_some());
    });
}

#[test]
fn bytes_that_are_no_resource_are_refused_by_name() {
    run(async {
        let mut world = World::new();
        for of_type in [static_cluster("a", 1), tcp_listener("a", "a"), route_table("a", 200)] {
            let mut broken = resource(&of_type);
            broken.body = bytes::Bytes::from_static(b"\x0a\x01a\xff\xff\xff");
            let refused = world.respond_raw(of_type["@type"].as_str().unwrap(), broken).unwrap_err();
            assert!(refused.len() == 1 && refused[0].name == "a", "{refused:?}");
        }
        assert_eq!((world.told(), world.control.clusters.active_count()), (vec![], 0));
    });
}

#[test]
fn an_unknown_field_is_refused_by_name_when_that_is_asked_for() {
    run(async {
        let field = b"\xfa\xff\xff\xff\x0f\x01x";
        for (unknown, accepted) in [(config::UnknownFields::Ignore, true), (config::UnknownFields::Reject, false)] {
            let mut world = World::with(config::Options::new(unknown, true));
            let mut cluster = resource(&static_cluster("a", 1));
            cluster.body = [&cluster.body[..], field].concat().into();
            let verdict = world.respond_raw(type_url::CLUSTER, cluster);
            assert_eq!(verdict.is_ok(), accepted, "{verdict:?}");
            assert_eq!(world.cluster("a").is_some(), accepted);
            if let Err(refused) = verdict {
                assert_eq!(refused[0].name, "a");
                assert!(refused[0].reason.contains(&(0xffff_ffff_u32 >> 3).to_string()), "{}", refused[0].reason);
            }
        }
    });
}

#[test]
fn unknown_fields_are_counted_once_a_kind_unless_nobody_wants_to_know() {
    run(async {
        let field = b"\xfa\xff\xff\xff\x0f\x01x";
        for heeds in [true, false] {
            let mut world = World::new();
            world.control.heeds_unknown_fields = heeds;
            for name in ["a", "b"] {
                let mut cluster = resource(&static_cluster(name, 1));
                cluster.body = [&cluster.body[..], field].concat().into();
                world.respond_raw(type_url::CLUSTER, cluster).unwrap();
            }
            assert_eq!(world.value("server.dynamic_unknown_fields"), u64::from(heeds));
        }
    });
}

#[test]
fn health_is_what_the_operator_says_and_never_better_than_the_configuration() {
    run(async {
        let mut world = World::new();
        let control = &mut world.control;
        control.on_request(Request::SetHealthy(true));
        assert_eq!(control.status.state(), ServerState::Initializing, "nothing is here yet");
        control.settle(None);
        assert_eq!(control.status.state(), ServerState::Live);
        control.on_request(Request::SetHealthy(false));
        control.settle(None);
        assert_eq!(control.status.state(), ServerState::Draining);
        control.on_request(Request::SetHealthy(true));
        assert_eq!(control.status.state(), ServerState::Live);
    });
}

/// A bootstrap whose clusters are dynamic and whose listeners are not.
#[test]
fn clusters_are_waited_for_though_no_listeners_are_asked_for() {
    run(async {
        let mut world = World::new();
        let control = &mut world.control;
        control.lds = None;
        control.begin(None);
        control.look_at_readiness(true);
        assert_ne!(control.status.state(), ServerState::Live, "no cluster has come");
        control.start.listeners_wanted = Some(std::time::Instant::now());
        control.look_at_readiness(true);
        assert_eq!(control.status.state(), ServerState::Live);
    });
}

#[test]
fn not_live_while_the_first_listener_waits() {
    run(async {
        let mut world = World::new();
        world.push(&[http_listener("a", "t")]).unwrap();
        assert_ne!(world.control.status.state(), ServerState::Live);
        assert_eq!(world.value("listener_manager.workers_started"), 0);
        world.push(&[route_table("t", 200)]).unwrap();
        assert_eq!(world.control.status.state(), ServerState::Live);
        assert_eq!(world.value("listener_manager.workers_started"), 1);
        // A later listener that waits takes nothing of that back.
        world.push(&[http_listener("b", "u")]).unwrap();
        assert_eq!(world.control.status.state(), ServerState::Live);
    });
}

/// As Envoy 1.40: whatever is said of stopping, connections are asked to go.
#[test]
fn drains_stop_at_once_later_or_never_as_they_were_asked_for() {
    run(async {
        let drain = |graceful, skip_exit| Request::Drain { inbound_only: false, graceful, skip_exit };
        for (request, stops_now, stops_later) in [
            (drain(false, false), true, false),
            (drain(true, false), false, true),
            (drain(true, true), false, false),
            (drain(false, true), false, false),
        ] {
            let mut world = World::new();
            world.push(&[tcp_listener("a", "c")]).unwrap();
            world.told();
            world.control.on_request(request);
            assert_eq!(!world.told().is_empty(), stops_now, "{request:?}");
            assert_eq!(world.control.listeners.next_timeout().is_some(), stops_later, "{request:?}");
            assert!(world.control.drain.all.has_begun(), "{request:?}");
            assert!(!world.control.drain.inbound.has_begun());
        }
    });
}

#[test]
fn failing_health_checks_ask_connections_to_go() {
    run(async {
        use crate::drain::{Drain, DrainWatch};
        let mut world = World::new();
        let watch = |world: &World| {
            let drain = Drain::new(Default::default());
            DrainWatch::new(world.control.drain.clone(), drain, config::listener::Direction::Outbound)
        };
        let (default, modify_only) = (watch(&world), watch(&world).modify_only(true));
        world.control.on_request(Request::SetHealthy(false));
        assert!(default.should_close() && !modify_only.should_close());
        world.control.on_request(Request::SetHealthy(true));
        assert!(!default.should_close());
    });
}

#[test]
fn the_loop_obeys_until_it_is_told_to_quit() {
    run(async {
        let World { control, .. } = World::new();
        let (quit, status) = (control.quit.clone(), control.status.clone());
        let (_arrivals, arrivals) = mpsc::channel(1);
        let (requests, receiver) = mpsc::unbounded_channel();
        requests.send(Ask::Do(Request::SetHealthy(false))).unwrap();
        let (reply, shown) = tokio::sync::oneshot::channel();
        requests.send(Ask::Show(reply)).unwrap();
        requests.send(Ask::Do(Request::Quit)).unwrap();
        let running = tokio::task::spawn_local(Control::run(control, None, arrivals, receiver));
        quit.notified().await;
        assert!(shown.await.unwrap().listeners.is_empty());
        assert_eq!(status.state(), ServerState::Draining);
        running.abort();
    });
}

#[test]
fn a_version_is_shown_as_its_words_and_as_envoys_number() {
    run(async {
        let mut world = World::new();
        world.push(&[static_cluster("a", 1)]).unwrap();
        assert_eq!(world.value("cluster_manager.cds.version"), 13_237_225_503_670_494_420);
        let texts = world.stats.samples(|_, kind| kind == stats::Kind::Text);
        let texts: Vec<_> = texts.iter().map(|sample| (&*sample.name, sample.text.as_deref())).collect();
        assert_eq!(texts, [("cluster_manager.cds.version_text", Some("1"))]);
    });
}

/// Whoever reads the log must not wait for the drain time where nothing is waited for.
#[test]
fn a_drain_is_told_as_it_is() {
    for (graceful, skip_exit, words) in [
        (false, false, "accept no more, at once: "),
        (true, false, "drain: connections are told to end, and new ones are accepted for 45 s"),
        (true, true, "drain: connections are told to end within 45 s, and new ones are accepted for good"),
    ] {
        let told = super::draining::told(45, graceful, skip_exit);
        assert!(told.starts_with(words), "{told}");
    }
}
