//! Tests of `destination`.

use std::rc::Rc;

use config::cluster::MetadataKey;
use serde_json::json;

use super::*;
use crate::cluster::testing::{Bench, address, config};

/// A request that comes from nobody to 10.0.0.9.
struct Request {
    connection: ConnectionInfo,
    header: Option<&'static str>,
}

impl Asks for Request {
    fn connection(&self) -> &ConnectionInfo {
        &self.connection
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.header.filter(|_| name == "x-to").map(str::as_bytes)
    }
}

fn request(said: Option<Value>, header: Option<&'static str>) -> Request {
    let connection = ConnectionInfo::between(address(9), address(8));
    if let Some(said) = said {
        connection.metadata.borrow_mut().merge("to", &json!({ "a": said }));
    }
    Request { connection, header }
}

fn cluster(bench: &Rc<Bench>, port: Option<u16>) -> Rc<WorkerCluster> {
    let metadata = Some(MetadataKey { namespace: "to".into(), path: vec!["a".into()] });
    let original = OriginalDst { header: Some("x-to".into()), port, metadata };
    bench.publish(config(Discovery::OriginalDst(original)));
    bench.worker("outbound|80||app")
}

#[test]
fn the_first_that_says_it_counts() {
    let bench = Bench::new();
    let cluster = cluster(&bench, None);
    let to = |last: u8| Some(Destination::Address(address(last)));
    let cases = [
        (None, None, None, 0),
        (None, Some("10.0.0.1:80"), to(1), 0),
        (Some(json!("10.0.0.2:80")), Some("10.0.0.1:80"), to(2), 0),
        (Some(json!(["10.0.0.3:80", "10.0.0.4:80"])), None, to(3), 0),
        (Some(json!([])), Some("10.0.0.1:80"), to(1), 0),
        (Some(json!(7)), Some("10.0.0.1:80"), to(1), 1),
        (None, Some("app.example:80"), None, 2),
        (None, Some("10.0.0.1"), None, 3),
    ];
    for (said, header, expected, bad) in cases {
        let found = cluster.destination_of(&request(said.clone(), header));
        assert_eq!(found, expected, "{said:?} {header:?}");
        assert_eq!(bench.stat("original_dst_host_invalid"), bad, "{said:?} {header:?}");
    }
}

#[test]
fn the_port_may_be_another_one() {
    let bench = Bench::new();
    let found = cluster(&bench, Some(81)).destination_of(&request(None, Some("10.0.0.1:80")));
    assert_eq!(found, Some(Destination::Address(SocketAddr::from(([10, 0, 0, 1], 81)))));
}

#[test]
fn nobody_is_sent_back_to_where_he_came_in() {
    let bench = Bench::new();
    assert_eq!(cluster(&bench, None).destination_of(&request(None, Some("10.0.0.9:80"))), None);
    assert_eq!(cluster(&bench, Some(80)).destination_of(&request(None, Some("10.0.0.9:443"))), None);
    assert_eq!(bench.stat("original_dst_host_invalid"), 1);
    for written in ["[::ffff:10.0.0.9]:80", "0.0.0.0:80", "[::]:80", "[::ffff:0.0.0.0]:80"] {
        assert_eq!(cluster(&bench, None).destination_of(&request(None, Some(written))), None, "{written}");
        assert_eq!(bench.stat("original_dst_host_invalid"), 1, "{written}");
    }
}
