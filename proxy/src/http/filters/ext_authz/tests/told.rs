//! What the service is told of metadata, and what of it is left for others.

use std::sync::Arc;

use config::filters::set_metadata::{Entry, SetMetadata, Value};
use config::metadata::Metadata;
use serde_json::json;

use super::*;
use crate::telemetry::dynamic::{Form, Shared, StateObject, TypedValue};

#[test]
fn metadata_of_the_request_its_connection_and_its_route_and_labels_of_the_node() {
    run(async {
        let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
        let settings = config(|config| {
            config.metadata = names(&["both", "nothing", "of-connection"]);
            config.typed_metadata = names(&["both", "nothing", "of-connection"]);
            config.route_metadata = names(&["of-route", "nothing"]);
            config.labels = vec![("zone".into(), "a".into())];
        });
        let (mut bench, _world, asked) = authorizer(settings, says(allows(OkHttpResponse::default()))).await;
        let typed = |bytes: &'static str| Value::Typed { type_url: "t/a.B".into(), bytes: bytes.into() };
        let entry = |value| Entry { namespace: "both".into(), allow_overwrite: false, value };
        let entries = vec![entry(Value::Struct(Arc::new(json!({"who": "request"})))), entry(typed("request"))];
        let set = config::hcm::HttpFilter {
            name: "set".into(),
            disabled: false,
            config: HttpFilterConfig::SetMetadata(SetMetadata { entries }.into()),
        };
        bench.config.filters.insert(0, set);
        {
            let mut metadata = bench.connection.metadata.borrow_mut();
            for name in ["both", "of-connection", "of nobody"] {
                metadata.set(name, json!({"who": "connection"}));
                let typed = TypedValue { type_url: "t/a.B".into(), bytes: "connection".into() };
                metadata.set_typed(&name.into(), typed);
            }
        }
        bench.host(|host| {
            for route in &mut host.routes {
                let told = [("of-route", "route"), ("untold", "route")];
                let told = told.map(|(name, who)| (name, json!({"who": who})));
                Arc::make_mut(route).metadata = Arc::new(Metadata::from(told));
            }
        });
        bench.app(Script::answers(200, &[], &[]));
        assert_eq!(bench.send(get("/")).await.status(), 200);
        let attributes = asked.borrow()[0].attributes.clone().unwrap();
        assert_eq!(attributes.destination.unwrap().labels.get("zone").map(String::as_str), Some("a"));
        let who = |value: &envoy_types::pb::google::protobuf::Struct| format!("{:?}", value.fields["who"].kind);
        let told = attributes.metadata_context.unwrap();
        let mut plain: Vec<_> = told.filter_metadata.iter().map(|(name, value)| (name.as_str(), who(value))).collect();
        plain.sort();
        let text = |text: &str| format!("Some(StringValue({text:?}))");
        assert_eq!(plain, [("both", text("request")), ("of-connection", text("connection"))]);
        let mut typed: Vec<_> = told
            .typed_filter_metadata
            .iter()
            .map(|(name, value)| {
                (name.as_str(), value.type_url.as_str(), String::from_utf8_lossy(&value.value).into_owned())
            })
            .collect();
        typed.sort();
        let expected = [("both", "request"), ("of-connection", "connection")];
        assert_eq!(typed, expected.map(|(name, of)| (name, "t/a.B", of.to_owned())));
        let told = attributes.route_metadata_context.unwrap();
        let plain: Vec<_> = told.filter_metadata.iter().map(|(name, value)| (name.as_str(), who(value))).collect();
        assert_eq!((plain, told.typed_filter_metadata.len()), (vec![("of-route", text("route"))], 0));
    });
}

#[test]
fn filter_metadata_takes_no_other_object_s_place() {
    run(async {
        for (form, collisions) in [(Form::Text, 1), (Form::Json, 0)] {
            let metadata = Some(json!({"who": "authz"}).into());
            let settings = config(|config| config.filter_metadata = metadata);
            let (mut bench, _world, _) = authorizer(settings, says(allows(OkHttpResponse::default()))).await;
            bench.connection.filter_state.borrow_mut().set(StateObject {
                key: "authz".into(),
                value: "before".into(),
                form,
                read_only: false,
                shared: Shared::None,
            });
            bench.app(Script::answers(200, &[], &[]));
            let outcome = bench.send(get("/")).await;
            assert!(outcome.info.filter_state.get("authz").is_none());
            assert_eq!(bench.stat("http.test.ext_authz.filter_state_name_collision"), collisions);
            assert_eq!(bench.stat("http.test.ext_authz.ok"), 1);
        }
        let (mut bench, _world, _) = authorizer(config(|_| {}), says(allows(OkHttpResponse::default()))).await;
        bench.app(Script::answers(200, &[], &[]));
        bench.send(get("/")).await;
        let shown = bench.registry().samples(|name, _| name.starts_with("http.test.ext_authz."));
        for name in ["shadow_denied", "shadow_error", "response_header_limits_reached"] {
            let name = format!("http.test.ext_authz.{name}");
            assert!(shown.iter().any(|sample| *sample.name == *name && sample.value == 0), "{name}");
        }
    });
}
