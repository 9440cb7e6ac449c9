//! Tests of `bootstrap`.

use std::path::PathBuf;

use config::bootstrap::Bootstrap;
use serde_json::{Value, json};

use super::{Options, UnknownFields, dynamic_options, load};
use crate::cli;

pub(in crate::app) fn options(arguments: &[&str]) -> Options {
    let arguments = std::iter::once("outrigger").chain(arguments.iter().copied());
    cli::parse(arguments.map(Into::into)).expect("good arguments").options
}

fn loaded(document: &Value, flags: &[&str]) -> Result<Bootstrap, String> {
    let text = document.to_string();
    load(&options(&[&["--config-yaml", &text], flags].concat()))
}

pub(in crate::app) fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

pub(in crate::app) fn with(list: &str, resource: Value) -> Value {
    let mut document = json!({"node": {"id": "n", "cluster": "c"}, "static_resources": {}});
    document["static_resources"][list] = json!([resource]);
    document
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
