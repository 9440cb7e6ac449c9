//! Tests of `extensions`: what is asked for, what a listener waits for, and what a verdict leaves in use.

use serde_json::{Value, json};
use tokio::task::LocalSet;
use xds_client::type_url;

use crate::discoveries::Kind;
use crate::store::Kind as Shown;
use crate::xds::testing::{Told, World, answering_listener};

const BUFFER: &str = "envoy.extensions.filters.http.buffer.v3.Buffer";
const CSRF: &str = "envoy.extensions.filters.http.csrf.v3.CsrfPolicy";
/// Policy that does not act yet.
const OAUTH2: &str = "envoy.extensions.filters.http.oauth2.v3.OAuth2";

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

fn any(type_name: &str) -> Value {
    let mut config = json!({"@type": format!("type.googleapis.com/{type_name}")});
    match type_name {
        BUFFER => config["max_request_bytes"] = json!(4),
        CSRF => config["filter_enabled"] = json!({"default_value": {"numerator": 100}}),
        _ => {}
    }
    config
}

/// A listener with an HTTP filter `later` that may be any of these.
fn listener(name: &str, types: &[&str]) -> Value {
    let urls: Vec<String> = types.iter().map(|name| format!("type.googleapis.com/{name}")).collect();
    let source = json!({"config_source": {"ads": {}, "initial_fetch_timeout": "0s"}, "type_urls": urls});
    let mut listener = answering_listener(name, 200);
    let filters = &mut listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"];
    filters.as_array_mut().unwrap().insert(0, json!({"name": "later", "config_discovery": source}));
    listener
}

fn source(listener: &mut Value) -> &mut Value {
    &mut listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"][0]["config_discovery"]
}

fn extension(name: &str, config: Value) -> Value {
    json!({"@type": type_url::EXTENSION_CONFIG, "name": name, "typed_config": config})
}

fn wanted(world: &World) -> Vec<String> {
    world.control.extensions.names().collect()
}

/// What `later` is where it may be any of these and has no default; nothing: requests are answered 500.
fn is(world: &World) -> Option<String> {
    let discovery = config::filters::discovery::Discovery {
        type_names: [BUFFER, CSRF].into_iter().map(Into::into).collect(),
        default: None,
        without_warming: false,
        initial_fetch_timeout: None,
    };
    world
        .control
        .extensions
        .discoveries
        .http(Kind::Http, "later", &discovery)
        .typed(&discovery)
        .map(|typed| typed.type_name.to_string())
}

fn count(world: &World, name: &str) -> u64 {
    world.value(&format!("extension_config_discovery.http_filter.later.{name}"))
}

fn refusal(world: &mut World, resource: Value) -> String {
    world.refused(&[resource]).remove(0).1
}

#[test]
fn a_listener_waits_for_its_filters() {
    run(async {
        let mut world = World::new();
        world.push(&[listener("a", &[BUFFER])]).unwrap();
        assert_eq!((world.told(), wanted(&world)), (vec![], vec!["later".to_owned()]));
        world.push(&[extension("later", any(BUFFER))]).unwrap();
        assert_eq!(world.told(), [Told::Listen(0)]);
        assert_eq!(is(&world), Some(BUFFER.into()));
        assert_eq!((count(&world, "config_reload"), count(&world, "update_success")), (1, 1));
        // The same again changes nothing.
        world.push(&[extension("later", any(BUFFER))]).unwrap();
        assert_eq!((count(&world, "config_reload"), count(&world, "update_success")), (1, 2));
        assert_eq!(world.told(), []);
    });
}

#[test]
fn a_listener_that_begins_with_the_default_waits_for_nothing() {
    run(async {
        let mut world = World::new();
        let mut listener = listener("a", &[BUFFER]);
        source(&mut listener)["default_config"] = any(BUFFER);
        source(&mut listener)["apply_default_config_without_warming"] = json!(true);
        world.push(&[listener]).unwrap();
        assert_eq!((world.told(), wanted(&world)), (vec![Told::Listen(0)], vec!["later".to_owned()]));
    });
}

#[test]
fn nobody_waits_longer_than_the_initial_fetch_timeout() {
    run(async {
        let mut world = World::new();
        let mut listener = listener("a", &[BUFFER]);
        source(&mut listener)["config_source"]["initial_fetch_timeout"] = json!("0.010s");
        world.push(&[listener]).unwrap();
        assert_eq!(world.told(), []);
        assert!(world.control.extensions.next_timeout().is_some());
        while world.control.extensions.next_timeout().is_some_and(|left| !left.is_zero()) {
            std::thread::yield_now();
        }
        world.control.settle(None);
        assert_eq!((world.told(), is(&world)), (vec![Told::Listen(0)], None));
        assert_eq!((count(&world, "init_fetch_timeout"), count(&world, "config_fail")), (1, 1));
        assert_eq!(world.control.extensions.next_timeout(), None);
    });
}

#[test]
fn a_word_that_there_is_none_ends_the_wait() {
    run(async {
        let mut world = World::new();
        world.push(&[listener("a", &[BUFFER])]).unwrap();
        world.take_away(type_url::EXTENSION_CONFIG, &["later"]).unwrap();
        assert_eq!((world.told(), is(&world)), (vec![Told::Listen(0)], None));
    });
}

/// As in Envoy: the version that serves gives way when the filter is here, or its time is over.
#[test]
fn nor_is_it_a_reason_to_give_up_what_serves() {
    run(async {
        let mut world = World::new();
        world.push(&[crate::xds::testing::tcp_listener("a", "c")]).unwrap();
        world.told();
        world.push(&[listener("a", &[BUFFER])]).unwrap();
        world.take_away(type_url::EXTENSION_CONFIG, &["later"]).unwrap();
        assert_eq!(world.told(), [], "the one before serves");
        world.push(&[extension("later", any(BUFFER))]).unwrap();
        assert_eq!((world.told().is_empty(), is(&world)), (false, Some(BUFFER.into())));
    });
}

#[test]
fn what_is_refused_leaves_the_one_before() {
    run(async {
        let mut world = World::new();
        world.push(&[listener("a", &[BUFFER])]).unwrap();
        world.push(&[extension("later", any(BUFFER))]).unwrap();
        let reason = refusal(&mut world, extension("later", json!({"@type": any(BUFFER)["@type"]})));
        assert!(reason.starts_with("typed_config.max_request_bytes: "), "{reason}");
        assert_eq!((is(&world), count(&world, "config_fail")), (Some(BUFFER.into()), 1));
        assert_eq!((count(&world, "update_rejected"), count(&world, "config_reload")), (1, 1));
        assert_eq!(world.shown_refusal(Shown::Extension, "later").as_deref(), Some(&*reason));
        // Of another type.
        let grpc_web = any("envoy.extensions.filters.http.grpc_web.v3.GrpcWeb");
        let reason = refusal(&mut world, extension("later", grpc_web));
        assert!(reason.starts_with("typed_config: Error: filter config has type URL envoy.extensions.filters.http.grpc_web.v3.GrpcWeb but expect "), "{reason}");
        assert_eq!(is(&world), Some(BUFFER.into()));
        assert_eq!(world.told(), [Told::Listen(0)], "no listener is changed by all this");
        world.take_away(type_url::EXTENSION_CONFIG, &["later"]).unwrap();
        assert_eq!((is(&world), count(&world, "config_reload")), (None, 2));
    });
}

#[test]
fn a_listener_whose_first_config_is_refused_waits_no_longer() {
    run(async {
        let mut world = World::new();
        world.push(&[listener("a", &[BUFFER])]).unwrap();
        refusal(&mut world, extension("later", any(CSRF)));
        assert_eq!((world.told(), is(&world)), (vec![Told::Listen(0)], None));
    });
}

#[test]
fn policy_that_is_refused_takes_what_lacks_it_down() {
    run(async {
        let mut world = World::new();
        world.push(&[listener("a", &[BUFFER, OAUTH2])]).unwrap();
        world.push(&[extension("later", any(BUFFER))]).unwrap();
        let reason = refusal(&mut world, extension("later", any(OAUTH2)));
        assert!(reason.contains("is not supported yet"), "{reason}");
        assert_eq!(is(&world), None, "requests would pass that the policy denies");
        world.push(&[extension("later", any(BUFFER))]).unwrap();
        assert_eq!(is(&world), Some(BUFFER.into()));
        // Of a type that the chain does not allow, and with another fault before it.
        refusal(&mut world, extension("later", any(CSRF)));
        assert_eq!(is(&world), None);
        assert_eq!(world.told(), [Told::Listen(0)]);
    });
}

/// Types that a filter may have are no policy that the listener has.
#[test]
fn a_listener_does_not_go_on_for_policy_that_its_filter_could_have_been() {
    run(async {
        let mut world = World::new();
        world.push(&[listener("a", &[BUFFER, CSRF])]).unwrap();
        let faulty = || {
            let mut listener = listener("a", &[BUFFER, CSRF]);
            listener["enable_mptcp"] = json!(true);
            listener
        };
        world.push(&[extension("later", any(CSRF))]).unwrap();
        world.refused(&[faulty()]);
        assert_eq!(world.told(), [Told::Listen(0)], "the policy is in force");
        world.push(&[extension("later", any(BUFFER))]).unwrap();
        world.refused(&[faulty()]);
        assert_eq!(world.told(), [Told::Stop(0)]);
    });
}

#[test]
fn a_name_is_forgotten_with_the_last_listener_that_has_it() {
    run(async {
        let mut world = World::new();
        world.push(&[listener("a", &[BUFFER]), listener("b", &[BUFFER])]).unwrap();
        world.push(&[extension("later", any(BUFFER))]).unwrap();
        world.take_away(type_url::LISTENER, &["a"]).unwrap();
        world.take_away(type_url::LISTENER, &["b"]).unwrap();
        assert_eq!(wanted(&world), ["later"], "connections drain");
        world.control.listeners.let_drains_end();
        world.control.listeners.on_timer(&|_| true);
        world.control.dirty = true;
        world.control.settle(None);
        assert_eq!((wanted(&world), is(&world)), (vec![], None));
        assert!(world.shown(Shown::Extension).is_empty());
        // What comes late is taken, and is nobody's.
        world.push(&[extension("later", any(BUFFER))]).unwrap();
        assert!(world.shown(Shown::Extension).is_empty());
    });
}

#[test]
fn a_second_listener_begins_with_what_is_known_or_counts_the_conflict() {
    run(async {
        let mut world = World::new();
        world.push(&[listener("a", &[BUFFER])]).unwrap();
        world.push(&[extension("later", any(BUFFER))]).unwrap();
        world.push(&[listener("b", &[BUFFER])]).unwrap();
        assert_eq!(world.told(), [Told::Listen(0), Told::Listen(1)]);
        world.push(&[listener("c", &[CSRF])]).unwrap();
        assert_eq!((world.told(), count(&world, "config_conflict")), (vec![Told::Listen(2)], 1));
        let reason = refusal(&mut world, extension("later", any(CSRF)));
        assert!(reason.contains("but expect envoy.extensions.filters.http.buffer.v3.Buffer"), "{reason}");
    });
}

#[test]
fn a_listener_that_drains_has_no_say_in_what_comes() {
    run(async {
        let mut world = World::new();
        world.push(&[listener("a", &[BUFFER])]).unwrap();
        world.push(&[extension("later", any(BUFFER))]).unwrap();
        world.push(&[listener("a", &[CSRF])]).unwrap();
        assert_eq!((is(&world), count(&world, "config_conflict")), (Some(BUFFER.into()), 1));
        world.push(&[extension("later", any(CSRF))]).unwrap();
        assert_eq!(is(&world), Some(CSRF.into()));
    });
}

/// As istiod sends a WasmPlugin: what may fail open is passed by, and where it may not, nothing passes.
#[test]
fn a_plugin_that_does_not_run_here_lets_pass_only_where_it_may_fail_open() {
    const WASM: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";
    run(async {
        let mut world = World::new();
        world.push(&[listener("a", &[WASM, OAUTH2])]).unwrap();
        let discovery = config::filters::discovery::Discovery {
            type_names: vec![WASM.into()],
            default: None,
            without_warming: false,
            initial_fetch_timeout: None,
        };
        let plugin = |fail_open: bool| {
            let mut config = any(WASM);
            config["config"] = json!({"name": "p", "fail_open": fail_open});
            extension("later", config)
        };
        let is_there = |world: &World| {
            world.control.extensions.discoveries.http(Kind::Http, "later", &discovery).typed(&discovery).is_some()
        };
        world.push(&[plugin(true)]).unwrap();
        assert_eq!((world.told(), is_there(&world)), (vec![Told::Listen(0)], true));
        let reason = refusal(&mut world, plugin(false));
        assert!(reason.contains("only one that may fail open is passed by"), "{reason}");
        assert!(!is_there(&world));
    });
}

#[test]
fn one_name_may_be_a_filter_of_both_kinds() {
    const LIMIT: &str = "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit";
    run(async {
        let mut world = World::new();
        world.push(&[listener("a", &[BUFFER])]).unwrap();
        world.push(&[extension("later", any(BUFFER))]).unwrap();
        world.told();
        let urls = [format!("type.googleapis.com/{LIMIT}")];
        let source = json!({"config_source": {"ads": {}, "initial_fetch_timeout": "0s"}, "type_urls": urls});
        let mut other = answering_listener("b", 200);
        let filters = other["filter_chains"][0]["filters"].as_array_mut().unwrap();
        filters.insert(0, json!({"name": "later", "config_discovery": source}));
        // What is there is no network filter: the listener begins without one, and closes its connections.
        world.push(&[other]).unwrap();
        assert_eq!(world.told(), [Told::Listen(1)]);
        assert_eq!(world.value("extension_config_discovery.network_filter.later.config_fail"), 1);
        assert_eq!(is(&world), Some(BUFFER.into()));
    });
}

#[test]
fn a_type_that_nothing_here_can_be_is_refused_with_its_listener() {
    run(async {
        let mut world = World::new();
        let reason = refusal(&mut world, listener("a", &["example.Unheard"]));
        assert!(reason.contains("http_filters[0].config_discovery.type_urls[0]: Error: no factory found for a required type URL example.Unheard"), "{reason}");
        let mut from_file = listener("a", &[BUFFER]);
        source(&mut from_file)["config_source"] = json!({"path_config_source": {"path": "/x"}});
        let reason = refusal(&mut world, from_file);
        assert!(reason.contains("config_discovery.config_source: filters are discovered over ADS"), "{reason}");
    });
}
