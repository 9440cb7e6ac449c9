//! An authorizer that is asked in HTTP, over real pools and codecs.

use std::sync::Arc;

use config::filters::ext_authz::HttpService;
use config::header_mutation::MutationRules;
use config::matcher::StringMatcher;
use config::services::HttpUri;

use super::*;
use crate::call::tests::CLUSTER;
use crate::cluster::testing::run_paused;

/// What an authorizer was asked: method and path, headers, body.
type Question = (String, ::http::HeaderMap, Vec<u8>);

fn starts(prefix: &str) -> StringMatcher {
    StringMatcher::Prefix { value: prefix.into(), ignore_case: false }
}

fn is(name: &str) -> StringMatcher {
    StringMatcher::Exact { value: name.into(), ignore_case: false }
}

fn http_service() -> HttpService {
    HttpService {
        uri: HttpUri {
            cluster: CLUSTER.into(),
            uri: "http://authz.example/".into(),
            host: "authz.example".into(),
            path: "/".into(),
            timeout: Some(Duration::from_secs(5)),
        },
        path_prefix: None,
        path_override: None,
        headers_to_add: Vec::new(),
        upstream_headers: Vec::new(),
        upstream_headers_to_append: Vec::new(),
        client_headers: Vec::new(),
        client_headers_on_success: Vec::new(),
        metadata_from_headers: Vec::new(),
        retry: None,
    }
}

async fn asked_in_http(
    change: impl FnOnce(&mut Config, &mut HttpService),
    answer: impl Fn(&mut Asked) + 'static,
) -> (Filtered, World, Rc<RefCell<Vec<Question>>>) {
    let asked = Rc::new(RefCell::new(Vec::new()));
    let (kept, answer) = (asked.clone(), Rc::new(answer));
    let address = serve(move |mut one: Asked| {
        let (kept, answer) = (kept.clone(), answer.clone());
        Box::pin(async move {
            let body = one.body().await;
            let line = format!("{} {}", one.request.method(), one.request.uri().path_and_query().unwrap());
            kept.borrow_mut().push((line, one.request.headers().clone(), body));
            answer(&mut one);
        })
    })
    .await;
    let world = World::http2(address);
    let (mut config, mut service) = (config(|_| {}), http_service());
    change(&mut config, &mut service);
    config.service = Service::Http(Arc::new(service));
    let mut bench = Filtered::new([("authz", HttpFilterConfig::ExtAuthz(config.into()))]);
    bench.calls = Some(world.calls.clone());
    (bench, world, asked)
}

fn value(question: &Question, name: &str) -> Option<String> {
    let values: Vec<_> = question.1.get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
    (!values.is_empty()).then(|| values.join("|"))
}

#[test]
fn few_headers_are_told_unless_more_are_allowed() {
    run(async {
        let request = || {
            let claims = [("authorization", "me"), ("x-a", "1"), ("x-a", "2"), ("x-no", "3"), ("te", "trailers")];
            with(get("/a?b=1"), &claims)
        };
        let (mut bench, _world, asked) = asked_in_http(
            |_, service| service.path_prefix = Some("/pre".into()),
            |asked| {
                asked.says(200, &[], "fine");
            },
        )
        .await;
        bench.app(Script::answers(200, &[], &[]));
        assert_eq!(bench.send(request()).await.status(), 200);
        let told = asked.borrow()[0].clone();
        assert_eq!((told.0.as_str(), value(&told, "authorization").as_deref()), ("GET /pre/a?b=1", Some("me")));
        assert_eq!((value(&told, "x-a"), value(&told, "te")), (None, None));
        assert_eq!(value(&told, "content-length").as_deref(), Some("0"));
        assert_eq!(
            (value(&told, "x-envoy-internal").as_deref(), value(&told, "x-forwarded-for")),
            (Some("true"), None)
        );

        let allow = |raw| {
            move |config: &mut Config, service: &mut HttpService| {
                config.allowed_headers = Some(vec![starts("x-"), is("te")]);
                config.disallowed_headers = vec![is("x-no"), is("authorization")];
                config.raw_headers = raw;
                service.path_override = Some("/o".into());
            }
        };
        for (raw, joined) in [(false, "1,2"), (true, "1|2")] {
            let (mut bench, _world, asked) = asked_in_http(allow(raw), |asked| asked.says(200, &[], "")).await;
            bench.app(Script::answers(200, &[], &[]));
            assert_eq!(bench.send(request()).await.status(), 200);
            let told = asked.borrow()[0].clone();
            assert_eq!((told.0.as_str(), value(&told, "x-a").as_deref()), ("GET /o", Some(joined)));
            assert_eq!((value(&told, "x-no"), value(&told, "authorization"), value(&told, "te")), (None, None, None));
        }
    });
}

#[test]
fn what_is_granted_changes_the_request_and_the_response_as_far_as_is_allowed() {
    run(async {
        let answer = |asked: &mut Asked| {
            let headers = [
                ("x-user", "eve"),
                ("x-more", "2"),
                ("x-seen", "yes"),
                ("x-other", "no"),
                ("x-dm", "told"),
                ("x-envoy-auth-headers-to-remove", "x-secret, :path,,host"),
            ];
            asked.says(200, &headers, "");
        };
        let change = |_: &mut Config, service: &mut HttpService| {
            service.upstream_headers = vec![is("x-user"), is("x-envoy-auth-headers-to-remove")];
            service.upstream_headers_to_append = vec![is("x-more")];
            service.client_headers_on_success = vec![is("x-seen")];
            service.metadata_from_headers = vec![is("x-dm")];
        };
        let (mut bench, _world, _) = asked_in_http(change, answer).await;
        bench.app(Script::answers(200, &[("x-seen", "app")], &[]));
        let request = with(get("/"), &[("x-user", "mallory"), ("x-more", "1"), ("x-secret", "s")]);
        let outcome = bench.send(request).await;
        assert_eq!(outcome.status(), 200);
        let head = outcome.client.head.as_ref().unwrap();
        let seen: Vec<_> = head.headers.get_all(&crate::wire::headers::Name::new("x-seen")).cloned().collect();
        assert_eq!(seen, ["app", "yes"]);
        let metadata = outcome.info.metadata.get("envoy.filters.http.ext_authz").unwrap().clone();
        assert_eq!(metadata["x-dm"], "told");
        assert!(metadata["ext_authz_duration"].is_u64(), "{metadata}");
        let seen = bench.app_saw();
        let more: Vec<_> = seen.head.headers.get_all(&crate::wire::headers::Name::new("x-more")).cloned().collect();
        assert_eq!((seen.header("x-user").as_deref(), more), (Some("eve"), vec!["1".into(), "2".into()]));
        assert_eq!((seen.header("x-secret"), seen.header("x-other"), &seen.head.path[..]), (None, None, &b"/"[..]));
        assert_eq!(seen.header("x-envoy-auth-headers-to-remove"), None);
    });
}

#[test]
fn a_status_that_is_none_denies_whatever_failures_may_do() {
    run(async {
        for (status, expected) in [(600, 403), (999, 403), (503, 200), (599, 200)] {
            let open = |config: &mut Config, _: &mut HttpService| config.failure_mode_allow = true;
            let (mut bench, _world, _) = asked_in_http(open, move |asked| asked.says(status, &[], "")).await;
            bench.app(Script::answers(200, &[], &[]));
            assert_eq!(bench.send(get("/")).await.status(), expected, "{status}");
        }
    });
}

#[test]
fn a_denial_is_passed_on_with_its_headers_or_those_that_are_allowed() {
    run(async {
        let answer = |asked: &mut Asked| {
            let headers = [("www-authenticate", "Basic"), ("set-cookie", "a"), ("set-cookie", "b"), ("x-c", "1")];
            asked.says(401, &headers, "who are you");
        };
        for (allowed, cookies) in [(Vec::new(), 2), (vec![is("x-c")], 0)] {
            let change = move |_: &mut Config, service: &mut HttpService| service.client_headers = allowed;
            let (bench, _world, _) = asked_in_http(change, answer).await;
            let outcome = bench.send(get("/")).await;
            assert_eq!((outcome.status(), outcome.body().as_str()), (401, "who are you"));
            assert_eq!((outcome.flags().as_str(), outcome.details()), ("UAEX", "ext_authz_denied"));
            assert_eq!(outcome.header("www-authenticate").as_deref(), Some("Basic"));
            assert_eq!(
                (outcome.header("x-c").as_deref(), outcome.header("content-length").as_deref()),
                (Some("1"), Some("11"))
            );
            let head = outcome.client.head.as_ref().unwrap();
            assert_eq!(head.headers.iter().filter(|header| header.name.as_str() == "set-cookie").count(), cookies);
            assert_eq!(bench.stat("cluster.app.ext_authz.denied"), 1);
        }
    });
}

#[test]
fn anything_but_200_is_no_permission_and_5xx_is_no_verdict() {
    run(async {
        for status in [201, 204, 302, 404] {
            let (bench, _world, _) = asked_in_http(|_, _| {}, move |asked| asked.says(status, &[], "")).await;
            let outcome = bench.send(get("/")).await;
            assert_eq!((outcome.status(), outcome.details()), (status, "ext_authz_denied"));
        }
        for status in [500, 503, 599] {
            let failing = move |asked: &mut Asked| asked.says(status, &[("x-h", "1")], "oops");
            let (bench, _world, _) = asked_in_http(|config, _| config.status_on_error = 418, failing).await;
            let outcome = bench.send(get("/")).await;
            assert_eq!((outcome.status(), outcome.body().as_str(), outcome.details()), (418, "", "ext_authz_error"));
            assert_eq!((outcome.header("x-h"), bench.stat("http.test.ext_authz.error")), (None, 1));

            let open = |config: &mut Config, _: &mut HttpService| config.failure_mode_allow = true;
            let (mut bench, _world, _) = asked_in_http(open, failing).await;
            bench.app(Script::answers(200, &[], &[]));
            assert_eq!(bench.send(get("/")).await.status(), 200);
        }
    });
}

#[test]
fn one_that_is_slow_costs_its_own_request_alone() {
    run_paused(async {
        let address = serve(|mut one: Asked| {
            Box::pin(async move {
                match one.request.uri().path() {
                    "/slow" => std::future::pending().await,
                    _ => one.says(200, &[], ""),
                }
            })
        })
        .await;
        let world = World::http2(address);
        let mut config = config(|_| {});
        config.service = Service::Http(Arc::new(http_service()));
        let mut bench = Filtered::new([("authz", HttpFilterConfig::ExtAuthz(config.into()))]);
        bench.calls = Some(world.calls.clone());
        bench.app(Script::answers(200, &[], &[]));
        let (slow, quick) = tokio::join!(bench.send(get("/slow")), async {
            let begun = tokio::time::Instant::now();
            let outcome = bench.send(get("/quick")).await;
            (outcome, begun.elapsed())
        });
        assert_eq!((slow.status(), slow.details()), (403, "ext_authz_error"));
        assert_eq!(quick.0.status(), 200);
        assert!(quick.1 < Duration::from_secs(5), "{:?}", quick.1);
    });
}

#[test]
fn the_body_is_told_as_it_is() {
    run(async {
        let body = Some(BodySettings { most: 4, partial: true, as_bytes: false });
        let (mut bench, _world, asked) =
            asked_in_http(move |config, _| config.body = body, |asked| asked.says(200, &[], "")).await;
        bench.app(Script { after_request: true, ..Script::answers(200, &[], &[]) });
        assert_eq!(bench.send_pieces(post("/"), &["ab", "cdef"]).await.status(), 200);
        assert_eq!(bench.app_saw().body, b"abcdef");
        let told = asked.borrow()[0].clone();
        assert_eq!((told.0.as_str(), &told.2[..]), ("POST /", &b"abcd"[..]));
        assert_eq!(value(&told, "content-length").as_deref(), Some("4"));
        assert_eq!(value(&told, "x-envoy-auth-partial-body").as_deref(), Some("true"));
    });
}

#[test]
fn more_headers_than_a_request_may_have_are_not_valid() {
    run(async {
        let change = |_: &mut Config, service: &mut HttpService| service.upstream_headers = vec![starts("x-")];
        let answer = |asked: &mut Asked| asked.says(200, &[("x-0", "0"), ("x-1", "1"), ("x-2", "2")], "");
        let (mut bench, _world, _) = asked_in_http(change, answer).await;
        // The four that every request has, and no more than two others.
        bench.config.max_headers_count = 6;
        let outcome = bench.send(get("/")).await;
        assert_eq!((outcome.status(), outcome.details(), outcome.flags().as_str()), (500, "ext_authz_invalid", "UAEX"));
        for name in ["ext_authz.invalid", "ext_authz.request_header_limits_reached"] {
            assert_eq!(bench.stat(&format!("http.test.{name}")), 1, "{name}");
        }
    });
}

#[test]
fn rules_hold_for_what_is_set_added_and_removed() {
    run(async {
        let rules = |is_error| MutationRules {
            allow_all_routing: false,
            allow_envoy: false,
            disallow_system: false,
            disallow_all: false,
            allow: None,
            disallow: Some(regex::bytes::Regex::new("^x-no$").unwrap()),
            disallow_is_error: is_error,
        };
        for (headers, is_error, status) in [
            ([("x-no", "1")], false, 200),
            ([("x-no", "1")], true, 500),
            ([("x-envoy-auth-headers-to-remove", "x-no")], false, 200),
            ([("x-envoy-auth-headers-to-remove", "x-no")], true, 500),
            ([("x-yes", "1")], true, 200),
        ] {
            let change = |config: &mut Config, service: &mut HttpService| {
                config.mutation_rules = Some(rules(is_error));
                service.upstream_headers = vec![starts("x-")];
            };
            let (mut bench, _world, _) = asked_in_http(change, move |asked| asked.says(200, &headers, "")).await;
            bench.app(Script::answers(200, &[], &[]));
            let outcome = bench.send(with(get("/"), &[("x-no", "client")])).await;
            assert_eq!(outcome.status(), status, "{headers:?} {is_error}");
            if status == 200 {
                assert_eq!(bench.app_saw().header("x-no").as_deref(), Some("client"), "{headers:?}");
            }
        }
    });
}

#[test]
fn a_route_may_ask_another_kind_of_service() {
    run(async {
        let answer = |asked: &mut Asked| asked.says(403, &[("x-by", "http")], "not here");
        let (_, world, asked) = asked_in_http(|_, _| {}, answer).await;
        let bench = Filtered::new([("authz", HttpFilterConfig::ExtAuthz(config(|_| {}).into()))]);
        let scope = ExtAuthzPerRoute {
            disabled: false,
            context_extensions: Vec::new(),
            without_body: false,
            body: None,
            service: Some(Service::Http(Arc::new(http_service()))),
            emits_span: None,
        };
        let mut bench = bench.tell(Level::Route, "authz", ScopedConfig::ExtAuthz(scope.into()));
        bench.calls = Some(world.calls.clone());
        let outcome = bench.send(with(get("/"), &[("x-a", "1")])).await;
        assert_eq!((outcome.status(), outcome.header("x-by").as_deref()), (403, Some("http")));
        // What is told is the filter's matter: a gRPC service hears of all headers.
        assert_eq!(value(&asked.borrow()[0], "x-a").as_deref(), Some("1"));
    });
}

#[test]
fn a_request_without_a_route_is_not_asked_about() {
    run(async {
        let (bench, _world, asked) = asked_in_http(|_, _| {}, |asked| asked.says(200, &[], "")).await;
        let mut bench = bench;
        bench.host(|host| host.routes.clear());
        let outcome = bench.send(get("/")).await;
        assert_eq!((outcome.status(), outcome.flags().as_str()), (404, "NR"));
        assert!(asked.borrow().is_empty());
    });
}
