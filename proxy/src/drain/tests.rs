//! Tests of `drain`.

use super::*;

fn immediate() -> Settings {
    Settings { time: Duration::from_secs(45), strategy: Strategy::Immediate }
}

#[test]
fn immediate_drain_asks_every_request_once_it_has_begun() {
    let server = ServerDrain::new(immediate());
    let listener = Drain::new(immediate());
    let watch = DrainWatch::new(server.clone(), listener.clone(), Direction::Outbound);
    assert!(!watch.should_close());
    server.inbound.begin();
    assert!(!watch.should_close(), "an inbound drain leaves outbound connections alone");
    assert!(listener.begin());
    assert!(!listener.begin(), "a second drain changes nothing");
    assert!(watch.should_close());
}

#[test]
fn inbound_drain_reaches_inbound_connections() {
    let server = ServerDrain::new(immediate());
    let watch = DrainWatch::new(server.clone(), Drain::new(immediate()), Direction::Inbound);
    server.inbound.begin();
    assert!(watch.should_close());
}

#[test]
fn gradual_drain_of_no_time_asks_every_request() {
    let settings = Settings { time: Duration::ZERO, strategy: Strategy::Gradual };
    let drain = Drain::new(settings);
    drain.begin();
    assert!(drain.should_close());
}

#[tokio::test]
async fn the_deadline_fires_when_the_drain_is_finished() {
    let listener = Drain::new(immediate());
    let watch = DrainWatch::new(ServerDrain::new(immediate()), listener.clone(), Direction::Inbound);
    listener.finish();
    watch.deadline().await;
}
