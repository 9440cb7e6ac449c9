//! Envoy's order of criteria, level by level.

use config::listener::{DownstreamTransport, TerminalFilter};

use super::*;

fn chain(name: &str, change: impl FnOnce(&mut FilterChainMatch)) -> Arc<FilterChain> {
    let mut matches = FilterChainMatch::default();
    change(&mut matches);
    Arc::new(FilterChain {
        name: name.into(),
        matches,
        transport: DownstreamTransport::Raw,
        transport_connect_timeout: None,
        filters: Vec::new(),
        terminal: TerminalFilter::None,
        metadata: Arc::default(),
    })
}

fn matcher(chains: &[Arc<FilterChain>]) -> Matcher {
    Matcher::new(chains, &At::root()).unwrap()
}

fn plain() -> Facts<'static> {
    Facts {
        local: Some("10.0.0.1:8080".parse().unwrap()),
        remote: Some("10.0.0.9:5000".parse().unwrap()),
        direct_remote: Some("10.0.0.9:5000".parse().unwrap()),
        server_name: b"",
        transport_protocol: "raw_buffer",
        application_protocols: &[],
    }
}

fn tls<'a>(server_name: &'a str, protocols: &'a [Arc<[u8]>]) -> Facts<'a> {
    Facts {
        server_name: server_name.as_bytes(),
        transport_protocol: "tls",
        application_protocols: protocols,
        ..plain()
    }
}

fn protocols(names: &[&str]) -> Vec<Arc<[u8]>> {
    names.iter().map(|name| Arc::from(name.as_bytes())).collect()
}

fn names(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn nets(nets: &[&str]) -> Vec<IpNet> {
    nets.iter().map(|net| net.parse().unwrap()).collect()
}

/// The chains of an inbound port of unknown protocol under PERMISSIVE, in the order in which istiod sends them.
fn permissive() -> Matcher {
    let on_port = |transport: &str, protocols: &[&str]| {
        let (transport, protocols) = (Arc::from(transport), names(protocols));
        chain("10.0.0.1_8080", |matches| {
            matches.destination_port = Some(8080);
            matches.transport_protocol = transport;
            matches.application_protocols = protocols;
        })
    };
    matcher(&[
        on_port("tls", &["istio-http/1.0", "istio-http/1.1", "istio-h2"]),
        on_port("raw_buffer", &["http/1.1", "h2c"]),
        on_port("tls", &["istio-peer-exchange", "istio"]),
        on_port("raw_buffer", &[]),
        on_port("tls", &[]),
    ])
}

#[test]
fn a_permissive_port_tells_mesh_plain_and_foreign_tls_apart() {
    let matcher = permissive();
    let offered = |names: &[&str]| matcher.find(&tls("outbound_.x", &protocols(names)));
    assert_eq!(offered(&["istio-http/1.1", "istio", "http/1.1"]), Some(0));
    assert_eq!(offered(&["istio-h2", "istio", "h2"]), Some(0));
    assert_eq!(offered(&["istio-peer-exchange", "istio"]), Some(2));
    assert_eq!(offered(&["istio"]), Some(2));
    assert_eq!(offered(&["h2", "http/1.1"]), Some(4));
    assert_eq!(offered(&[]), Some(4));
    let plain_with = |found: &[&str]| {
        let found = protocols(found);
        matcher.find(&Facts { application_protocols: &found, ..plain() })
    };
    assert_eq!(plain_with(&["http/1.1"]), Some(1));
    assert_eq!(plain_with(&["h2c"]), Some(1));
    assert_eq!(plain_with(&["http/1.0"]), Some(3));
    assert_eq!(plain_with(&[]), Some(3));
    let elsewhere = Facts { local: Some("10.0.0.1:9999".parse().unwrap()), ..plain() };
    assert_eq!(matcher.find(&elsewhere), None);
}

#[test]
fn the_clients_order_of_protocols_decides_between_chains() {
    let matcher = matcher(&[
        chain("a", |matches| matches.application_protocols = names(&["a"])),
        chain("b", |matches| matches.application_protocols = names(&["b"])),
    ]);
    assert_eq!(matcher.find(&tls("", &protocols(&["b", "a"]))), Some(1));
    assert_eq!(matcher.find(&tls("", &protocols(&["c"]))), None);
}

#[test]
fn the_longest_server_name_wins() {
    let matcher = matcher(&[
        chain("any", |_| {}),
        chain("suffix", |matches| matches.server_names = names(&["*.com"])),
        chain("longer", |matches| matches.server_names = names(&["*.example.com"])),
        chain("exact", |matches| matches.server_names = names(&["www.example.com"])),
    ]);
    for (name, index) in [
        ("www.example.com", 3),
        ("a.www.example.com", 2),
        ("example.com", 1),
        ("com", 0),
        ("", 0),
        ("example.org", 0),
        (".", 0),
        ("a..com", 1),
    ] {
        assert_eq!(matcher.find(&tls(name, &[])), Some(index), "{name}");
    }
    // A label is what it is, also where it is no Unicode.
    let strange = Facts { server_name: b"\xffa.www.example.com", ..tls("", &[]) };
    assert_eq!(matcher.find(&strange), Some(2));
}

#[test]
fn there_is_no_way_back_from_a_more_specific_level() {
    let matcher = matcher(&[
        chain("port", |matches| {
            matches.destination_port = Some(8080);
            matches.transport_protocol = "tls".into();
        }),
        chain("any", |_| {}),
    ]);
    assert_eq!(matcher.find(&plain()), None, "port 8080 has matched, and it knows TLS alone");
    let elsewhere = Facts { local: Some("10.0.0.1:9999".parse().unwrap()), ..plain() };
    assert_eq!(matcher.find(&elsewhere), Some(1));
}

#[test]
fn addresses_match_by_the_longest_prefix() {
    let matcher = matcher(&[
        chain("wide", |matches| matches.prefix_ranges = nets(&["10.0.0.0/8"])),
        chain("host", |matches| matches.prefix_ranges = nets(&["10.0.0.1/32"])),
        chain("six", |matches| matches.prefix_ranges = nets(&["fd00::/8"])),
    ]);
    let to = |address: &str| matcher.find(&Facts { local: Some(address.parse().unwrap()), ..plain() });
    assert_eq!(to("10.0.0.1:1"), Some(1));
    assert_eq!(to("10.9.9.9:1"), Some(0));
    assert_eq!(to("[::ffff:10.0.0.1]:1"), Some(1));
    assert_eq!(to("[fd00::5]:1"), Some(2));
    assert_eq!(to("127.0.0.1:1"), None);
    assert_eq!(matcher.find(&Facts { local: None, ..plain() }), None, "a Unix socket");
}

#[test]
fn sources_match_by_directness_type_address_and_port() {
    let matcher = matcher(&[
        chain("direct", |matches| matches.direct_source_prefix_ranges = nets(&["192.0.2.0/24"])),
        chain("local", |matches| matches.source_type = SourceType::SameIpOrLoopback),
        chain("external", |matches| {
            matches.source_type = SourceType::External;
            matches.source_prefix_ranges = nets(&["10.0.0.0/24"]);
        }),
        chain("port", |matches| {
            matches.source_type = SourceType::External;
            matches.source_prefix_ranges = nets(&["10.0.0.0/24"]);
            matches.source_ports = vec![5000];
        }),
    ]);
    let from = |remote: &str, direct: &str| {
        let (remote, direct) = (remote.parse().unwrap(), direct.parse().unwrap());
        matcher.find(&Facts { remote: Some(remote), direct_remote: Some(direct), ..plain() })
    };
    assert_eq!(from("10.0.0.9:1", "192.0.2.1:1"), Some(0));
    assert_eq!(from("127.0.0.1:1", "127.0.0.1:1"), Some(1));
    assert_eq!(from("10.0.0.1:1", "10.0.0.1:1"), Some(1), "the same address as the local one");
    assert_eq!(from("10.0.0.9:1", "10.0.0.9:1"), Some(2));
    assert_eq!(from("10.0.0.9:5000", "10.0.0.9:5000"), Some(3));
    assert_eq!(from("10.1.0.9:1", "10.1.0.9:1"), None);
}

#[test]
fn twins_and_overlaps_are_refused() {
    let refused = |chains: &[Arc<FilterChain>]| Matcher::new(chains, &At::root()).unwrap_err().to_string();
    let twin = || chain("same", |matches| matches.server_names = names(&["a"]));
    assert_eq!(
        refused(&[twin(), twin()]),
        "[1].filter_chain_match: filter chain 'same' has the same matching rules defined as 'same'"
    );
    let more = chain("more", |matches| matches.server_names = names(&["b", "a"]));
    assert!(refused(&[twin(), more]).contains("multiple filter chains with overlapping matching rules"));
}
