//! Tests of `explain`.

use super::*;
use crate::cli::commands::{Command, read};
use crate::commands::testing::dump;

/// Whether it arrives, and what is said.
fn explained(line: &str) -> (bool, String) {
    explained_in(line, &dump())
}

fn explained_in(line: &str, dump: &Dump) -> (bool, String) {
    let arguments: Vec<_> = ["outrigger", "explain"].into_iter().chain(line.split(' ')).map(Into::into).collect();
    let Some(Ok(Command::Explain(asked))) = read(&arguments) else { unreachable!("it is a good line") };
    let (host, port, _) = target(&asked.target).unwrap();
    let target = Target { host, port, addresses: asked.address.into_iter().collect(), authority: authority(&asked) };
    let mut steps = Steps::default();
    (walk(&target, &asked, dump, &mut steps), steps.text(false))
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let at = rest.find(part);
        assert!(at.is_some(), "no {part:?} at its place in:\n{text}");
        rest = &rest[at.unwrap_or(0) + part.len()..];
    }
}

#[test]
fn a_request_is_followed_to_its_endpoint_and_the_peers_name() {
    let (arrives, text) = explained("details:9080 --address 127.0.0.2");
    says(
        &text,
        &[
            "details is 127.0.0.2",
            "127.0.0.2_9080 on 127.0.0.2:9080 (outbound)",
            "routes 9080",
            "may refuse before: authz",
            "table '9080', virtual host 'details.bookinfo.svc.cluster.local:9080' by its domain details",
            "passed over: route jason: it wants the header end-user to be jason",
            "route 'default' /* -> outbound|9080||details",
            "! endpoint  10.0.0.9:9080 gets nothing: is ejected",
            "10.0.0.8:9080 healthy",
            "we show the certificate 'default'",
            "the peer must be spiffe://cluster.local/ns/bookinfo/sa/details",
            "server name (SNI) outbound_.9080_._.details",
        ],
    );
    assert!(arrives, "{text}");
}

#[test]
fn a_chain_and_an_application_must_speak_alike() {
    let mut dump = dump();
    let (arrives, text) = explained_in("details:9080 --address 127.0.0.2 --tls", &dump);
    says(&text, &["routes 9080", "it reads plain text, and the application speaks TLS"]);
    assert!(!arrives, "{text}");
    // A TCP proxy passes on what comes.
    assert!(explained_in("db.bookinfo.svc.cluster.local:3306 --address 127.0.0.2 --tls", &dump).0);
    let context = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
    let socket = serde_json::json!({ "typed_config": {
        "@type": context, "require_client_certificate": true,
        "common_tls_context": { "tls_certificate_sds_secret_configs": [{ "name": "default" }],
            "validation_context_sds_secret_config": { "name": "lost" } },
    } });
    dump.configs[0]["dynamic_listeners"][0]["active_state"]["listener"]["filter_chains"][0]["transport_socket"] =
        socket;
    let (arrives, text) = explained_in("details:9080 --address 127.0.0.2", &dump);
    says(&text, &["it wants TLS, and the application speaks plain text"]);
    assert!(!arrives, "{text}");
    let (arrives, text) = explained_in("details:9080 --address 127.0.0.2 --tls", &dump);
    says(&text, &["the application must show a certificate", "the roots 'lost' have not come"]);
    assert!(!arrives, "{text}");
    let secrets = dump.configs.last_mut().unwrap();
    secrets["dynamic_warming_secrets"] =
        serde_json::json!([{ "name": "lost", "secret": { "name": "lost" }, "error_state": { "details": "no PEM" } }]);
    let (arrives, text) = explained_in("details:9080 --address 127.0.0.2 --tls", &dump);
    says(&text, &["the roots 'lost' are refused: no PEM"]);
    assert!(!arrives, "{text}");
    dump.configs.last_mut().unwrap()["dynamic_active_secrets"][1]["name"] = "lost".into();
    assert!(
        explained_in("details:9080 --address 127.0.0.2 --tls", &dump)
            .1
            .contains("details.bookinfo.svc.cluster.local:9080")
    );
}

#[test]
fn what_is_in_the_way_is_said() {
    for (line, parts) in [
        ("details:9080 --address 127.0.0.2 -H end-user:jason", &["answers 418", "the proxy answers 418 itself"][..]),
        ("ratings:9080 --address 127.0.0.2", &["has no endpoint: no workload of the service is ready", "503 (UH)"]),
        ("gone:9080 --address 127.0.0.2", &["is not there", "503 (NC)"]),
        ("other:9080 --address 127.0.0.2", &["by its domain *", "PassthroughCluster", "no iptables"]),
        (
            "details:7000 --address 127.0.0.2",
            &[
                "127.0.0.2_7000 is refused: address 127.0.0.2:7000 is taken",
                "no outbound listener on port 7000 serves details",
            ],
        ),
        ("nowhere --address 127.0.0.2", &["no outbound listener serves nowhere"]),
    ] {
        let (arrives, text) = explained(line);
        says(&text, parts);
        assert!(!arrives, "{line}: {text}");
    }
}

#[test]
fn names_that_do_not_lead_to_the_proxy_are_told() {
    let (arrives, text) = explained("details:9080 --address 192.0.2.1");
    says(&text, &["x name", "details is 192.0.2.1", "the proxy listens on 127.0.0.2:9080", "outrigger hosts"]);
    assert!(!arrives, "{text}");
    let (arrives, text) = explained("details:9080");
    says(&text, &["does not resolve", "listener"]);
    assert!(!arrives, "{text}");
}

#[test]
fn endpoints_that_were_never_reached_are_in_the_way() {
    let mut dump = dump();
    let stat = |name: &str, value: &str| json!({ "name": name, "value": value });
    let failed = |failed: &str| json!([stat("cx_connect_fail", failed), stat("cx_total", "3")]);
    let line = "details:9080 --address 127.0.0.2";
    for (failures, arrives) in [("3", false), ("2", true)] {
        dump.clusters["cluster_statuses"][0]["host_statuses"][0]["stats"] = failed(failures);
        let (found, text) = explained_in(line, &dump);
        says(&text, &[&format!("({failures} of 3 connects failed)")]);
        assert_eq!((found, text.contains("has ever succeeded")), (arrives, !arrives), "{text}");
    }
}

#[test]
fn listeners_that_an_operator_stopped_are_named() {
    let mut dump = dump();
    dump.listeners["listener_statuses"][0]["stopped"] = true.into();
    let (arrives, text) = explained_in("details:9080 --address 127.0.0.2", &dump);
    says(&text, &["127.0.0.2_9080", "accepts no more: an operator asked for drain_listeners"]);
    assert!(!arrives, "{text}");
}

#[test]
fn redirects_say_where_they_lead() {
    for (redirect, target) in [
        (json!({ "https_redirect": true }), "redirect to https://<host><path>"),
        (
            json!({ "https_redirect": true, "port_redirect": 8443, "host_redirect": "a.b" }),
            "redirect to https://a.b:8443<path>",
        ),
        (json!({ "scheme_redirect": "ftp", "path_redirect": "/x" }), "redirect to ftp://<host>/x"),
        (json!({ "prefix_rewrite": "/y" }), "redirect to <scheme>://<host>/y<rest of the path>"),
    ] {
        assert_eq!(route::leads_to(&json!({ "redirect": redirect })), target);
    }
}

#[test]
fn tcp_and_inbound_ways_are_walked_too() {
    let (arrives, text) = explained("db.bookinfo.svc.cluster.local:3306 --address 127.0.0.2");
    says(&text, &["127.0.0.2_3306", "TCP to outbound|3306||db", "10.0.0.7:9080 healthy", "plain text"]);
    assert!(arrives, "{text}");
    let (arrives, text) = explained("10.0.0.1:8443 --address 10.0.0.1");
    says(&text, &["10.0.0.1_8443", "(inbound)", "inbound|8443||", "127.0.0.1:9080 healthy"]);
    assert!(arrives, "{text}");
    let (arrives, text) = explained("db.bookinfo.svc.cluster.local --address 127.0.0.2");
    says(&text, &["127.0.0.2_3306"]);
    assert!(arrives, "without a port, what serves it: {text}");
}

#[test]
fn a_missing_certificate_is_in_the_way() {
    let mut dump = dump();
    dump.configs.retain(|config| !config["@type"].as_str().unwrap().ends_with("SecretsConfigDump"));
    let (arrives, text) = explained_in("details:9080 --address 127.0.0.2", &dump);
    says(&text, &["our certificate 'default' has not come", "the roots 'ROOTCA' have not come"]);
    assert!(!arrives, "{text}");
    let (arrives, text) = explained_in("details:9080 --address 127.0.0.2", &Dump::default());
    assert!(!arrives && text.contains("no outbound listener"), "{text}");
}

/// The connection manager of the listener on 9080, and the last route of details.
fn parts(dump: &mut Dump) -> (&mut serde_json::Value, &mut serde_json::Value) {
    let [listeners, .., routes, _secrets] = &mut dump.configs[..] else { unreachable!("there are that many sections") };
    let manager = &mut listeners["dynamic_listeners"][0]["active_state"]["listener"]["filter_chains"][0]["filters"][0];
    let table = &mut routes["dynamic_route_configs"][0]["route_config"];
    (&mut manager["typed_config"], &mut table["virtual_hosts"][0]["routes"][1])
}

#[test]
fn upgrades_need_permission_and_may_have_their_own_filters() {
    let line = "details:9080 --address 127.0.0.2 -H upgrade:WebSocket -H connection:keep-alive,Upgrade";
    let refused = |dump: &Dump, why: &str| {
        let (arrives, text) = explained_in(line, dump);
        says(&text, &["x upgrade   WebSocket is not allowed", why, "403"]);
        assert!(!arrives, "{text}");
    };
    let mut dump = dump();
    refused(&dump, "no upgrade_configs");
    let jwt = json!({ "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication" });
    let own = json!([{ "name": "tokens", "typed_config": jwt }]);
    parts(&mut dump).0["upgrade_configs"] = json!([{ "upgrade_type": "websocket", "filters": own }]);
    let (arrives, text) = explained_in(line, &dump);
    says(&text, &["these filters of WebSocket may refuse before: tokens", "WebSocket is allowed", "10.0.0.8:9080"]);
    assert!(arrives && !text.contains("authz"), "{text}");
    parts(&mut dump).1["route"]["upgrade_configs"] = json!([{ "upgrade_type": "websocket", "enabled": false }]);
    refused(&dump, "its route says enabled: false");
    let (arrives, text) = explained_in("details:9080 --address 127.0.0.2 -H upgrade:websocket", &dump);
    says(&text, &["asks for nothing without 'connection: upgrade'", "authz"]);
    assert!(arrives, "{text}");
    parts(&mut dump).0["upgrade_configs"][0]["enabled"] = false.into();
    parts(&mut dump).1["route"]["upgrade_configs"] = json!([]);
    refused(&dump, "the connection manager says enabled: false");
}

#[test]
fn tunnels_go_by_routes_of_their_own() {
    let mut dump = dump();
    let line = "details:9080 --address 127.0.0.2 --method CONNECT";
    let (arrives, text) = explained_in(line, &dump);
    says(&text, &["CONNECT has none", "404"]);
    assert!(!arrives, "{text}");
    let route = parts(&mut dump).1;
    route["match"] = json!({ "connect_matcher": {} });
    route["route"]["upgrade_configs"] = json!([{ "upgrade_type": "CONNECT", "connect_config": {} }]);
    let (arrives, text) = explained_in(line, &dump);
    says(&text, &["CONNECT is allowed; the tunnel ends here", "10.0.0.8:9080"]);
    assert!(arrives, "{text}");
}

#[test]
fn a_host_of_the_request_counts_before_that_of_the_connection() {
    let (arrives, text) = explained("other:9080 --address 127.0.0.2 -H Host:details");
    says(&text, &["other is 127.0.0.2", "by its domain details", "10.0.0.8:9080"]);
    assert!(arrives, "{text}");
    let (arrives, text) = explained("other:9080 --address 127.0.0.2 -H :authority:details:9080");
    says(&text, &["by its domain details", "10.0.0.8:9080"]);
    assert!(arrives, "{text}");
    let (_, text) = explained("details:9080 --address 127.0.0.2 -H host:elsewhere.example:80");
    says(&text, &["virtual host 'allow_any' by its domain *"]);
}

#[test]
fn targets_are_read_as_people_write_them() {
    for (text, host, port, path) in [
        ("Details:9080", "details", Some(9080), None),
        ("details", "details", None, None),
        ("http://details:9080/a?b", "details", Some(9080), Some("/a?b")),
        ("https://api.example.com/", "api.example.com", Some(443), Some("/")),
        ("[::1]:80", "::1", Some(80), None),
        ("10.0.0.1", "10.0.0.1", None, None),
    ] {
        assert_eq!(target(text), Ok((host.to_owned(), port, path.map(str::to_owned))), "{text}");
    }
    assert!(target("details:99999").unwrap_err().contains("is no port"));
    assert!(target(":80").unwrap_err().contains("names no host"));
}

#[test]
fn domains_are_ranked_as_by_envoy() {
    let hosts = |domains: &[&str]| json!({ "virtual_hosts": domains.iter().map(|domain| json!({ "domains": [domain] })).collect::<Vec<_>>() });
    let table = hosts(&["*", "a.*", "a.b.*", "*.b.c", "*.c", "a.b.c"]);
    for (host, domain) in
        [("a.b.c", "a.b.c"), ("x.b.c", "*.b.c"), ("x.c", "*.c"), ("a.b.x", "a.b.*"), ("a.x", "a.*"), ("x", "*")]
    {
        assert_eq!(route::virtual_host(&table, host).unwrap().1, domain, "{host}");
    }
    assert!(
        route::virtual_host(&hosts(&["a"]), "a:80").is_none(),
        "the port counts, unless the table says that it does not"
    );
}

#[test]
fn chains_are_chosen_without_a_way_back() {
    let listener = json!({ "filter_chains": [
        { "name": "all" },
        { "name": "plain", "filter_chain_match": { "transport_protocol": "raw_buffer" } },
        { "name": "sni", "filter_chain_match": { "server_names": ["*.example.com"], "transport_protocol": "tls" } },
        { "name": "port", "filter_chain_match": { "destination_port": 81, "application_protocols": ["istio"] } },
    ] });
    let connection = chain::Connection { port: 80, transport: "raw_buffer", protocols: &["http/1.1"], server_name: "" };
    let chosen =
        |connection: chain::Connection<'_>| chain::choose(&listener, &connection).map(|chain| chain["name"].clone());
    assert_eq!(chosen(connection.clone()), Some("plain".into()));
    assert_eq!(
        chosen(chain::Connection { transport: "tls", server_name: "a.example.com", ..connection.clone() }),
        Some("sni".into())
    );
    assert_eq!(chosen(chain::Connection { transport: "tls", ..connection.clone() }), Some("all".into()));
    assert_eq!(
        chosen(chain::Connection { port: 81, ..connection }),
        None,
        "the port leads to a chain that wants another protocol"
    );
}
