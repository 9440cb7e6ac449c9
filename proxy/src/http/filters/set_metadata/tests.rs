//! Tests of `set_metadata`.

use config::filters::set_metadata::{Entry, SetMetadata, Value};
use config::filters::{HttpFilterConfig, ScopedConfig};
use serde_json::json;

use crate::http::filters::bench::{Filtered, Level};
use crate::http::testing::fake::Script;
use crate::http::testing::get;

fn entry(allow_overwrite: bool, value: serde_json::Value) -> Entry {
    Entry { namespace: "ns".into(), allow_overwrite, value: Value::Struct(value.into()) }
}

#[tokio::test(start_paused = true)]
async fn values_are_merged_where_that_is_allowed() {
    let config = SetMetadata {
        entries: vec![
            entry(false, json!({"list": [1], "deep": {"a": 1, "b": 1}, "kept": true})),
            entry(true, json!({"list": [2], "deep": {"b": 2}})),
            entry(false, json!({"never": 1})),
        ],
    };
    let mut bench = Filtered::new([("meta", HttpFilterConfig::SetMetadata(config.into()))]);
    bench.app(Script::answers(200, &[], &[]));
    let outcome = bench.send(get("/")).await;
    let expected = json!({"list": [1, 2], "deep": {"a": 1, "b": 2}, "kept": true});
    assert_eq!(outcome.info.metadata.get("ns"), Some(&expected));
    assert_eq!(bench.stat("http.test.set_metadata.overwrite_denied"), 1);
}

#[tokio::test(start_paused = true)]
async fn the_most_specific_level_comes_after_the_filter() {
    let config = |overwrite, value| SetMetadata { entries: vec![entry(overwrite, value)] };
    let told =
        |overwrite, name: &str| ScopedConfig::SetMetadata(config(overwrite, json!({ name: 1, "who": name })).into());
    for (overwrite, expected, denied) in [
        (true, json!({"chain": 1, "route": 1, "who": "route"}), [0, 0]),
        (false, json!({"chain": 1, "who": "chain"}), [0, 1]),
    ] {
        let chain = config(false, json!({"chain": 1, "who": "chain"}));
        let bench = Filtered::new([("meta", HttpFilterConfig::SetMetadata(chain.into()))]);
        let bench = bench.tell(Level::Host, "meta", told(true, "host"));
        let mut bench = bench.tell(Level::Route, "meta", told(overwrite, "route"));
        bench.app(Script::answers(200, &[], &[]));
        let outcome = bench.send(get("/")).await;
        assert_eq!(outcome.info.metadata.get("ns"), Some(&expected));
        let counted = ["http.test.set_metadata.overwrite_denied", "set_metadata.overwrite_denied"];
        assert_eq!(counted.map(|name| bench.stat(name)), denied);
    }
    let bench = Filtered::new([("meta", HttpFilterConfig::SetMetadata(SetMetadata::default().into()))]);
    let mut bench = bench.tell(Level::Table, "meta", told(false, "table"));
    bench.app(Script::answers(200, &[], &[]));
    let outcome = bench.send(get("/")).await;
    assert_eq!(outcome.info.metadata.get("ns"), Some(&json!({"table": 1, "who": "table"})));
}
