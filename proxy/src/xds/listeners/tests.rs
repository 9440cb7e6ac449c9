//! Tests of `listeners`.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::address::Address;
use config::bootstrap::AdminListener;
use config::listener::Direction;
use serde_json::{Value, json};
use xds_client::type_url;

use super::super::testing::{
    Told, World, answering_listener, bytes, chained_listener, http_listener, route_table, tcp_listener,
    with_http_filter,
};
use crate::cluster::testing::run;
use crate::http::route::RouteSlots;
use crate::listener::bind::AdminPlace;
use crate::store::{Kind, Stored};

/// Policy that does not act yet.
const OAUTH2: &str = "envoy.extensions.filters.http.oauth2.v3.OAuth2";

impl super::Listeners {
    /// As if the time of all drains were over.
    pub fn let_drains_end(&mut self) {
        self.draining.iter_mut().for_each(|draining| draining.ends = Instant::now());
    }
}

fn address(world: &World, name: &str) -> Option<SocketAddr> {
    let active = world.control.listeners.active();
    active.into_iter().find(|listener| &*listener.name == name).map(|listener| listener.addresses[0])
}

/// A listener whose only proxy names no cluster.
fn bad_listener(name: &str) -> Value {
    let mut listener = tcp_listener(name, "a");
    listener["filter_chains"][0]["filters"][0]["typed_config"].as_object_mut().unwrap().remove("cluster");
    listener
}

fn on(mut listener: Value, address: SocketAddr) -> Value {
    listener["address"]["socket_address"] = json!({"address": address.ip(), "port_value": address.port()});
    listener
}

#[test]
fn a_bad_listener_is_refused_with_its_field_and_the_good_one_beside_it_is_bound() {
    run(async {
        let mut world = World::new();
        let refused = world.refused(&[bad_listener("bad"), tcp_listener("good", "a")]);
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert_eq!(refused[0].0, "bad");
        assert!(refused[0].1.contains("filter_chains[0].filters[0].typed_config"), "{}", refused[0].1);
        assert_eq!(world.told(), [Told::Listen(0)]);
        assert!(address(&world, "good").is_some() && address(&world, "bad").is_none());
        assert!(world.shown_refusal(Kind::Listener, "bad").is_some());
        assert_eq!(world.value("listener_manager.lds.update_rejected"), 1);
        assert_eq!(world.value("listener_manager.listener_create_failure"), 1);
    });
}

#[test]
fn a_refused_version_leaves_the_one_before_serving() {
    run(async {
        let mut world = World::new();
        world.push(&[tcp_listener("a", "one")]).unwrap();
        let before = address(&world, "a");
        world.told();
        world.refused(&[bad_listener("a")]);
        assert_eq!(world.told(), []);
        assert_eq!(address(&world, "a"), before);
        assert_eq!(world.active(Kind::Listener, "a"), Some(bytes(&tcp_listener("a", "one"))));
        world.push(&[tcp_listener("a", "one")]).unwrap();
        assert!(world.shown_refusal(Kind::Listener, "a").is_none(), "the control plane took it back");
    });
}

#[test]
fn a_version_refused_for_its_policy_takes_the_one_before_down() {
    run(async {
        let mut world = World::new();
        world.push(&[route_table("t", 200)]).unwrap();
        world.push(&[http_listener("a", "t"), tcp_listener("other", "one")]).unwrap();
        world.push(&[route_table("t", 200)]).unwrap();
        assert!(address(&world, "a").is_some());
        world.told();
        let refused = world.refused(&[with_http_filter(http_listener("a", "t"), OAUTH2), tcp_listener("other", "one")]);
        assert!(refused[0].1.contains("; take it out, or keep Envoy for this workload"), "{refused:?}");
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(refused[0].0 == "a" && refused[0].1.contains("http_filters[0]"), "{refused:?}");
        assert!(matches!(world.told()[..], [Told::Stop(_)]));
        assert!(address(&world, "a").is_none() && address(&world, "other").is_some());
        assert!(world.active(Kind::Listener, "a").is_none());
        assert!(world.shown_refusal(Kind::Listener, "a").is_some());
    });
}

#[test]
fn a_version_refused_for_its_policy_takes_one_that_waits_down_too() {
    run(async {
        let mut world = World::new();
        world.push(&[http_listener("a", "t")]).unwrap();
        world.refused(&[with_http_filter(http_listener("a", "t"), OAUTH2)]);
        assert_eq!(world.control.listeners.warming_count(), 0);
        world.push(&[route_table("t", 200)]).unwrap();
        assert_eq!(world.told(), [], "it never serves");
    });
}

/// The verdict must not depend on which field is looked at first.
#[test]
fn policy_behind_another_fault_takes_the_version_without_it_down() {
    run(async {
        let faulty = |mut listener: Value| {
            listener["enable_mptcp"] = json!(true);
            listener
        };
        let with_policy = |listener: Value| with_http_filter(listener, OAUTH2);
        let per_route = |mut listener: Value| {
            let rbac = json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute"});
            let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
            manager["route_config"]["virtual_hosts"][0]["typed_per_filter_config"] = json!({"rbac": rbac});
            listener
        };
        let discovered = |mut listener: Value| {
            let url = format!("type.googleapis.com/{OAUTH2}");
            let later =
                json!({"name": "later", "config_discovery": {"config_source": {"ads": {}}, "type_urls": [url]}});
            let filters = &mut listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"];
            filters.as_array_mut().unwrap().insert(0, later);
            listener
        };
        let wrapped = |mut listener: Value| {
            let oauth2 = json!({"name": "oauth2", "typedConfig": {"@type": format!("type.googleapis.com/{OAUTH2}")}});
            listener["filter_chains"][0]["filters"][0]["typed_config"] = json!({
                "@type": "type.googleapis.com/xds.type.v3.TypedStruct",
                "type_url": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "value": {"statPrefix": "s", "httpFilters": [oauth2]}
            });
            listener
        };
        let ways: [(&str, &dyn Fn(Value) -> Value); 4] =
            [("filter", &with_policy), ("route", &per_route), ("discovered", &discovered), ("wrapped", &wrapped)];
        for (way, add) in ways {
            let mut world = World::new();
            world.push(&[answering_listener("a", 200)]).unwrap();
            world.told();
            let refused = world.refused(&[faulty(add(answering_listener("a", 200)))]);
            assert!(!refused[0].1.contains("http_filters"), "{way}: the other fault comes first: {refused:?}");
            assert!(address(&world, "a").is_none(), "{way}: the version without policy goes on");
            assert!(matches!(world.told()[..], [Told::Stop(_)]), "{way}");
            // The same fault without policy is no reason to stop.
            world.push(&[answering_listener("a", 201)]).unwrap();
            world.refused(&[faulty(answering_listener("a", 202))]);
            assert!(address(&world, "a").is_some(), "{way}");
        }
    });
}

/// What was refused before anybody looked into it may carry policy all the same.
#[test]
fn policy_in_a_resource_that_came_wrongly_takes_the_version_without_it_down() {
    run(async {
        let plain = answering_listener("a", 200);
        let mut world = World::new();
        world.push(std::slice::from_ref(&plain)).unwrap();
        world.respond_refusing(&plain, &answering_listener("a", 201), "is there twice in one response").unwrap();
        assert!(address(&world, "a").is_some(), "a second version without policy is no reason to stop");
        assert!(world.shown_refusal(Kind::Listener, "a").unwrap().contains("twice"));
        let with_policy = with_http_filter(answering_listener("a", 200), OAUTH2);
        world.respond_refusing(&plain, &with_policy, "is there twice in one response").unwrap();
        assert!(address(&world, "a").is_none());
    });
}

#[test]
fn a_fault_that_is_found_when_a_chain_is_compiled_keeps_its_path() {
    run(async {
        let mut world = World::new();
        let mut listener = answering_listener("a", 200);
        let hosts = &mut listener["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]["virtual_hosts"];
        hosts[0]["routes"][0]["match"] = json!({"safe_regex": {"regex": "("}});
        let refused = world.refused(&[listener]);
        let path = "filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0].routes[0].match";
        assert!(refused[0].1.starts_with(path), "{refused:?}");
    });
}

#[test]
fn a_listener_waits_for_its_routes_and_the_one_before_goes_on() {
    run(async {
        let mut world = World::new();
        world.push(&[http_listener("a", "one")]).unwrap();
        assert_eq!(world.told(), []);
        world.push(&[route_table("one", 200)]).unwrap();
        assert_eq!(world.told(), [Told::Listen(0)]);
        let bound = address(&world, "a");
        world.push(&[http_listener("a", "two")]).unwrap();
        assert_eq!((world.told(), world.control.listeners.warming_count()), (vec![], 1));
        assert!(world.control.routes.is_filled("one"), "the routes of the one in use are kept");
        world.push(&[route_table("one", 201)]).unwrap();
        assert_eq!(world.told(), [], "another table is not what it waits for");
        world.push(&[route_table("two", 200)]).unwrap();
        assert_eq!(world.told(), [Told::Replace(0)]);
        assert_eq!(address(&world, "a"), bound, "the sockets stay");
        assert!(world.control.routes.is_filled("one"), "until connections that use it are gone");
        world.control.listeners.let_drains_end();
        world.control.listeners.on_timer(&|_| true);
        world.control.dirty = true;
        world.control.settle(None);
        assert_eq!(world.control.routes.wanted().collect::<Vec<_>>(), ["two"], "nobody asks for the old table");
    });
}

#[test]
fn a_listener_waits_for_routes_no_longer_than_it_says() {
    run(async {
        let mut world = World::new();
        let mut listener = http_listener("a", "t");
        let rds = &mut listener["filter_chains"][0]["filters"][0]["typed_config"]["rds"];
        rds["config_source"]["initial_fetch_timeout"] = json!("15s");
        world.push(&[listener]).unwrap();
        let wait = world.control.listeners.next_timeout().expect("the loop is to look again");
        assert!(wait <= Duration::from_secs(15) && !wait.is_zero(), "{wait:?}");
        world.control.listeners.held.warming_mut("a").unwrap().since -= Duration::from_secs(15);
        world.control.settle(None);
        assert_eq!(world.told(), [Told::Listen(0)]);
    });
}

/// As in Envoy: the word that a table does not exist is no reason to give up what serves, and one that has not come in time is empty.
#[test]
fn a_version_without_its_table_replaces_what_serves_when_its_time_is_over_and_not_when_there_is_none() {
    run(async {
        let table = |name: &str| {
            let mut listener = http_listener("a", name);
            let rds = &mut listener["filter_chains"][0]["filters"][0]["typed_config"]["rds"];
            rds["config_source"]["initial_fetch_timeout"] = json!("15s");
            listener
        };
        let mut world = World::new();
        let pass = |world: &mut World| {
            world.control.listeners.held.warming_mut("a").unwrap().since -= Duration::from_secs(15);
            world.control.settle(None);
            world.told().is_empty()
        };
        world.push(&[table("t")]).unwrap();
        world.push(&[route_table("t", 200)]).unwrap();
        assert_eq!(world.told(), [Told::Listen(0)]);
        world.push(&[table("never-there")]).unwrap();
        world.take_away(type_url::ROUTE, &["never-there"]).unwrap();
        assert_eq!((world.told().is_empty(), pass(&mut world)), (true, true), "the one before serves");
        world.push(&[route_table("never-there", 200)]).unwrap();
        assert!(!world.told().is_empty(), "it has come after all");
        world.push(&[table("late")]).unwrap();
        assert_eq!((world.told().is_empty(), pass(&mut world)), (true, false));
        let slot = world.control.routes.slot(&"late".into());
        assert!(slot.was_taken_away(), "no request waits for it");
        world.push(&[route_table("late", 200)]).unwrap();
        assert!(!slot.was_taken_away() && slot.load().is_some());
    });
}

#[test]
fn unchanged_bytes_change_nothing() {
    run(async {
        let mut world = World::new();
        world.push(&[tcp_listener("a", "one"), http_listener("waiting", "t")]).unwrap();
        let (bound, since) = (address(&world, "a"), world.control.listeners.held.warming("waiting").unwrap().since);
        world.told();
        world.push(&[tcp_listener("a", "one"), http_listener("waiting", "t")]).unwrap();
        assert_eq!(world.told(), []);
        assert_eq!(address(&world, "a"), bound);
        assert_eq!(world.value("listener_manager.listener_modified"), 0);
        assert_eq!(
            world.control.listeners.held.warming("waiting").unwrap().since,
            since,
            "the wait does not begin anew"
        );
    });
}

#[test]
fn a_changed_listener_keeps_its_sockets_and_another_address_takes_new_ones() {
    run(async {
        let mut world = World::new();
        world.push(&[tcp_listener("a", "one")]).unwrap();
        let first = address(&world, "a").unwrap();
        world.push(&[tcp_listener("a", "two")]).unwrap();
        assert_eq!(world.told(), [Told::Listen(0), Told::Replace(0)]);
        assert_eq!(address(&world, "a"), Some(first));
        let mut moved = tcp_listener("a", "two");
        moved["address"]["socket_address"]["address"] = json!("127.0.0.2");
        world.push(&[moved]).unwrap();
        assert_eq!(world.told(), [Told::Listen(1), Told::Stop(0)]);
        assert_ne!(address(&world, "a").unwrap().ip(), first.ip());
    });
}

#[test]
fn going_back_to_the_version_in_use_ends_the_wait() {
    run(async {
        let mut world = World::new();
        world.push(&[tcp_listener("a", "one")]).unwrap();
        world.push(&[http_listener("a", "t")]).unwrap();
        world.push(&[tcp_listener("a", "one")]).unwrap();
        world.told();
        world.push(&[route_table("t", 200)]).unwrap();
        assert_eq!(world.told(), []);
    });
}

#[test]
fn a_removed_listener_stops_whether_it_serves_or_waits() {
    run(async {
        let mut world = World::new();
        world.push(&[tcp_listener("a", "one"), http_listener("waiting", "t")]).unwrap();
        world.told();
        world.take_away(type_url::LISTENER, &["a", "waiting", "never-there"]).unwrap();
        assert_eq!(world.told(), [Told::Stop(0)]);
        assert_eq!((world.control.listeners.active_count(), world.control.listeners.warming_count()), (0, 0));
        assert_eq!(world.shown(Kind::Listener).len(), 0);
        assert_eq!(world.value("listener_manager.listener_removed"), 1);
    });
}

/// Envoy takes such an update, and leaves the static listener as it is.
#[test]
fn a_static_listener_is_not_changed_from_outside() {
    run(async {
        let mut world = World::new();
        for listener in [tcp_listener("ready", "one"), http_listener("waiting", "t")] {
            let config = config::listener::decode(&bytes(&listener), &config::Options::default()).unwrap();
            let stored = Stored::now(bytes(&listener), &"".into());
            world.control.listeners.add_static(Arc::new(config), stored, &|_| true).unwrap();
        }
        world.control.settle(None);
        assert_eq!(world.told(), [Told::Listen(0)]);
        let policy = with_http_filter(http_listener("ready", "t"), OAUTH2);
        world.push(&[tcp_listener("ready", "two"), tcp_listener("waiting", "two")]).unwrap();
        world.push(&[policy]).unwrap();
        world.take_away(type_url::LISTENER, &["ready", "waiting"]).unwrap();
        assert_eq!(world.told(), []);
        assert_eq!(world.active(Kind::Listener, "ready"), Some(bytes(&tcp_listener("ready", "one"))));
        world.push(&[route_table("t", 200)]).unwrap();
        assert_eq!(world.active(Kind::Listener, "waiting"), Some(bytes(&http_listener("waiting", "t"))));
    });
}

#[test]
fn a_taken_address_is_named_tried_again_and_holds_up_nobody() {
    run(async {
        let mut world = World::new();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let wanted = taken.local_addr().unwrap();
        let refused = world.refused(&[on(tcp_listener("a", "one"), wanted), tcp_listener("b", "one")]);
        assert!(refused.len() == 1 && refused[0].0 == "a", "{refused:?}");
        assert!(refused[0].1.contains(&wanted.to_string()), "{}", refused[0].1);
        assert_eq!(world.told(), [Told::Listen(0)]);
        let due = |world: &mut World| {
            world.control.listeners.retries.get_mut("a").expect("it will be tried again").at = Instant::now();
            world.control.listeners.on_timer(&|_| true);
            world.control.settle(None);
        };
        due(&mut world);
        assert_eq!(world.told(), [], "still taken");
        assert!(world.control.listeners.next_timeout().is_some());
        drop(taken);
        due(&mut world);
        assert_eq!((world.told(), address(&world, "a")), (vec![Told::Listen(1)], Some(wanted)));
        assert_eq!(world.control.listeners.next_timeout(), None, "nothing is left to try");
    });
}

#[test]
fn the_address_of_the_admin_interface_is_nobodys() {
    run(async {
        let mut world = World::new();
        let admin = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = admin.local_addr().unwrap();
        let config = AdminListener { address: Address::Socket(at), pipe_mode: 0, socket_options: Vec::new() };
        world.control.listeners.keep_for_admin(AdminPlace::of(&config));
        for wanted in [at, SocketAddr::from(([0, 0, 0, 0], at.port()))] {
            let refused = world.refused(&[on(tcp_listener("a", "one"), wanted)]);
            let reason = format!("address: listener 'a' cannot have '{wanted}': the admin interface is at '{at}'");
            assert!(refused[0].1.starts_with(&reason) && !refused[0].1.contains("another process"), "{refused:?}");
            assert_eq!(world.control.listeners.next_timeout(), None, "it is not tried again");
        }
        world.push(&[on(tcp_listener("a", "one"), SocketAddr::from(([127, 0, 0, 2], at.port())))]).unwrap();
    });
}

#[test]
fn an_address_of_another_listener_is_refused_until_that_one_is_gone() {
    run(async {
        let mut world = World::new();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        world.push(&[on(tcp_listener("first", "one"), free)]).unwrap();
        let refused = world.refused(&[on(tcp_listener("second", "one"), free), tcp_listener("third", "one")]);
        assert!(refused.len() == 1 && refused[0].0 == "second", "{refused:?}");
        let reason = format!("'second' has duplicate address '{free}' as existing listener 'first'; give one of them");
        assert!(refused[0].1.contains("address: ") && refused[0].1.contains(&reason), "{}", refused[0].1);
        assert!(address(&world, "second").is_none() && address(&world, "third").is_some());
        // One that is never bound takes nothing from anybody.
        let mut unbound = on(tcp_listener("unbound", "one"), free);
        unbound["bind_to_port"] = json!(false);
        world.push(&[unbound]).unwrap();
        world.take_away(type_url::LISTENER, &["first"]).unwrap();
        world.told();
        assert!(
            world.control.listeners.retries["second"].at <= Instant::now(),
            "it need not wait for the next attempt"
        );
        world.control.listeners.on_timer(&|_| true);
        world.control.settle(None);
        assert_eq!(address(&world, "second"), Some(free));
    });
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn a_listener_with_another_name_takes_the_sockets_over() {
    run(async {
        let mut world = World::new();
        let port = free_port();
        world.push(&[on(tcp_listener("old", "one"), port)]).unwrap();
        world.told();
        world.change(&[on(tcp_listener("new", "one"), port)], &["old"]).unwrap();
        assert_eq!(world.told(), [Told::Replace(0)], "nobody is refused in between");
        assert_eq!((address(&world, "old"), address(&world, "new")), (None, Some(port)));
        assert_eq!(world.value("listener_manager.listener_create_failure"), 0);
    });
}

/// In whichever order they come: one moves, and another takes its place.
#[test]
fn an_address_is_handed_on_between_listeners_that_both_stay() {
    run(async {
        for turned in [false, true] {
            let mut world = World::new();
            let (first, second) = (free_port(), free_port());
            world.push(&[on(tcp_listener("a", "one"), first)]).unwrap();
            world.told();
            let mut both = vec![on(tcp_listener("a", "one"), second), on(tcp_listener("b", "one"), first)];
            if turned {
                both.reverse();
            }
            world.push(&both).unwrap();
            assert_eq!((address(&world, "a"), address(&world, "b")), (Some(second), Some(first)));
            assert_eq!(world.told(), [Told::Listen(1), Told::Replace(0)], "nobody is refused in between");
            assert_eq!(world.value("listener_manager.listener_create_failure"), 0);
            // One that nobody leaves is refused, and told once.
            let refused = world.push(&[on(tcp_listener("c", "one"), first)]).unwrap_err();
            assert_eq!(refused.len(), 1);
            assert_eq!(world.value("listener_manager.listener_create_failure"), 1);
        }
    });
}

#[test]
fn while_the_new_name_warms_clients_wait_in_the_queue() {
    run(async {
        let mut world = World::new();
        let port = free_port();
        world.push(&[on(tcp_listener("old", "one"), port)]).unwrap();
        world.told();
        world.change(&[on(http_listener("new", "t"), port)], &["old"]).unwrap();
        assert_eq!(world.told(), [Told::Hold(0)]);
        world.push(&[route_table("t", 200)]).unwrap();
        assert_eq!(world.told(), [Told::Replace(0)]);
        // One that never comes lets them go.
        world.change(&[on(http_listener("newer", "u"), port)], &["new"]).unwrap();
        world.take_away(type_url::LISTENER, &["newer"]).unwrap();
        assert_eq!(world.told(), [Told::Hold(0), Told::Stop(0)]);
    });
}

#[test]
fn an_address_that_workers_are_still_closing_can_be_had_again() {
    run(async {
        let mut world = World::new();
        let port = free_port();
        world.push(&[on(tcp_listener("a", "one"), port)]).unwrap();
        world.take_away(type_url::LISTENER, &["a"]).unwrap();
        let _sockets = world.slow_worker();
        world.push(&[on(tcp_listener("a", "one"), port)]).unwrap();
        assert_eq!((world.told(), address(&world, "a")), (vec![Told::Listen(1)], Some(port)));
    });
}

#[test]
fn all_addresses_of_a_port_stand_beside_one_of_them_whichever_comes_first() {
    run(async {
        for wide_first in [true, false] {
            let mut world = World::new();
            let port = free_port().port();
            let wide = on(tcp_listener("wide", "one"), ([0, 0, 0, 0], port).into());
            let narrow = on(tcp_listener("narrow", "one"), ([127, 0, 0, 5], port).into());
            let order = if wide_first { [wide, narrow] } else { [narrow, wide] };
            for listener in order {
                world.push(&[listener]).unwrap();
                // They listen, as on real workers.
                std::mem::forget(world.slow_worker());
            }
            assert!(address(&world, "wide").is_some() && address(&world, "narrow").is_some());
        }
    });
}

#[test]
fn a_stranger_beside_our_own_sockets_is_found() {
    use std::process::{Command, Stdio};
    run(async {
        let mut world = World::new();
        let port = free_port().port();
        world.push(&[on(tcp_listener("wide", "one"), ([0, 0, 0, 0], port).into())]).unwrap();
        let _ours = world.slow_worker();
        // Another process of the same user that shares the port, as an older copy of ours does.
        let script = format!(
            "import socket as s\nk=s.socket()\nk.setsockopt(s.SOL_SOCKET,s.SO_REUSEPORT,1)\nk.setsockopt(s.SOL_SOCKET,s.SO_REUSEADDR,1)\nk.bind(('127.0.0.5',{port}))\nk.listen()\nprint('up',flush=True)\nimport sys\nsys.stdin.read()"
        );
        let stranger =
            Command::new("python3").args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut stranger) = stranger else { return eprintln!("skipped: no python3 to play the stranger") };
        let mut line = [0; 3];
        std::io::Read::read_exact(stranger.stdout.as_mut().unwrap(), &mut line).unwrap();
        let narrow = on(tcp_listener("narrow", "one"), ([127, 0, 0, 5], port).into());
        let refused = world.refused(&[narrow]);
        assert!(refused[0].1.contains("another process holds it"), "{refused:?}");
        drop(stranger.stdin.take());
        stranger.wait().unwrap();
    });
}

#[test]
fn additional_addresses_come_and_go_and_the_others_stay() {
    run(async {
        let mut world = World::new();
        let (first, second, third) = (free_port(), free_port(), free_port());
        let with = |more: &[SocketAddr]| {
            let more = more.iter().map(|address| json!({"address": on(json!({}), *address)["address"]}));
            let mut listener = on(tcp_listener("a", "one"), first);
            listener["additional_addresses"] = more.collect();
            listener
        };
        let shown = |world: &World| world.control.listeners.active()[0].addresses.clone();
        world.push(&[with(&[second])]).unwrap();
        assert_eq!((world.told(), shown(&world)), (vec![Told::Listen(0), Told::Listen(1)], vec![first, second]));
        world.push(&[with(&[third])]).unwrap();
        assert_eq!(world.told(), [Told::Replace(0), Told::Listen(2), Told::Stop(1)]);
        assert_eq!(shown(&world), [first, third]);
        world.push(&[with(&[])]).unwrap();
        assert_eq!((world.told(), shown(&world)), (vec![Told::Replace(0), Told::Stop(2)], vec![first]));
    });
}

#[test]
fn other_socket_options_take_new_sockets_on_the_same_address() {
    run(async {
        let mut world = World::new();
        let port = free_port();
        world.push(&[on(tcp_listener("a", "one"), port)]).unwrap();
        let _sockets = world.slow_worker();
        let mut changed = on(tcp_listener("a", "one"), port);
        changed["socket_options"] = json!([{"level": 1, "name": 9, "int_value": 1}]);
        changed["tcp_keepalive"] = json!({"keepalive_time": 9});
        world.push(&[changed.clone()]).unwrap();
        assert_eq!((world.told(), address(&world, "a")), (vec![Told::Listen(1), Told::Stop(0)], Some(port)));
        changed["enable_reuse_port"] = json!(false);
        let refused = world.refused(&[changed]);
        assert!(refused[0].1.starts_with("enable_reuse_port: cannot be changed"), "{refused:?}");
        assert_eq!(world.told(), []);
    });
}

#[test]
fn only_connections_of_changed_and_removed_chains_drain() {
    run(async {
        let mut world = World::new();
        let chains = |world: &World| world.control.listeners.held.active("a").unwrap().listener.clone();
        world.push(&[chained_listener("a", &[("kept", 1, "c"), ("changed", 2, "c"), ("removed", 3, "c")])]).unwrap();
        let first = chains(&world);
        world.push(&[chained_listener("a", &[("new", 4, "c"), ("changed", 2, "d"), ("kept", 1, "c")])]).unwrap();
        let second = chains(&world);
        let gone = first.retired_by(Some(&second));
        assert_eq!(gone.len(), 2);
        assert!(gone.iter().all(|drain| drain.has_begun()));
        let all = first.retired_by(None);
        assert_eq!(
            all.iter().filter(|drain| !drain.has_begun()).count(),
            2,
            "the chain that stays, and what is common"
        );
        assert_eq!(world.told(), [Told::Listen(0), Told::Replace(0)]);
        // Anything else than chains makes it another listener.
        let mut other = chained_listener("a", &[("kept", 1, "c")]);
        other["stat_prefix"] = json!("other");
        world.push(&[other]).unwrap();
        assert!(first.retired_by(None).iter().all(|drain| drain.has_begun()));
        assert!(second.retired_by(None).iter().all(|drain| drain.has_begun()));
        assert!(chains(&world).retired_by(None).iter().all(|drain| !drain.has_begun()));
    });
}

#[test]
fn one_worker_binds_all_addresses_and_one_of_them_beside_each_other() {
    run(async {
        let mut world = World::new();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let all = SocketAddr::from(([0, 0, 0, 0], free.port()));
        world.push(&[on(tcp_listener("all", "one"), all), on(tcp_listener("loopback", "one"), free)]).unwrap();
        assert_eq!((address(&world, "all"), address(&world, "loopback")), (Some(all), Some(free)));
    });
}

#[test]
fn a_listener_that_was_removed_is_not_bound_when_its_address_is_free() {
    run(async {
        let mut world = World::new();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        world.refused(&[on(tcp_listener("a", "one"), taken.local_addr().unwrap())]);
        world.take_away(type_url::LISTENER, &["a"]).unwrap();
        assert_eq!(world.control.listeners.next_timeout(), None);
    });
}

#[test]
fn bind_attempts_grow_apart_up_to_ten_seconds() {
    let waits: Vec<u128> = (0..9).map(|attempts| super::retry::bind_backoff(attempts).as_millis()).collect();
    assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    assert_eq!(super::retry::bind_backoff(u32::MAX).as_secs(), 10);
}

/// As Envoy does it: the control plane cannot undo a drain.
#[test]
fn what_comes_for_a_stopped_direction_is_ignored() {
    run(async {
        let mut world = World::new();
        let inbound = |mut listener: Value| {
            listener["traffic_direction"] = json!("INBOUND");
            listener
        };
        world.push(&[inbound(tcp_listener("a", "one"))]).unwrap();
        world.push(&[inbound(http_listener("waiting", "t")), http_listener("out", "t")]).unwrap();
        world.control.listeners.stop_accepting(Some(Direction::Inbound));
        world.told();
        world.push(&[inbound(tcp_listener("a", "two")), inbound(tcp_listener("new", "one"))]).unwrap();
        assert_eq!(world.told(), []);
        assert_eq!(world.active(Kind::Listener, "a"), Some(bytes(&inbound(tcp_listener("a", "one")))));
        world.push(&[route_table("t", 200)]).unwrap();
        assert_eq!(world.told(), [Told::Listen(2)], "the outbound one alone");
    });
}

#[test]
fn draining_stops_the_listeners_of_one_direction_or_all_whatever_their_drain_type() {
    run(async {
        let mut world = World::new();
        let of = |name: &str, direction: &str| {
            let mut listener = tcp_listener(name, "one");
            listener["traffic_direction"] = json!(direction);
            listener
        };
        // What admin asks for concerns all, whatever their drain type.
        let mut modify_only = of("modify-only", "INBOUND");
        modify_only["drain_type"] = json!("MODIFY_ONLY");
        world.push(&[of("in", "INBOUND")]).unwrap();
        world.push(&[of("out", "OUTBOUND")]).unwrap();
        world.push(&[modify_only]).unwrap();
        world.told();
        world.control.listeners.stop_accepting(Some(Direction::Inbound));
        assert_eq!(world.told(), [Told::Stop(0), Told::Stop(2)]);
        let later = Instant::now() + Duration::from_secs(3600);
        world.control.listeners.stop_accepting_after(None, later);
        world.control.listeners.on_timer(&|_| true);
        assert_eq!(world.told(), [], "not yet");
        world.control.listeners.stops[0].1 = Instant::now();
        world.control.listeners.on_timer(&|_| true);
        assert_eq!(world.told(), [Told::Stop(1)]);
    });
}
