//! Tests of `ext_proc`, against a processor on loopback over real pools and codecs.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use config::filters::ext_proc::{BodyMode, ExtProc as Config, ExtProcPerRoute, HeaderMode, ProcessingMode, RouteCache};
use config::filters::{HttpFilterConfig, ScopedConfig};
use config::header_mutation::MutationRules;
use envoy_types::pb::envoy::config::core::v3::{HeaderMap, HeaderValue, HeaderValueOption};
use envoy_types::pb::envoy::service::ext_proc::v3 as pb;
use envoy_types::pb::google::protobuf::BoolValue;
use pb::processing_request::Request as Asks;
use pb::processing_response::Response as Says;
use prost::Message as _;

use crate::call::tests::{Asked, OK, World, fields, framed, serve, service};
use crate::cluster::testing::run;
use crate::http::filters::bench::{Filtered, Level};
use crate::http::testing::fake::Script;
use crate::http::testing::{forward, get, post, route, with};

mod bad;
mod bodies;

/// What the processor does when a message has come.
enum Does {
    Says(Vec<pb::ProcessingResponse>),
    /// These octets, and no message of them.
    Sends(&'static [u8]),
    /// The stream ends so.
    Ends(&'static [(&'static str, &'static str)]),
}

fn config(change: impl FnOnce(&mut Config)) -> Config {
    let rules = MutationRules {
        allow_all_routing: false,
        allow_envoy: false,
        disallow_system: false,
        disallow_all: false,
        allow: None,
        disallow: None,
        disallow_is_error: false,
    };
    let mut config = Config {
        service: service().into(),
        failure_mode_allow: false,
        mode: ProcessingMode::default(),
        message_timeout: Duration::from_secs(20),
        max_message_timeout: Duration::ZERO,
        stat_prefix: None,
        rules,
        request_attributes: Vec::new(),
        response_attributes: Vec::new(),
        allowed_headers: Vec::new(),
        disallowed_headers: Vec::new(),
        allow_mode_override: false,
        allowed_override_modes: Vec::new(),
        disable_immediate_response: false,
        route_cache: RouteCache::Default,
        metadata: Default::default(),
        status_on_error: 500,
    };
    change(&mut config);
    config
}

type Told = Rc<RefCell<Vec<pb::ProcessingRequest>>>;

/// A chain with the filter, and a processor that does this; what it was told is kept.
async fn processor(config: Config, does: impl Fn(&Asks) -> Does + 'static) -> (Filtered, World, Told) {
    let told = Told::default();
    let (kept, does) = (told.clone(), Rc::new(does));
    let address = serve(move |asked: Asked| {
        let (kept, does) = (kept.clone(), does.clone());
        Box::pin(talk(asked, kept, does))
    })
    .await;
    let world = World::http2(address);
    let mut bench = Filtered::new([("proc", HttpFilterConfig::ExtProc(config.into()))]);
    bench.calls = Some(world.calls.clone());
    (bench, world, told)
}

async fn talk(mut asked: Asked, told: Told, does: Rc<dyn Fn(&Asks) -> Does>) {
    let mut stream = asked.begin();
    let mut come = BytesMut::new();
    while let Some(Ok(data)) = asked.request.body_mut().data().await {
        let _ = asked.request.body_mut().flow_control().release_capacity(data.len());
        come.extend_from_slice(&data);
        while let Some(message) = message_of(&mut come) {
            let message = pb::ProcessingRequest::decode(message).unwrap();
            let done = does(message.request.as_ref().unwrap());
            told.borrow_mut().push(message);
            match done {
                Does::Says(said) => {
                    for one in said {
                        stream.send_data(framed(&one.encode_to_vec()), false).unwrap();
                    }
                }
                Does::Sends(octets) => stream.send_data(Bytes::from_static(octets), false).unwrap(),
                Does::Ends(trailers) => return stream.send_trailers(fields(trailers)).unwrap(),
            }
        }
    }
    let _ = stream.send_trailers(fields(OK));
}

fn message_of(come: &mut BytesMut) -> Option<Bytes> {
    let length = u32::from_be_bytes(come.get(1..5)?.try_into().ok()?) as usize;
    if come.len() < 5 + length {
        return None;
    }
    come.advance(5);
    Some(come.split_to(length).freeze())
}

fn says(response: Says) -> pb::ProcessingResponse {
    pb::ProcessingResponse { response: Some(response), ..Default::default() }
}

/// What says nothing in particular to a message.
fn yes(asks: &Asks) -> Says {
    match asks {
        Asks::RequestHeaders(_) => Says::RequestHeaders(Default::default()),
        Asks::ResponseHeaders(_) => Says::ResponseHeaders(Default::default()),
        Asks::RequestBody(_) => Says::RequestBody(Default::default()),
        Asks::ResponseBody(_) => Says::ResponseBody(Default::default()),
        Asks::RequestTrailers(_) => Says::RequestTrailers(Default::default()),
        Asks::ResponseTrailers(_) => Says::ResponseTrailers(Default::default()),
    }
}

fn agrees(asks: &Asks) -> Does {
    Does::Says(vec![says(yes(asks))])
}

fn headers(common: pb::CommonResponse) -> pb::HeadersResponse {
    pb::HeadersResponse { response: Some(common) }
}

fn set(name: &str, value: &str) -> HeaderValueOption {
    let header = HeaderValue { key: name.into(), raw_value: value.into(), ..Default::default() };
    HeaderValueOption { header: Some(header), ..Default::default() }
}

fn changes(set: Vec<HeaderValueOption>, remove: &[&str]) -> pb::CommonResponse {
    let remove_headers = remove.iter().map(|name| (*name).to_owned()).collect();
    pb::CommonResponse {
        header_mutation: Some(pb::HeaderMutation { set_headers: set, remove_headers }),
        ..Default::default()
    }
}

fn value<'h>(headers: &'h Option<HeaderMap>, name: &str) -> Option<&'h [u8]> {
    headers.as_ref()?.headers.iter().find(|header| header.key == name).map(|header| &header.raw_value[..])
}

#[test]
fn heads_are_told_and_changed_both_ways() {
    run(async {
        let (mut bench, _world, told) = processor(config(|_| {}), |asks| {
            Does::Says(vec![says(match asks {
                Asks::RequestHeaders(_) => {
                    #[allow(deprecated)] // As processors still have it.
                    let append = HeaderValueOption { append: Some(BoolValue { value: true }), ..set("x-there", "2") };
                    let sets = vec![set("X-User", "eve"), set("x-envoy-no", "1"), append, set(":path", "/b")];
                    Says::RequestHeaders(headers(changes(sets, &["authorization", "host", ":path"])))
                }
                Asks::ResponseHeaders(_) => Says::ResponseHeaders(headers(changes(
                    vec![set(":status", "418"), set("x-seen", "yes")],
                    &["x-app"],
                ))),
                other => yes(other),
            })])
        })
        .await;
        bench.app(Script::answers(200, &[("x-app", "1")], &["fine"]));
        let outcome = bench.send(with(get("/a"), &[("authorization", "secret"), ("x-there", "1")])).await;
        assert_eq!((outcome.status(), outcome.body().as_str()), (418, "fine"));
        assert_eq!((outcome.header("x-seen").as_deref(), outcome.header("x-app")), (Some("yes"), None));
        let seen = bench.app_saw();
        assert_eq!((seen.header("x-user").as_deref(), seen.header("authorization")), (Some("eve"), None));
        assert_eq!((&seen.head.path[..], seen.header("x-envoy-no")), (&b"/b"[..], None));
        assert_eq!(seen.head.headers.iter().filter(|header| header.name.as_str() == "x-there").count(), 2);
        let told = told.borrow();
        let (Some(Asks::RequestHeaders(request)), Some(Asks::ResponseHeaders(response))) =
            (&told[0].request, &told[1].request)
        else {
            panic!("{told:?}")
        };
        assert!(request.end_of_stream && !response.end_of_stream);
        assert_eq!(value(&request.headers, ":path"), Some(&b"/a"[..]));
        assert_eq!(value(&request.headers, "authorization"), Some(&b"secret"[..]));
        assert_eq!(value(&response.headers, ":status"), Some(&b"200"[..]));
        assert!(told[0].protocol_config.is_some() && told[1].protocol_config.is_none());
        let stat = |name: &str| bench.stat(&format!("http.test.ext_proc.{name}"));
        assert_eq!((stat("streams_started"), stat("streams_closed"), stat("streams_failed")), (1, 1, 0));
        assert_eq!((stat("stream_msgs_sent"), stat("stream_msgs_received")), (2, 2));
        // A header of ours, and two that a request always has.
        assert_eq!(stat("rejected_header_mutations"), 3);
    });
}

#[test]
fn it_may_answer_in_the_applications_place() {
    run(async {
        let (bench, _world, _) = processor(config(|config| config.rules.allow_envoy = true), |_| {
            let mutation = changes(vec![set("x-why", "tea"), set("content-length", "1"), set("x-envoy-a", "1")], &[]);
            Does::Says(vec![says(Says::ImmediateResponse(pb::ImmediateResponse {
                status: Some(envoy_types::pb::envoy::r#type::v3::HttpStatus { code: 418 }),
                headers: mutation.header_mutation,
                body: b"short and stout".to_vec(),
                details: "it is a\tpot".into(),
                ..Default::default()
            }))])
        })
        .await;
        let outcome = bench.send(get("/")).await;
        assert_eq!((outcome.status(), outcome.body().as_str()), (418, "short and stout"));
        assert_eq!(
            (outcome.header("x-why").as_deref(), outcome.header("x-envoy-a").as_deref()),
            (Some("tea"), Some("1"))
        );
        assert_eq!((outcome.header("content-length").as_deref(), outcome.details()), (Some("15"), "it_is_a_pot"));
        assert_eq!(bench.stat("http.test.ext_proc.stream_msgs_sent"), 1, "its own answer is not shown to it");
    });
}

#[test]
fn what_is_not_to_be_told_is_not() {
    run(async {
        let mode = ProcessingMode {
            request_headers: HeaderMode::Skip,
            response_headers: HeaderMode::Skip,
            ..ProcessingMode::default()
        };
        let (mut bench, _world, told) = processor(config(|config| config.mode = mode), agrees).await;
        bench.app(Script::answers(200, &[], &["fine"]));
        assert_eq!(bench.send_pieces(post("/"), &["body"]).await.body(), "fine");
        assert_eq!((told.borrow().len(), bench.stat("http.test.ext_proc.streams_started")), (0, 0));
    });
}

#[test]
fn routes_say_other_things() {
    run(async {
        let off = ExtProcPerRoute { disabled: true, ..Default::default() };
        let silent = ProcessingMode { response_headers: HeaderMode::Skip, ..ProcessingMode::default() };
        let other = ExtProcPerRoute {
            mode: Some(silent),
            failure_mode_allow: Some(true),
            initial_metadata: vec![config::route::HeaderAdd {
                name: "x-level".into(),
                value: config::access_log::Format {
                    parts: vec![config::access_log::Part::Literal("route".into())],
                    ..Default::default()
                },
                action: config::route::AppendAction::OverwriteOrAdd,
                keep_empty: false,
            }],
            ..Default::default()
        };
        let (bench, _world, told) = processor(config(|_| {}), agrees).await;
        let mut bench = bench.tell(Level::Host, "proc", ScopedConfig::ExtProc(off.clone().into()));
        bench.app(Script::answers(200, &[], &[]));
        assert_eq!(bench.send(get("/")).await.status(), 200);
        assert_eq!(told.borrow().len(), 0, "the host has switched it off");

        let (bench, _world, told) = processor(config(|_| {}), agrees).await;
        let bench = bench.tell(Level::Host, "proc", ScopedConfig::ExtProc(off.into()));
        let mut bench = bench.tell(Level::Route, "proc", ScopedConfig::ExtProc(other.clone().into()));
        bench.app(Script::answers(200, &[], &[]));
        assert_eq!(bench.send(get("/")).await.status(), 200);
        assert_eq!(told.borrow().len(), 1, "the route has it do the half of it");

        let (bench, _world, _) = processor(config(|_| {}), |_| Does::Ends(&[("grpc-status", "14")])).await;
        let mut bench = bench.tell(Level::Route, "proc", ScopedConfig::ExtProc(other.into()));
        bench.app(Script::answers(200, &[], &[]));
        assert_eq!(bench.send(get("/")).await.status(), 200, "the route lets it pass");
    });
}

#[test]
fn a_processor_may_choose_what_it_is_told() {
    run(async {
        let wants = |mode: i32| {
            move |asks: &Asks| {
                let mut said = says(yes(asks));
                said.mode_override =
                    Some(envoy_types::pb::envoy::extensions::filters::http::ext_proc::v3::ProcessingMode {
                        request_body_mode: mode,
                        response_header_mode: 2,
                        ..Default::default()
                    });
                Does::Says(vec![said])
            }
        };
        let parts =
            |told: &Told| told.borrow().iter().map(|one| yes(one.request.as_ref().unwrap())).collect::<Vec<_>>();
        for (allowed, expected) in [
            (vec![], vec![Says::RequestHeaders(Default::default()), Says::RequestBody(Default::default())]),
            (
                vec![ProcessingMode::default()],
                vec![Says::RequestHeaders(Default::default()), Says::ResponseHeaders(Default::default())],
            ),
        ] {
            let chosen = config(|config| {
                config.allow_mode_override = true;
                config.allowed_override_modes = allowed;
            });
            let (mut bench, _world, told) = processor(chosen, wants(2)).await;
            bench.app(Script { after_request: true, ..Script::answers(200, &[], &[]) });
            assert_eq!(bench.send_pieces(post("/"), &["body"]).await.status(), 200);
            assert_eq!(parts(&told), expected);
            assert_eq!(bench.stat("http.test.ext_proc.streams_closed"), 1);
        }
        // A mode that does not act is none: the processor would wait for what never comes.
        let (bench, _world, _) = processor(config(|config| config.allow_mode_override = true), wants(4)).await;
        let outcome = bench.send_pieces(post("/"), &["body"]).await;
        assert_eq!((outcome.status(), outcome.details()), (500, "spurious_message"));
        let (mut bench, _world, _) = processor(config(|_| {}), wants(4)).await;
        bench.app(Script { after_request: true, ..Script::answers(200, &[], &[]) });
        assert_eq!(bench.send_pieces(post("/"), &["body"]).await.status(), 200, "nobody asked it");
    });
}

#[test]
fn the_route_is_chosen_again_where_it_may_be() {
    run(async {
        let other = |asks: &Asks| {
            Does::Says(vec![says(match asks {
                Asks::RequestHeaders(_) => Says::RequestHeaders(headers(pb::CommonResponse {
                    clear_route_cache: true,
                    ..changes(vec![set(":path", "/nowhere")], &[])
                })),
                other => yes(other),
            })])
        };
        for (action, status, disabled) in
            [(RouteCache::Default, 404, 0), (RouteCache::Clear, 404, 0), (RouteCache::Retain, 200, 1)]
        {
            let (mut bench, _world, _) = processor(config(|config| config.route_cache = action), other).await;
            bench.host(|host| host.routes = vec![route("/a", forward("app", |_| ())).into()]);
            bench.app(Script::answers(200, &[], &[]));
            assert_eq!(bench.send(get("/a")).await.status(), status, "{action:?}");
            assert_eq!(bench.stat("http.test.ext_proc.clear_route_cache_disabled"), disabled);
        }
    });
}
