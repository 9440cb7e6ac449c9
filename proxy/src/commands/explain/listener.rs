//! Which listeners of the proxy an application can mean, and what each does with its connection.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use super::chain::{self, Connection, End};
use super::forwarded::{self, Wanted};
use super::route::{self, Request};
use super::steps::Steps;
use super::{Target, cluster, tls, upgrade};
use crate::cli::commands::Explain;
use crate::commands::dump::{Dump, Held, State, address, items, text};

/// A listener that serves the host.
pub struct Way<'a> {
    held: Held<'a>,
    /// Where it is bound.
    pub address: SocketAddr,
    /// Applications name it as their proxy, and say in each request where they want to go.
    pub is_proxy: bool,
}

impl Way<'_> {
    /// Whether connections to that address arrive here.
    pub fn takes(&self, address: &IpAddr) -> bool {
        self.address.ip().is_unspecified() || self.address.ip() == *address
    }
}

/// Listeners that the target can mean, and those at its port that serve other hosts.
pub fn ways<'a>(target: &Target, dump: &'a Dump) -> (Vec<Way<'a>>, Vec<Way<'a>>) {
    let (mut serving, mut others) = (Vec::new(), Vec::new());
    for held in dump.listeners().into_iter().filter(|held| held.state == State::Active) {
        let bound = dump.bound(held.name);
        let Some(address) = bound.iter().find_map(|address| address.parse::<SocketAddr>().ok()) else { continue };
        let way = Way { is_proxy: is_proxy(&held), held, address };
        let at_port = target.port.is_none_or(|port| port == address.port());
        let is_meant = match target.host.parse::<IpAddr>() {
            Ok(ip) => way.takes(&ip) && at_port,
            Err(_) if text(&held.body["traffic_direction"]) == "INBOUND" => false,
            // Whoever names the port and comes to this address gets whatever stands there.
            Err(_) => {
                let comes = target.port.is_some() && target.addresses.iter().any(|address| way.takes(address));
                (way.is_proxy || at_port) && (serves(&way, target, dump) || (comes && at_port))
            }
        };
        if is_meant {
            serving.push(way);
        } else if at_port && target.port.is_some() {
            others.push(way);
        }
    }
    (serving, others)
}

fn is_proxy(held: &Held<'_>) -> bool {
    managers(held.body).any(|manager| {
        manager["http_protocol_options"]["allow_absolute_url"] == true
            && text(&manager["rds"]["route_config_name"]) == "http_proxy"
    })
}

fn managers(listener: &Value) -> impl Iterator<Item = &Value> {
    let chains = items(&listener["filter_chains"]).chain([&listener["default_filter_chain"]]);
    chains.filter_map(|one| match chain::end(one) {
        End::Http(manager) => Some(manager),
        _ => None,
    })
}

/// The table of a connection manager, if it has come.
pub fn table<'a>(manager: &'a Value, dump: &'a Dump) -> Option<&'a Value> {
    if manager["route_config"].is_object() {
        return Some(&manager["route_config"]);
    }
    let name = text(&manager["rds"]["route_config_name"]);
    dump.routes().into_iter().find(|held| held.name == name).map(|held| held.body)
}

/// Whether a listener has something for this host in particular.
fn serves(way: &Way<'_>, target: &Target, dump: &Dump) -> bool {
    let authorities = authorities(target, way);
    let by_route = managers(way.held.body).filter_map(|manager| table(manager, dump)).any(|table| {
        let found = authorities.iter().find_map(|authority| route::virtual_host(table, authority));
        found.is_some_and(|(_, domain)| domain != "*")
    });
    let chains = items(&way.held.body["filter_chains"]);
    by_route
        || chains.into_iter().any(|one| {
            let named = items(&one["filter_chain_match"]["server_names"]).any(|name| text(name) == target.host);
            let leads = match chain::end(one) {
                End::Tcp(clusters) => clusters.iter().any(|(name, _)| host_of(name) == target.host),
                _ => false,
            };
            named || leads
        })
}

/// The host of a cluster of Istio's: `outbound|3306||db.bookinfo.svc.cluster.local`.
pub fn host_of(cluster: &str) -> &str {
    match cluster.split('|').collect::<Vec<_>>()[..] {
        ["outbound", _, _, host] => host,
        _ => "",
    }
}

fn authorities(target: &Target, way: &Way<'_>) -> [String; 2] {
    if let Some(named) = &target.authority {
        return [named.clone(), route::without_port(named).to_owned()];
    }
    let port = target.port.unwrap_or(way.address.port());
    [authority(&target.host, port), target.host.clone()]
}

/// As clients write it: the port where it is not the scheme's own.
fn authority(host: &str, port: u16) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    match port {
        80 | 443 => host,
        port => format!("{host}:{port}"),
    }
}

/// Nothing serves it: says what there is.
pub fn nothing(target: &Target, dump: &Dump, others: &[Way<'_>], steps: &mut Steps) -> bool {
    let wanted = target.port.map_or(String::new(), |port| format!(" on port {port}"));
    for held in dump.listeners() {
        let place = address(&held.body["address"]);
        let at_port = target.port.is_none_or(|port| place.ends_with(&format!(":{port}")));
        match (at_port, held.state, held.refused) {
            (true, State::Refused, Some(why)) => steps.odd("listener", format!("{} is refused: {why}", held.name)),
            (true, State::Active, _) if dump.is_stopped(held.name) => {
                steps.odd(
                    "listener",
                    format!("{} ({place}) accepts no more: an operator asked for drain_listeners", held.name),
                );
            }
            (true, State::Warming, _) => {
                steps
                    .odd("listener", format!("{} ({place}) waits for its routes or certificates (warming)", held.name));
            }
            _ => {}
        }
    }
    for way in others {
        let leads: Vec<String> = items(&way.held.body["filter_chains"]).map(chain::leads_to).collect();
        steps.odd(
            "listener",
            format!("{} is bound on {} and leads to {}", way.held.name, way.address, leads.join(", ")),
        );
    }
    let advice = "its Sidecar's egress must name it, and the service must be visible to this workload";
    steps.wrong("listener", format!("no outbound listener{wanted} serves {}; {advice}", target.host))
}

/// Tells what a listener does with the request.
pub fn tell(way: &Way<'_>, target: &Target, asked: &Explain, dump: &Dump, steps: &mut Steps) -> bool {
    let direction = match text(&way.held.body["traffic_direction"]) {
        "" => "no direction".to_owned(),
        direction => direction.to_lowercase(),
    };
    steps.good("listener", format!("{} on {} ({direction})", way.held.name, way.address));
    if let Some(why) = way.held.refused {
        steps.odd("listener", format!("its last update was refused, the one before serves: {why}"));
    }
    let connection = Connection {
        port: way.address.port().into(),
        transport: if asked.tls { "tls" } else { "raw_buffer" },
        protocols: if asked.tls { &["h2", "http/1.1"] } else { &["http/1.1"] },
        server_name: if asked.tls { &target.host } else { "" },
    };
    let Some(chosen) = chain::choose(way.held.body, &connection) else {
        let what =
            if asked.tls { "TLS for this host" } else { "plain text (an application that speaks TLS itself: --tls)" };
        return steps.wrong("chain", format!("no filter chain takes {what}; the connection is closed (NR)"));
    };
    let guards = chain::guards(&chosen["filters"]);
    steps.good("chain", format!("{}: {}{}", chain::condition(chosen), chain::leads_to(chosen), may_refuse(&guards)));
    let end = chain::end(chosen);
    if !tls::tell_chain(chosen, asked.tls, matches!(end, End::Http(_)), dump, steps) {
        return false;
    }
    match end {
        End::Http(manager) => http(manager, way, target, asked, dump, steps),
        End::Tcp(clusters) => {
            // A dynamic forward proxy of TCP goes by the server name.
            let wanted = Wanted {
                authority: connection.server_name.to_owned(),
                filters: &chosen["filters"],
                address: way.address,
            };
            several(&clusters, &wanted, dump, steps)
        }
        End::Other(name) => {
            steps.good("chain", format!("{name} answers by itself"));
            true
        }
    }
}

fn may_refuse(guards: &[&str]) -> String {
    match guards {
        [] => String::new(),
        guards => format!("; these may refuse before: {}", guards.join(", ")),
    }
}

fn http(manager: &Value, way: &Way<'_>, target: &Target, asked: &Explain, dump: &Dump, steps: &mut Steps) -> bool {
    let authorities = authorities(target, way);
    let request = Request {
        authority: match &*asked.method {
            // A tunnel always names its port.
            "CONNECT" if target.authority.is_none() => {
                format!("{}:{}", authorities[1], target.port.unwrap_or(way.address.port()))
            }
            _ => authorities[0].clone(),
        },
        path: asked.path(),
        method: &asked.method,
        scheme: if asked.tls { "https" } else { "http" },
        headers: &asked.header,
    };
    let kind = upgrade::kind(&request, steps);
    let table = table(manager, dump);
    let host = table.and_then(|table| route::virtual_host(table, &request.authority));
    let (chosen, passed) = host.map_or((None, Vec::new()), |(host, _)| route::choose(host, &request));
    let permission = upgrade::permission(kind, manager, chosen.as_ref().map(|(route, _)| *route));
    let guards = chain::guards(permission.filters(manager));
    if !guards.is_empty() {
        let whose = permission.whose(kind);
        steps.good("filters", format!("these{whose} may refuse before: {}", guards.join(", ")));
    }
    let Some(table) = table else {
        let name = text(&manager["rds"]["route_config_name"]);
        return steps.wrong("route", format!("the route table '{name}' has not come; requests wait for it, and fail"));
    };
    let named = text(&table["name"]);
    let Some((host, domain)) = host else {
        return steps
            .wrong("route", format!("the table '{named}' has no virtual host for {}; 404 (NR)", request.authority));
    };
    steps.good("route", format!("table '{named}', virtual host '{}' by its domain {domain}", text(&host["name"])));
    for one in &passed {
        steps.good("route", format!("passed over: route {}: {}", one.route, one.why));
    }
    let Some((chosen, conditions)) = chosen else {
        let what = format!("{} {}", asked.method, asked.path());
        return steps.wrong("route", format!("no route of that virtual host takes {what}; 404 (NR)"));
    };
    let name = match text(&chosen["name"]) {
        "" => String::new(),
        name => format!("route '{name}' "),
    };
    steps.good("route", format!("{name}{} -> {}", route::condition(&chosen["match"]), route::leads_to(chosen)));
    conditions.into_iter().for_each(|condition| steps.odd("route", condition));
    if !permission.tell(kind, steps) {
        return false;
    }
    let answer = &chosen["direct_response"];
    if answer.is_object() {
        let status = answer["status"].as_u64().unwrap_or(0);
        let words = format!("the proxy answers {status} itself, by configuration");
        return if status < 400 {
            steps.good("route", words);
            true
        } else {
            steps.wrong("route", words)
        };
    }
    let clusters = route::clusters(chosen);
    let wanted = Wanted {
        authority: forwarded::host_of_request(&request, [chosen, host, table]),
        filters: permission.filters(manager),
        address: way.address,
    };
    // A redirect, or a cluster that the request names.
    clusters.is_empty() || several(&clusters, &wanted, dump, steps)
}

/// All of several have to be good, for each gets its share.
fn several(clusters: &[(&str, Option<u64>)], wanted: &Wanted<'_>, dump: &Dump, steps: &mut Steps) -> bool {
    let gets_some = clusters.iter().filter(|(_, share)| *share != Some(0));
    // Each of them is told, whatever became of the one before.
    let all: Vec<bool> = gets_some.map(|(name, share)| cluster::tell(name, *share, wanted, dump, steps)).collect();
    all.into_iter().all(|one| one)
}
