//! Tests of `bootstrap`.

use std::path::PathBuf;

use config::bootstrap::Bootstrap;
use serde_json::{Value, json};

use super::{Options, UnknownFields, dynamic_options, load, validate};
use crate::cli;

mod secrets;

fn options(arguments: &[&str]) -> Options {
    let arguments = std::iter::once("outrigger").chain(arguments.iter().copied());
    cli::parse(arguments.map(Into::into)).expect("good arguments").options
}

fn loaded(document: &Value, flags: &[&str]) -> Result<Bootstrap, String> {
    let text = document.to_string();
    load(&options(&[&["--config-yaml", &text], flags].concat()))
}

fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn with(list: &str, resource: Value) -> Value {
    let mut document = json!({"node": {"id": "n", "cluster": "c"}, "static_resources": {}});
    document["static_resources"][list] = json!([resource]);
    document
}

fn validated(document: &Value) -> Result<(), String> {
    validate(&options(&["--config-yaml", "{}"]), &loaded(document, &[]).expect("it can be read"))
}

#[test]
fn a_file_that_is_not_there_is_named_with_what_to_do() {
    let reason = load(&options(&["-c", "nowhere/bootstrap.json"])).unwrap_err();
    assert!(reason.contains("nowhere/bootstrap.json") && reason.contains("-c"), "{reason}");
}

#[test]
fn a_file_that_cannot_be_parsed_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in
        [("b.json", "{\n \"node\": {\n\"id\": nothing,\n\"cluster\": \"a\"}}"), ("b.yaml", "node:\n  id: a\n bad: [\n")]
    {
        let path = file(&folder, name, text);
        let reason = load(&options(&["-c", path.to_str().unwrap()])).unwrap_err();
        assert!(reason.contains(name) && reason.contains("line 3"), "{reason}");
        assert!(reason.contains("; correct it there"), "{reason}");
    }
}

#[test]
fn a_file_that_is_no_text_or_has_nothing_in_it_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes, advice) in [
        ("b.json", &b"{\"node\": \"\xff\xfe\"}"[..], "; it must be JSON or YAML in UTF-8"),
        ("c.yaml", &b"node: \xff"[..], "; it must be JSON or YAML in UTF-8"),
        ("d.json", b" \n", "it is empty; a bootstrap needs"),
        ("e.yaml", b"", "it is empty; a bootstrap needs"),
        ("f.yaml", b"# to be written\n", "it is empty; a bootstrap needs"),
        ("g.yaml", b"---\n", "it is empty; a bootstrap needs"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let reason = load(&options(&["-c", path.to_str().unwrap()])).unwrap_err();
        assert!(reason.contains(name) && reason.contains(advice) && !reason.contains("-c"), "{reason}");
    }
}

#[test]
fn an_empty_text_of_the_command_line_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "b.yaml", "node: {id: of-the-file, cluster: c}\n");
    let merged = load(&options(&["-c", path.to_str().unwrap(), "--config-yaml", ""])).unwrap();
    assert_eq!(&*merged.node_id, "of-the-file");
}

#[test]
fn an_admin_address_that_serving_refuses_is_refused_and_both_texts_are_named() {
    let pipe = "admin: {address: {envoy_internal_address: {server_listener_name: a}}}";
    let reason = load(&options(&["--config-yaml", pipe])).unwrap_err();
    let refusal =
        "admin.address: the admin listener needs an IP address and port, or a path; give it a socket_address or a pipe";
    assert_eq!(reason, format!("--config-yaml: {refusal}"));
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "b.yaml", "node: {id: a, cluster: c}\n");
    let path = path.to_str().unwrap();
    let reason = load(&options(&["-c", path, "--config-yaml", pipe])).unwrap_err();
    assert_eq!(reason, format!("{path} merged with --config-yaml: {refusal}"));
}

#[test]
fn text_of_the_command_line_is_merged_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "b.yaml", "node: {id: of-the-file, cluster: c}\n");
    let merged = load(&options(&["-c", path.to_str().unwrap(), "--config-yaml", "node: {id: of-the-line}"])).unwrap();
    assert_eq!((&*merged.node_id, &*merged.node_cluster), ("of-the-line", "c"));
    let reason = load(&options(&["-c", path.to_str().unwrap(), "--config-yaml", "node: {id: ["])).unwrap_err();
    assert!(reason.contains("--config-yaml"), "{reason}");
}

#[test]
fn an_unknown_field_is_refused_with_a_hint_and_allowed_by_the_flag() {
    let document = with("clusters", json!({"name": "a", "of_tomorrow": 1}));
    let reason = loaded(&document, &[]).unwrap_err();
    assert!(reason.contains("static_resources.clusters[\"a\"].of_tomorrow"), "{reason}");
    assert!(reason.contains("--allow-unknown-static-fields"), "{reason}");
    assert_eq!(loaded(&document, &["--allow-unknown-static-fields"]).unwrap().static_clusters.len(), 1);
    // Where the flag would not help, it is not spoken of.
    let reason = loaded(&with("clusters", json!({"name": 7})), &[]).unwrap_err();
    assert!(!reason.contains("--allow-unknown-static-fields"), "{reason}");
}

#[test]
fn dynamic_resources_are_read_as_command_line_and_runtime_say() {
    let plain = json!({"node": {"id": "n", "cluster": "c"}});
    let (usual, strict) =
        (options(&["--config-yaml", "{}"]), options(&["--config-yaml", "{}", "--reject-unknown-dynamic-fields"]));
    let bootstrap = loaded(&plain, &[]).unwrap();
    assert_eq!(dynamic_options(&usual, &bootstrap).unknown_fields, UnknownFields::Ignore);
    assert_eq!(dynamic_options(&strict, &bootstrap).unknown_fields, UnknownFields::Reject);
    assert!(dynamic_options(&usual, &bootstrap).reject_fragment, "Envoy's default");
    let layer = |name: &str, value: bool| json!({"name": name, "static_layer": {"envoy.reloadable_features.http_reject_path_with_fragment": value}});
    for (first, second, rejects) in [(true, false, false), (false, true, true)] {
        let mut layered = plain.clone();
        layered["layered_runtime"] = json!({"layers": [layer("one", first), layer("two", second)]});
        let bootstrap = loaded(&layered, &[]).unwrap();
        assert_eq!(dynamic_options(&usual, &bootstrap).reject_fragment, rejects, "the last layer wins");
    }
}

#[test]
fn validation_names_the_resource_that_serving_would_refuse() {
    let pem = json!({"inline_string": "this is no PEM"});
    let certificate = json!({"certificate_chain": pem, "private_key": pem});
    let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": 0}});
    for (list, resource) in [
        ("secrets", json!({"name": "the-bad-one", "tls_certificate": certificate})),
        ("clusters", json!({"name": "the-bad-one", "connect_timeout": "-1s"})),
        ("listeners", json!({"name": "the-bad-one", "address": address})),
    ] {
        let reason = validated(&with(list, resource)).unwrap_err();
        assert!(reason.contains(&format!("static_resources.{list}[\"the-bad-one\"]")), "{reason}");
    }
    let nowhere = json!({"filename": "/nowhere/cert.pem"});
    let certificate = json!({"certificate_chain": nowhere, "private_key": nowhere});
    let reason = validated(&with("secrets", json!({"name": "s", "tls_certificate": certificate}))).unwrap_err();
    assert!(reason.contains("static_resources.secrets[\"s\"]") && reason.contains("/nowhere/cert.pem"), "{reason}");
    assert!(reason.contains("; put the file there, or correct its path"), "{reason}");
    validated(&with("clusters", json!({"name": "good"}))).unwrap();
}

#[test]
fn validation_finds_a_control_plane_without_an_address() {
    let mut document = with("clusters", json!({"name": "xds-grpc"}));
    document["dynamic_resources"] = json!({
        "ads_config": {"api_type": "DELTA_GRPC", "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}]},
        "cds_config": {"ads": {}}
    });
    let reason = validated(&document).unwrap_err();
    assert!(reason.contains("ads_config") && reason.contains("'xds-grpc'"), "{reason}");
}

#[test]
fn validation_finds_two_listeners_with_one_address() {
    let listener = |name: &str| {
        let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": 28_000}});
        let proxy = json!({
            "name": "tcp",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                "stat_prefix": "a", "cluster": "a",
            },
        });
        json!({"name": name, "address": address, "filter_chains": [{"filters": [proxy]}]})
    };
    let mut document = with("listeners", listener("one"));
    assert_eq!(validated(&document), Ok(()));
    document["static_resources"]["listeners"] = json!([listener("one"), listener("two")]);
    let reason = validated(&document).unwrap_err();
    assert!(
        reason.contains("listeners[\"two\"].address: listener 'two' has duplicate address '127.0.0.1:28000'"),
        "{reason}"
    );
}
