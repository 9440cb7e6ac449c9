//! The table of paths: what there is, what it takes, whether it changes something, and who answers.

use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use envoy_types::pb::envoy::config::core::v3::TrafficDirection;
use envoy_types::pb::envoy::config::listener::v3::Listener;
use prost::Message;

use super::parameters::{self, Parameter, named, one_of};
use super::query::Query;
use super::{
    Admin, certs, clusters, config_dump, index, init_dump, listeners, logging, memory, profilers, reply, runtime,
    server_info, stats, ui,
};
use crate::status::{Request, Shown};
use crate::store::{Entry, Kind};

struct Command {
    path: &'static str,
    help: &'static str,
    parameters: &'static [Parameter],
    /// Only POST may call it.
    changes: bool,
    run: Run,
}

enum Run {
    Now(fn(&std::sync::Arc<Admin>, &Query) -> Response),
    /// It shows what configuration is, which has been asked for.
    OfConfiguration(fn(&std::sync::Arc<Admin>, &Query, &Shown) -> Response),
}

use Run::{Now, OfConfiguration};

const FILTER: Parameter = named("filter", "Regular expression (RE2 syntax, partial match) for filtering stats");
const USED_ONLY: Parameter = named("usedonly", "Only include stats that have been written since the start");
const INVERT: Parameter = named("invert_filter", "Invert the filter regex");
const LIST_FORMAT: Parameter = one_of("format", "File format to use", &["text", "json"]);
/// In Envoy's order.
const STATS_FORMATS: &[&str] = &["html", "active-html", "json", "prometheus", "text"];
const BUCKETS: &[&str] = &["cumulative", "disjoint", "detailed", "summary", "none"];
const PROMETHEUS_BUCKETS: &[&str] = &["cumulative", "summary"];
const ENABLE: Parameter = named("enable", "Switches it; One of (y, n)");
const HIDDEN: &[&str] = &["include", "only", "exclude"];
const KINDS: &[&str] = &["All", "Counters", "Histograms", "Gauges", "TextReadouts"];

const COMMANDS: &[Command] = &[
    Command {
        path: "/",
        help: "Admin home page",
        parameters: &[],
        changes: false,
        run: Now(|_, _| index::show(listed())),
    },
    Command {
        path: "/allocprofiler",
        help: "refused: there is no allocation profiler",
        parameters: &[ENABLE],
        changes: true,
        run: Now(|_, query| profilers::switch(query)),
    },
    Command {
        path: "/certs",
        help: "print certificates in use",
        parameters: &[],
        changes: false,
        run: Now(|admin, _| certs::show(admin)),
    },
    Command {
        path: "/clusters",
        help: "upstream cluster status",
        parameters: &[named("filter", "Regular expression for filtering clusters by name"), LIST_FORMAT],
        changes: false,
        run: OfConfiguration(|admin, query, shown| clusters::show(admin, query, shown)),
    },
    Command {
        path: "/config_dump",
        help: "dump the configuration as it was received; secrets are redacted",
        parameters: &[
            named("resource", "The resource to dump, e.g. dynamic_active_clusters"),
            named("mask", "Fields to keep, with commas between; applied to each element when resource is given"),
            named("name_regex", "Dump only configurations whose names match; may be used with both others"),
            named("include_eds", "Dump endpoints as well"),
        ],
        changes: false,
        run: OfConfiguration(|admin, query, shown| config_dump::show(admin, query, shown)),
    },
    Command {
        path: "/config_not_acting",
        help: "what the configuration asks for and this proxy does not do",
        parameters: &[],
        changes: false,
        run: Now(|admin, _| match &admin.source.not_acting()[..] {
            [] => reply::text("nothing: all that the configuration asks for acts, or was refused\n"),
            lines => reply::text(lines.iter().map(|line| format!("{line}\n")).collect::<String>()),
        }),
    },
    Command {
        path: "/contention",
        help: "dump mutex contention stats",
        parameters: &[],
        changes: false,
        run: Now(|_, _| reply::text("Mutex contention tracing is not enabled.\n")),
    },
    Command {
        path: "/cpuprofiler",
        help: "refused: there is no CPU profiler",
        parameters: &[ENABLE],
        changes: true,
        run: Now(|_, query| profilers::switch(query)),
    },
    Command {
        path: "/drain_listeners",
        help: "drain listeners",
        parameters: &[
            named("graceful", "Go on accepting for the drain time (--drain-time-s) before listeners are closed"),
            named("skip_exit", "Drain connections but never close the listeners; graceful then changes nothing"),
            named("inboundonly", "Only listeners whose traffic_direction is INBOUND"),
        ],
        changes: true,
        run: OfConfiguration(drain),
    },
    Command {
        path: "/healthcheck/fail",
        help: "cause the server to fail health checks",
        parameters: &[],
        changes: true,
        run: Now(|admin, _| act(|| admin.source.ask(Request::SetHealthy(false)))),
    },
    Command {
        path: "/healthcheck/ok",
        help: "cause the server to pass health checks",
        parameters: &[],
        changes: true,
        run: Now(|admin, _| act(|| admin.source.ask(Request::SetHealthy(true)))),
    },
    Command {
        path: "/heap_dump",
        help: "refused: the allocator has none",
        parameters: &[],
        changes: false,
        run: Now(|_, _| profilers::heap()),
    },
    Command {
        path: "/heapprofiler",
        help: "refused: there is no heap profiler",
        parameters: &[ENABLE],
        changes: true,
        run: Now(|_, _| profilers::of_heap()),
    },
    Command {
        path: "/help",
        help: "print out list of admin commands",
        parameters: &[],
        changes: false,
        run: Now(|_, _| reply::text(help())),
    },
    Command {
        path: "/hot_restart_version",
        help: "print the hot restart compatibility version",
        parameters: &[],
        changes: false,
        run: Now(|_, _| reply::text("disabled")),
    },
    Command {
        path: "/init_dump",
        help: "dump what the start still waits for",
        parameters: &[named("mask", "The component whose waits are shown: listener")],
        changes: false,
        run: OfConfiguration(|admin, query, shown| init_dump::show(admin, query, shown)),
    },
    Command {
        path: "/listeners",
        help: "print listener info",
        parameters: &[LIST_FORMAT, named("stopped", "Also say which listeners accept no more (drain_listeners); JSON")],
        changes: false,
        run: OfConfiguration(|_, query, shown| listeners::show(query, shown)),
    },
    Command {
        path: "/logging",
        help: "query/change logging levels",
        parameters: &[
            named("<name>", "Change one logger, e.g. /logging?upstream=debug"),
            named("paths", "Change several loggers: name1:level1,name2:level2"),
            named("group", "The same"),
            named("level", "Change all loggers; one of (trace, debug, info, warning, error, critical, off)"),
        ],
        changes: true,
        run: Now(|admin, query| logging::change(admin, query)),
    },
    Command {
        path: "/memory",
        help: "print current allocation/heap usage",
        parameters: &[],
        changes: false,
        run: Now(|_, _| memory::show()),
    },
    Command {
        path: "/memory/tcmalloc",
        help: "refused: memory is the C library's",
        parameters: &[],
        changes: false,
        run: Now(|_, _| profilers::tcmalloc()),
    },
    Command {
        path: "/peak_heap_dump",
        help: "refused: the allocator has none",
        parameters: &[],
        changes: false,
        run: Now(|_, _| profilers::heap()),
    },
    Command {
        path: "/quitquitquit",
        help: "exit the server",
        parameters: &[],
        changes: true,
        run: Now(|admin, _| act(|| admin.source.ask(Request::Quit))),
    },
    Command {
        path: "/ready",
        help: "print server state, return 200 if LIVE, otherwise return 503",
        parameters: &[],
        changes: false,
        run: Now(|admin, _| ready(admin)),
    },
    Command {
        path: "/reopen_logs",
        help: "reopen access logs",
        parameters: &[],
        changes: true,
        run: Now(|admin, _| {
            act(|| {
                admin.log.reopen();
                admin.sinks.reopen();
            })
        }),
    },
    Command {
        path: "/reset_counters",
        help: "reset all counters to zero",
        parameters: &[],
        changes: true,
        run: Now(|admin, _| act(|| admin.stats.reset_counters())),
    },
    Command {
        path: "/runtime",
        help: "print runtime values",
        parameters: &[],
        changes: false,
        run: Now(|admin, _| runtime::show(admin)),
    },
    Command {
        path: "/runtime_modify",
        help: "modify runtime values",
        parameters: &[named("<key>", "A key and its value")],
        changes: true,
        run: Now(|admin, query| runtime::modify(admin, query)),
    },
    Command {
        path: "/server_info",
        help: "print server version/status information",
        parameters: &[],
        changes: false,
        run: Now(|admin, _| server_info::show(admin)),
    },
    Command {
        path: "/stats",
        help: "print server stats",
        parameters: &[
            USED_ONLY,
            FILTER,
            INVERT,
            one_of("format", "Format to use; html and active-html show text", STATS_FORMATS),
            one_of("type", "Stat types to include", KINDS),
            one_of("hidden", "Hidden stats: there are none", HIDDEN),
            one_of("histogram_buckets", "Histogram bucket display mode", BUCKETS),
        ],
        changes: false,
        run: Now(|admin, query| stats::show(admin, query)),
    },
    Command {
        path: "/stats/prometheus",
        help: "print server stats in prometheus format",
        parameters: &[
            USED_ONLY,
            FILTER,
            INVERT,
            named("text_readouts", "Show texts as gauges of value 0, with the text as a label"),
            one_of("format", "It is prometheus whatever this says", STATS_FORMATS),
            one_of("histogram_buckets", "Histogram bucket display mode", PROMETHEUS_BUCKETS),
        ],
        changes: false,
        run: Now(|admin, query| stats::prometheus(admin, query)),
    },
    Command {
        path: "/stats/recentlookups",
        help: "show recent stat-name lookups: there are none, names are looked up when configuration comes",
        parameters: &[],
        changes: false,
        run: Now(|admin, _| stats::lookups(admin)),
    },
    Command {
        path: "/stats/recentlookups/clear",
        help: "clear list of stat-name lookups",
        parameters: &[],
        changes: true,
        run: Now(|_, _| reply::ok()),
    },
    Command {
        path: "/stats/recentlookups/disable",
        help: "disable recording of stat-name lookups",
        parameters: &[],
        changes: true,
        run: Now(|_, _| reply::ok()),
    },
    Command {
        path: "/stats/recentlookups/enable",
        help: "enable recording of stat-name lookups",
        parameters: &[],
        changes: true,
        run: Now(|_, _| reply::ok()),
    },
    Command {
        path: "/ui",
        help: "how this proxy is, for people: what is bound, served, refused and failing",
        parameters: &[named("all", "Show all rows of long lists")],
        changes: false,
        run: OfConfiguration(|admin, query, shown| ui::show(admin, query, shown)),
    },
];

/// Files of the pages for people; no list has them.
const FILES: &[Command] = &[
    Command { path: "/ui/style.css", help: "", parameters: &[], changes: false, run: Now(|_, _| ui::style()) },
    Command { path: "/ui/script.js", help: "", parameters: &[], changes: false, run: Now(|_, _| ui::script()) },
];

/// A page as the index shows it.
pub struct Listed {
    /// Its path.
    pub path: &'static str,
    /// What it is.
    pub help: &'static str,
    /// It takes POST alone.
    pub changes: bool,
    /// A line each.
    pub parameters: Vec<String>,
}

fn listed() -> impl Iterator<Item = Listed> {
    COMMANDS.iter().map(|command| Listed {
        path: command.path,
        help: command.help,
        changes: command.changes,
        parameters: command.parameters.iter().map(ToString::to_string).collect(),
    })
}

fn find(path: &str) -> Option<&'static Command> {
    let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    COMMANDS.iter().chain(FILES).find(|command| command.path == path)
}

/// Whether the command wants to know what configuration is.
pub fn show_configuration(path: &str) -> bool {
    find(path).is_some_and(|command| matches!(command.run, OfConfiguration(_)))
}

/// Whether a request may have its parameters in its body.
pub fn takes_form(request: &Parts, path: &str) -> bool {
    let kind = request.headers.get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    request.method == Method::POST && path == "/runtime_modify" && kind == b"application/x-www-form-urlencoded"
}

/// Finds the command and runs it.
pub fn run(admin: &std::sync::Arc<Admin>, method: &Method, path: &str, query: &Query, shown: &Shown) -> Response {
    let Some(command) = find(path) else {
        return reply::failure(StatusCode::NOT_FOUND, format!("invalid path. {}", help()));
    };
    if command.changes && method != Method::POST {
        let text = format!("Method {method} not allowed, POST required.");
        return reply::failure(StatusCode::METHOD_NOT_ALLOWED, text);
    }
    if let Err(reason) = parameters::check(command.path, command.parameters, command.changes, query) {
        return reply::failure(StatusCode::BAD_REQUEST, reason);
    }
    let response = match command.run {
        Now(run) => run(admin, query),
        OfConfiguration(run) => run(admin, query, shown),
    };
    match parameters::ignored(command.path, command.parameters, query) {
        Some(warning) => reply::warned(response, &warning),
        None => response,
    }
}

fn help() -> String {
    let mut text = String::from("admin commands are:\n");
    for command in COMMANDS {
        let post = if command.changes { " (POST)" } else { "" };
        text.push_str(&format!("  {}{post}: {}\n", command.path, command.help));
        for parameter in command.parameters {
            text.push_str(&format!("      {parameter}\n"));
        }
    }
    text
}

fn act(action: impl FnOnce()) -> Response {
    action();
    reply::ok()
}

fn ready(admin: &Admin) -> Response {
    let state = admin.source.state();
    let status = if state == "LIVE" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    reply::failure(status, format!("{state}\n"))
}

fn drain(admin: &std::sync::Arc<Admin>, query: &Query, shown: &Shown) -> Response {
    let inbound_only = query.has("inboundonly");
    let is_idle = inbound_only && !shown.resources.resources(Kind::Listener).iter().any(is_inbound);
    let drain = Request::Drain { inbound_only, graceful: query.has("graceful"), skip_exit: query.has("skip_exit") };
    // Those that come later do not serve either.
    admin.source.ask(drain);
    match is_idle {
        true => reply::text("OK: nothing drains, for no listener has the traffic_direction INBOUND\n"),
        false => reply::ok(),
    }
}

fn is_inbound(listener: &Entry) -> bool {
    let body = listener.active.as_ref().or(listener.warming.as_ref()).map(|version| version.body.clone());
    let message = body.and_then(|body| Listener::decode(body).ok());
    message.is_some_and(|message| message.traffic_direction() == TrafficDirection::Inbound)
}
