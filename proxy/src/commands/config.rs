//! `outrigger config …`: what the running proxy has, as tables, or as the resources themselves.

use serde_json::Value;

use super::client::Client;
use super::dump::{Dump, Held, address, health, items, text};
use super::explain::{chain, route, tls};
use super::{Cannot, Ended, paper};
use crate::cli::commands::{Config, Output, Table};
use crate::cli::{complain, say};

pub mod secrets;

/// Shows what is asked for.
pub fn show(asked: &Config) -> Result<Ended, Cannot> {
    let dump = Dump::of(&Client::new(&asked.admin))?;
    if let Some(part) = asked.table.part()
        && !names(&asked.table, &dump).iter().any(|name| name.contains(part))
    {
        complain(format_args!("warning: nothing that is there has '{part}' in its name"));
    }
    say(printed(asked, &dump).trim_end());
    Ok(Ended::Yes)
}

pub(super) fn printed(asked: &Config, dump: &Dump) -> String {
    let wanted = |name: &str| asked.table.part().is_none_or(|part| name.contains(part));
    let mut resources = match asked.table {
        Table::Listeners(_) => dump.listeners(),
        Table::Routes(_) => dump.routes(),
        Table::Clusters(_) => dump.clusters(),
        Table::Secrets(_) => dump.secrets(),
        Table::Endpoints(_) => return endpoints(dump, asked.output, &wanted),
    };
    resources.retain(|held| wanted(held.name));
    if asked.output == Output::Json {
        return json(&resources.iter().map(|held| held.element).collect::<Vec<_>>());
    }
    let table = match asked.table {
        Table::Listeners(_) => listeners(dump, &resources),
        Table::Routes(_) => routes(&resources),
        Table::Clusters(_) => clusters(dump, &resources),
        Table::Secrets(_) => secrets::table(&resources),
        Table::Endpoints(_) => String::new(),
    };
    table + &refusals(&resources)
}

/// Names of all that there is of a kind.
fn names<'d>(table: &Table, dump: &'d Dump) -> Vec<&'d str> {
    let resources = match table {
        Table::Listeners(_) => dump.listeners(),
        Table::Routes(_) => dump.routes(),
        Table::Clusters(_) | Table::Endpoints(_) => dump.clusters(),
        Table::Secrets(_) => dump.secrets(),
    };
    resources.into_iter().map(|held| held.name).collect()
}

fn json(values: &[&Value]) -> String {
    serde_json::to_string_pretty(values).unwrap_or_default()
}

/// Below a table: the reasons.
fn refusals(resources: &[Held<'_>]) -> String {
    let refused = resources.iter().filter_map(|held| Some((held.name, held.refused?)));
    let lines: Vec<String> = refused.map(|(name, why)| format!("{name} is refused: {}\n", paper::plain(why))).collect();
    if lines.is_empty() { String::new() } else { format!("\n{}", lines.concat()) }
}

fn listeners(dump: &Dump, resources: &[Held<'_>]) -> String {
    let mut rows = Vec::new();
    for held in resources {
        let bound = dump.bound(held.name);
        let place = match &bound[..] {
            [] => address(&held.body["address"]),
            bound => bound.join(", "),
        };
        let state = match (held.refused, bound.is_empty()) {
            _ if dump.is_stopped(held.name) => "stopped (drain_listeners)".to_owned(),
            (None, true) if held.body["bind_to_port"] != false && held.state == super::dump::State::Active => {
                "not bound".to_owned()
            }
            _ => held.state_word(),
        };
        let direction = match text(&held.body["traffic_direction"]) {
            "INBOUND" => "in",
            "OUTBOUND" => "out",
            _ => "-",
        };
        let chains = items(&held.body["filter_chains"]).chain([&held.body["default_filter_chain"]]);
        for (index, one) in chains.filter(|chain| chain.is_object()).enumerate() {
            let first = |text: &str| if index == 0 { text.to_owned() } else { String::new() };
            rows.push([
                first(held.name),
                first(&place),
                first(direction),
                first(&state),
                chain::condition(one),
                chain::leads_to(one),
            ]);
        }
        if items(&held.body["filter_chains"]).next().is_none() && !held.body["default_filter_chain"].is_object() {
            rows.push([held.name.to_owned(), place, direction.to_owned(), state, "-".into(), "-".into()]);
        }
    }
    paper::table(["NAME", "ADDRESS", "DIR", "STATE", "MATCH", "LEADS TO"], &rows)
}

fn routes(resources: &[Held<'_>]) -> String {
    let mut rows = Vec::new();
    for held in resources {
        for host in items(&held.body["virtual_hosts"]) {
            let domains: Vec<&str> = items(&host["domains"]).map(text).collect();
            let domains = match &domains[..] {
                [first, rest @ ..] if !rest.is_empty() => format!("{first} (+{})", rest.len()),
                domains => domains.concat(),
            };
            for (index, one) in items(&host["routes"]).enumerate() {
                let first = |text: &str| if index == 0 { text.to_owned() } else { String::new() };
                rows.push([
                    first(held.name),
                    first(text(&host["name"])),
                    first(&domains),
                    route::condition(&one["match"]),
                    route::leads_to(one),
                ]);
            }
        }
    }
    paper::table(["TABLE", "VIRTUAL HOST", "DOMAINS", "MATCH", "LEADS TO"], &rows)
}

fn clusters(dump: &Dump, resources: &[Held<'_>]) -> String {
    let row = |held: &Held<'_>| {
        let hosts = dump.hosts(held.name);
        let healthy = hosts.clone().filter(|host| health(host).is_ok()).count();
        let kind = match (text(&held.body["type"]), &held.body["cluster_type"]["name"]) {
            ("", Value::String(name)) => name.as_str(),
            ("", _) => "STATIC",
            (kind, _) => kind,
        };
        let (count, spoken) = (format!("{healthy}/{}", hosts.count()), tls::of_cluster(held.body));
        [held.name.to_owned(), kind.to_owned(), count, spoken, held.state_word()]
    };
    let rows: Vec<_> = resources.iter().map(row).collect();
    paper::table(["NAME", "TYPE", "HEALTHY", "TRANSPORT", "STATE"], &rows)
}

fn endpoints(dump: &Dump, output: Output, wanted: &dyn Fn(&str) -> bool) -> String {
    let clusters = items(&dump.clusters["cluster_statuses"]).filter(|status| wanted(text(&status["name"])));
    if output == Output::Json {
        return json(&clusters.collect::<Vec<_>>());
    }
    let mut rows = Vec::new();
    for status in clusters {
        for host in items(&status["host_statuses"]) {
            let place = &host["locality"];
            let place: Vec<&str> = ["region", "zone", "sub_zone"].iter().map(|part| text(&place[part])).collect();
            let state = health(host).map_or_else(|why| why, str::to_owned);
            let number = |field: &str| host[field].as_u64().unwrap_or(0).to_string();
            rows.push([
                address(&host["address"]),
                state,
                number("weight"),
                number("priority"),
                place.join("/").trim_end_matches('/').to_owned(),
                text(&host["hostname"]).to_owned(),
                text(&status["name"]).to_owned(),
            ]);
        }
        if items(&status["host_statuses"]).next().is_none() {
            let mut row = ["-", "no endpoint", "-", "-", "", "", ""].map(str::to_owned);
            row[6] = text(&status["name"]).to_owned();
            rows.push(row);
        }
    }
    paper::table(["ENDPOINT", "HEALTH", "WEIGHT", "PRIORITY", "LOCALITY", "HOST", "CLUSTER"], &rows)
}
