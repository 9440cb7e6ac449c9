//! The mesh tests: one list of tests, run for each pair of proxies in a lab of its own.
//!
//! Each target is a program with `libtest`'s command line. The tests of a pair share one lab and run in the order of the list;
//! each leaves the mesh as it found it. Where the lab cannot run, each test is skipped by name with the reason; in CI
//! ([`skip::in_ci`]) that is a failure instead.

mod basics;
mod endpoints;
mod extensions;
mod http;
mod judged;
mod lifecycle;
mod passthrough;
mod plaintext;
mod policy;
mod rotation;
mod telemetry;
mod tokens;
mod world;

use std::path::Path;
use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use outrigger_integration::lab::Result;
use outrigger_integration::lab::istiod::Settings;
use outrigger_integration::lab::tools::Tools;
use outrigger_integration::lab::workload::Proxy;
use outrigger_integration::skip;
use world::World;

/// Who calls, who answers, and what istiod sends both.
#[derive(Clone)]
pub struct Pair {
    pub client: Proxy,
    pub server: Proxy,
    pub settings: Settings,
}

type Test = fn(&mut World) -> Result<()>;

/// Every test, in the order in which they run: the first ones look at the mesh as it starts, the last ones shake it.
const TESTS: &[(&str, Test)] = &[
    ("agents_report_ready_on_15021", basics::agents_report_ready_on_15021),
    ("five_curls", basics::five_curls),
    ("app_saw_headers_and_both_identities", basics::app_saw_headers_and_both_identities),
    ("both_access_log_lines", basics::both_access_log_lines),
    ("bound_listeners", basics::bound_listeners),
    ("http_proxy_variable", basics::http_proxy_variable),
    ("unknown_host_is_503", basics::unknown_host_is_503),
    ("large_bodies_both_ways", http::large_bodies_both_ways),
    ("expect_continue_is_relayed", http::expect_continue_is_relayed),
    ("head_has_no_body", http::head_has_no_body),
    ("websocket_upgrade", http::websocket_upgrade),
    ("reply_before_the_request_is_complete_closes", http::reply_before_the_request_is_complete_closes),
    ("bad_requests_are_answered", http::bad_requests_are_answered),
    ("http2_client_without_tls", http::http2_client_without_tls),
    ("status_and_headers_of_the_application_pass", http::status_and_headers_of_the_application_pass),
    ("auto_registration", endpoints::auto_registration),
    ("permissive_takes_plaintext", plaintext::permissive_takes_plaintext),
    ("strict_refuses_plaintext", plaintext::strict_refuses_plaintext),
    ("an_authorization_policy_says_who_may_read_what", policy::an_authorization_policy_says_who_may_read_what),
    ("a_denied_principal_is_turned_away", policy::a_denied_principal_is_turned_away),
    ("tokens_say_who_may_read_what", tokens::tokens_say_who_may_read_what),
    ("an_authorizer_is_asked_over_grpc_and_http", judged::an_authorizer_is_asked_over_grpc_and_http),
    (
        "what_is_written_down_or_tried_out_turns_nobody_away",
        judged::what_is_written_down_or_tried_out_turns_nobody_away,
    ),
    ("a_policy_that_changes_judges_every_request", judged::a_policy_that_changes_judges_every_request),
    ("endpoint_added_and_removed", endpoints::endpoint_added_and_removed),
    ("a_filter_is_discovered_changed_and_taken_back", extensions::a_filter_is_discovered_changed_and_taken_back),
    ("metrics_say_who_called_whom", telemetry::metrics_say_who_called_whom),
    ("tcp_service", passthrough::tcp_service),
    ("metrics_of_connections_add_up", telemetry::metrics_of_connections_add_up),
    ("tls_passthrough_by_sni", passthrough::tls_passthrough_by_sni),
    ("ready_although_dns_is_mute", lifecycle::ready_although_dns_is_mute),
    ("agent_drains_and_ends_on_sigterm", lifecycle::agent_drains_and_ends_on_sigterm),
    ("certificates_rotate_under_load", rotation::certificates_rotate_under_load),
    ("istiod_stops_and_starts_again", lifecycle::istiod_stops_and_starts_again),
];

/// What stock Envoy is not held to: these run only where the client is ours.
const OURS_ONLY: &[&str] = &["ready_although_dns_is_mute"];

/// What stock Envoy has no filters for: these run only where both are ours.
const BOTH_OURS: &[&str] = &["metrics_say_who_called_whom", "metrics_of_connections_add_up"];

/// The main function of each mesh test target.
pub fn run(pair: Pair) {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let tools = Tools::find(Path::new(env!("CARGO_BIN_EXE_outrigger-lab-app")));
    if let Err(reason) = &tools {
        proxy::cli::say(format_args!("mesh tests cannot run here: {reason}"));
    }
    let ours = pair.client == Proxy::Outrigger;
    let both = ours && pair.server == Proxy::Outrigger;
    let tests = TESTS.iter().filter(|(name, _)| ours || !OURS_ONLY.contains(name));
    let tests = tests.filter(|(name, _)| both || !BOTH_OURS.contains(name));
    let stage = Arc::new(Stage { pair, tools, world: Mutex::new(None) });
    let trial = |&(name, test): &(&str, Test)| {
        let stage = stage.clone();
        Trial::ignorable_test(name, move || stage.perform(test))
    };
    let conclusion = libtest_mimic::run(&arguments, tests.map(trial).collect());
    // The lab ends before the process does; `exit` would not drop it.
    stage.close();
    conclusion.exit();
}

/// The lab of this target, started by the first test that needs it.
struct Stage {
    pair: Pair,
    tools: std::result::Result<Tools, String>,
    world: Mutex<Option<std::result::Result<World, String>>>,
}

impl Stage {
    fn perform(&self, test: Test) -> std::result::Result<Completion, Failed> {
        let tools = match &self.tools {
            Ok(tools) => tools,
            Err(reason) if skip::in_ci() => return Err(skip::failure(reason).into()),
            Err(reason) => return Ok(Completion::ignored_with(reason.clone())),
        };
        // A test that panicked spoils nothing that the next one could not find out for itself.
        let mut held = self.world.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if held.is_none() {
            let started = World::start(tools.clone(), &self.pair);
            let told = started.as_ref().err().map(ToString::to_string);
            *held = Some(started.map_err(|_| String::from("the lab did not start, see the first test")));
            if let Some(error) = told {
                return Err(format!("the lab did not start: {error}").into());
            }
        }
        let Some(world) = held.as_mut() else { return Err("the lab was ended".into()) };
        let world = world.as_mut().map_err(|error| error.clone())?;
        match test(world) {
            Ok(()) => Ok(Completion::Completed),
            Err(error) => Err(format!("{error}\n{}", world.lab.log_tails(6)).into()),
        }
    }

    fn close(&self) {
        self.world.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
    }
}
