//! Tests of `discovered`: what requests of one connection meet while configs come and go.

use std::sync::Arc;

use config::filters::HttpFilterConfig;
use config::filters::buffer::Buffer;
use config::filters::discovery::{Discovery, Typed};

use crate::discoveries::{Change, State};
use crate::http::filters::bench::{Filtered, Level};
use crate::http::testing::{Client, fake::Script, get, with};
use crate::wire::message::{BodyLength, Method};

const BUFFER: &str = "envoy.extensions.filters.http.buffer.v3.Buffer";

fn buffer(most: u32) -> Typed<HttpFilterConfig> {
    let config = HttpFilterConfig::Buffer(Arc::new(Buffer { max_request_bytes: most }));
    Typed { type_name: BUFFER.into(), config, policy: Arc::default() }
}

fn later(default: Option<Typed<HttpFilterConfig>>) -> HttpFilterConfig {
    HttpFilterConfig::Discovered(Arc::new(Discovery {
        type_names: vec![BUFFER.into()],
        default,
        without_warming: false,
        initial_fetch_timeout: None,
    }))
}

fn becomes(bench: &Filtered, state: State<HttpFilterConfig>) {
    let change = Change { http: Some(state), ..Change::default() };
    bench.discoveries.change(&"later".into(), change).unwrap();
}

async fn status(bench: &mut Filtered, body: &'static str) -> u16 {
    bench.app(Script::answers(200, &[], &[]));
    let mut request = with(get("/"), &[]);
    (request.method, request.body) = (Method::Post, BodyLength::Unknown);
    let status = bench.send_from(Client::sending(&[body]), request).await.status();
    bench.cluster("app").scripts.borrow_mut().clear();
    status
}

#[tokio::test(start_paused = true)]
async fn without_a_config_requests_are_answered_with_500() {
    let bench = Filtered::new([("later", later(None))]);
    let outcome = bench.send(get("/")).await;
    assert_eq!((outcome.status(), outcome.flags().as_str(), outcome.details()), (500, "NFCF", ""));
    assert_eq!(outcome.body(), "");
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_a_route_switches_off_needs_no_config() {
    let mut bench = Filtered::new([("later", later(None))]).switch(Level::Route, "later", false);
    bench.app(Script::answers(200, &[], &[]));
    assert_eq!(bench.send(get("/")).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn what_comes_acts_on_the_requests_that_begin_after_it() {
    let mut bench = Filtered::new([("later", later(None))]);
    assert_eq!(status(&mut bench, "four").await, 500);
    becomes(&bench, State::Is(buffer(3)));
    assert_eq!(status(&mut bench, "four").await, 413);
    becomes(&bench, State::Is(buffer(4)));
    assert_eq!(status(&mut bench, "four").await, 200);
    becomes(&bench, State::Absent);
    assert_eq!(status(&mut bench, "four").await, 500);
}

#[tokio::test(start_paused = true)]
async fn the_default_acts_until_something_comes_and_after_it_went() {
    let mut bench = Filtered::new([("later", later(Some(buffer(3))))]);
    assert_eq!(status(&mut bench, "four").await, 413);
    becomes(&bench, State::Is(buffer(4)));
    assert_eq!(status(&mut bench, "four").await, 200);
    becomes(&bench, State::Absent);
    assert_eq!(status(&mut bench, "four").await, 413);
}
