//! Tests of `proxied`, over the whole exchange.

use bytes::Bytes;

use crate::http::testing::{Bench, fake, get, to_app};
use crate::wire::message::{Method, RequestHead};

fn connect(authority: &'static str) -> RequestHead {
    RequestHead { method: Method::Connect, path: Bytes::new(), authority: authority.into(), ..get("/") }
}

fn bench(table: &str, domains: &[&str], cluster: &str) -> Bench {
    let mut bench = Bench::new(to_app(|forward| {
        forward.cluster = config::route::ClusterChoice::Single(cluster.into());
    }));
    bench.table.name = table.into();
    bench.host(|host| host.domains = domains.iter().map(|domain| (*domain).into()).collect());
    bench
}

#[tokio::test(start_paused = true)]
async fn only_hosts_of_the_table_are_reached() {
    for (table, domains, authority) in [
        ("http_proxy", &["svc", "svc:8080"][..], "other:8080"),
        ("http_proxy", &["*"], "svc:8080"),
        ("8080", &["svc", "svc:8080"], "svc:8080"),
        // A port that no cluster has.
        ("http_proxy", &["svc"], "svc:9999"),
    ] {
        let outcome = bench(table, domains, "outbound|80||svc").send(connect(authority)).await;
        assert_eq!((outcome.status(), outcome.flags().as_str()), (404, "NR"), "{table} {domains:?} {authority}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_cluster_is_that_of_the_port() {
    for (domains, authority, expected) in [
        (&["svc:8080"][..], "SVC:8080", "outbound|80||svc"),
        (&["svc"], "svc:80", "outbound|80||svc"),
        (&["svc"], "svc:443", "outbound|443||svc"),
        (&["*.svc"], "a.svc:443", "outbound|443||svc"),
    ] {
        let mut bench = bench("http_proxy", domains, "outbound|80||svc");
        for name in ["outbound|80||svc", "outbound|443||svc"] {
            bench.cluster(name).scripts.borrow_mut().push_back(fake::Script::refuses(
                crate::cluster::ConnectFailure::new(crate::cluster::ConnectFailureKind::Remote),
            ));
        }
        let outcome = bench.send(connect(authority)).await;
        assert_eq!(outcome.info.upstream_cluster.as_deref(), Some(expected), "{domains:?} {authority}");
        assert_eq!(outcome.status(), 503);
    }
}

/// What a route asks of requests it asks of tunnels, too: a route for a few is not for all who ask for a tunnel.
#[tokio::test(start_paused = true)]
async fn the_route_is_that_of_a_request_for_the_host() {
    use std::sync::Arc;

    use config::matcher::{HeaderMatcher, HeaderRule};
    use config::route::{Action, ClusterChoice, PathMatch};

    for (headers, expected) in [(vec![], "outbound|80||svc"), (vec![("x-canary", "1")], "outbound|80|v2|svc")] {
        let mut bench = bench("http_proxy", &["svc"], "outbound|80||svc");
        bench.host(|host| {
            let mut canary = (*host.routes[0]).clone();
            let rule = HeaderRule::Present(true);
            canary.matches.headers =
                vec![HeaderMatcher { name: "x-canary".into(), rule, invert: false, missing_is_empty: false }];
            let Action::Forward(forward) = &mut canary.action else { unreachable!() };
            Arc::make_mut(forward).cluster = ClusterChoice::Single("outbound|80|v2|svc".into());
            let mut elsewhere = canary.clone();
            elsewhere.matches.headers.clear();
            elsewhere.matches.path = PathMatch::Exact("/only/here".into());
            host.routes.splice(..0, [Arc::new(canary), Arc::new(elsewhere)]);
        });
        let refuses = crate::cluster::ConnectFailure::new(crate::cluster::ConnectFailureKind::Remote);
        bench.cluster(expected).scripts.borrow_mut().push_back(fake::Script::refuses(refuses));
        let mut request = connect("svc:80");
        for (name, value) in headers {
            request.headers.append(crate::wire::headers::Name::new(name), value);
        }
        let outcome = bench.send(request).await;
        assert_eq!((outcome.info.upstream_cluster.as_deref(), outcome.status()), (Some(expected), 503));
    }
}

/// A filter may have the route chosen again: then the tunnel counts no more.
#[tokio::test(start_paused = true)]
async fn another_route_is_no_tunnel_to_the_host_that_was_asked_for() {
    use std::sync::Arc;

    use config::filters::HttpFilterConfig;
    use config::filters::header_mutation::{HeaderMutation, Mutations};
    use config::filters::set_filter_state::SetFilterState;
    use config::hcm::HttpFilter;
    use config::matcher::{HeaderMatcher, HeaderRule};
    use config::route::{Action, AppendAction, ClusterChoice, PathMatch};

    let mut bench = bench("http_proxy", &["svc"], "outbound|80||svc");
    bench.host(|host| {
        let mut other = (*host.routes[0]).clone();
        other.matches.path = PathMatch::Connect;
        let rule = HeaderRule::Present(true);
        other.matches.headers =
            vec![HeaderMatcher { name: "x-again".into(), rule, invert: false, missing_is_empty: false }];
        let Action::Forward(forward) = &mut other.action else { unreachable!() };
        Arc::make_mut(forward).cluster = ClusterChoice::Single("other".into());
        host.routes.insert(0, Arc::new(other));
    });
    let added = crate::http::testing::add("x-again", "1", AppendAction::AppendOrAdd);
    let request = vec![config::header_mutation::HeaderMutation::Append(added)];
    let mutation = HeaderMutation { mutations: Mutations { request, ..Default::default() }, most_specific_wins: false };
    let state = SetFilterState { on_request_headers: Vec::new(), clear_route_cache: true };
    let filter = |name: &str, config| HttpFilter { name: name.into(), disabled: false, config };
    bench.config.filters = vec![
        filter("mutation", HttpFilterConfig::HeaderMutation(Arc::new(mutation))),
        filter("state", HttpFilterConfig::SetFilterState(Arc::new(state))),
    ];
    bench.cluster("outbound|443||svc");
    let refuses = crate::cluster::ConnectFailure::new(crate::cluster::ConnectFailureKind::Remote);
    bench.cluster("other").scripts.borrow_mut().push_back(fake::Script::refuses(refuses));
    let outcome = bench.send(connect("svc:443")).await;
    assert_eq!((outcome.info.upstream_cluster.as_deref(), outcome.status()), (Some("other"), 503));
    assert!(bench.cluster("outbound|443||svc").seen().is_empty());
    assert_eq!(outcome.info.route_resolutions, 2);
}

/// A tree in place of routes is asked as for that request, too.
#[tokio::test(start_paused = true)]
async fn a_tree_says_which_routes_there_are() {
    use std::sync::Arc;

    use config::match_tree::{Input, Matcher, OnMatch, Rules};
    use config::route::{Action, ClusterChoice};

    for (team, path, expected) in [("red", "/", Some("outbound|80||svc")), ("red", "/a", None), ("blue", "/", None)] {
        let mut bench = bench("http_proxy", &["svc"], "none");
        bench.host(|host| {
            let mut route = (*host.routes.remove(0)).clone();
            let Action::Forward(forward) = &mut route.action else { unreachable!() };
            Arc::make_mut(forward).cluster = ClusterChoice::Single("outbound|80||svc".into());
            let by = |header: &str, value: &str, next| Matcher {
                rules: Rules::Exact(Input::RequestHeader(header.into()), [(value.into(), next)].into()),
                no_match: None,
            };
            let routes = OnMatch::Action(vec![Arc::new(route)]);
            let tree = by("x-team", "red", OnMatch::Matcher(Box::new(by(":path", path, routes))));
            host.matcher = Some(Arc::new(tree));
        });
        let refuses = crate::cluster::ConnectFailure::new(crate::cluster::ConnectFailureKind::Remote);
        bench.cluster("outbound|80||svc").scripts.borrow_mut().push_back(fake::Script::refuses(refuses));
        let mut request = connect("svc:80");
        request.headers.append(crate::wire::headers::Name::new("x-team"), team);
        let outcome = bench.send(request).await;
        assert_eq!(outcome.info.upstream_cluster.as_deref(), expected, "{team} {path}");
        assert_eq!(outcome.status(), if expected.is_some() { 503 } else { 404 });
    }
}
