//! Tests of `set_metadata`.

use config::filters::HttpFilterConfig;
use config::filters::set_metadata::{Entry, SetMetadata, Value};
use serde_json::json;

use crate::http::filters::bench::Filtered;
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
