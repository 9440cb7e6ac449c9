//! Translation, by example: resources in `testdata/translation/` with what they become, and resources in
//! `testdata/rejections.json` with the words of their rejection. `UPDATE_GOLDENS=1` rewrites what is expected; the diff is the review.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use outrigger_config::{Options, Rejection, cluster, dump, endpoint, listener, route, secret};
use serde_json::Value;

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)
}

/// What a resource becomes, as text.
fn translated(resource: &Value, options: &Options) -> Result<String, Rejection> {
    let bytes = dump::encode(resource)?;
    let url = resource["@type"].as_str().unwrap_or_default();
    Ok(match url.rsplit('.').next().unwrap_or_default() {
        "Cluster" => format!("{:#?}", cluster::decode(&bytes, options)?),
        "ClusterLoadAssignment" => format!("{:#?}", endpoint::decode(&bytes, options)?),
        "RouteConfiguration" => format!("{:#?}", route::decode(&bytes, options)?),
        "Listener" => format!("{:#?}", listener::decode(&bytes, options)?),
        "Secret" => format!("{:#?}", secret::decode(&bytes, options)?),
        other => other.to_owned(),
    })
}

fn compare(path: &Path, text: &str) {
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(path, text).expect("testdata is writable");
        return;
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert!(expected == text, "{} differs; UPDATE_GOLDENS=1 accepts what is now:\n{text}", path.display());
}

#[test]
fn translations() {
    let mut files: Vec<_> =
        std::fs::read_dir(testdata("translation")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    assert!(files.len() >= 10);
    for path in files {
        let resource: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let options = Options::default();
        let mut text = match translated(&resource, &options) {
            Ok(text) => text,
            Err(rejection) => format!("rejected: {rejection}"),
        };
        text.push('\n');
        for note in options.take_notes() {
            writeln!(text, "note: {note}").unwrap();
        }
        compare(&path.with_extension("txt"), &text);
    }
}

#[test]
fn rejections() {
    let cases: Vec<Value> =
        serde_json::from_str(&std::fs::read_to_string(testdata("rejections.json")).unwrap()).unwrap();
    let mut text = String::new();
    for case in &cases {
        let name = case["case"].as_str().unwrap();
        match translated(&case["resource"], &Options::default()) {
            Ok(_) => panic!("{name}: is accepted"),
            Err(rejection) => writeln!(text, "{name}\n    {rejection}").unwrap(),
        }
    }
    compare(&testdata("rejections.txt"), &text);
}
