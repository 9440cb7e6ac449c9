//! Decodes every resource of real config dumps: those that are recorded in `integration/recordings`, and one that the
//! environment variable `OUTRIGGER_CONFIG_DUMP` names.

use std::path::{Path, PathBuf};

use outrigger_config::{Options, cluster, dump};
use serde_json::Value;

fn dumps() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../integration/recordings");
    let recorded = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let recorded = recorded.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    recorded.chain(std::env::var_os("OUTRIGGER_CONFIG_DUMP").map(PathBuf::from)).collect()
}

/// Every object of a dump whose `@type` is a resource of this type.
fn resources(value: &Value, type_name: &str, found: &mut Vec<Value>) {
    match value {
        Value::Object(fields) => {
            let url = fields.get("@type").and_then(Value::as_str).unwrap_or_default();
            if url.rsplit_once('/').is_some_and(|(_, name)| name == type_name) {
                found.push(value.clone());
            } else {
                fields.values().for_each(|value| resources(value, type_name, found));
            }
        }
        Value::Array(values) => values.iter().for_each(|value| resources(value, type_name, found)),
        _ => {}
    }
}

fn all(type_name: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for path in dumps() {
        let text = std::fs::read_to_string(&path).unwrap();
        let Ok(value) = serde_json::from_str(&text) else { continue };
        resources(&value, type_name, &mut found);
    }
    found
}

#[test]
fn clusters() {
    for resource in all("envoy.config.cluster.v3.Cluster") {
        let bytes = dump::encode(&resource).unwrap_or_else(|error| panic!("{}: {error}", resource["name"]));
        let options = Options::default();
        let cluster = cluster::decode(&bytes, &options).unwrap_or_else(|error| panic!("{}: {error}", resource["name"]));
        assert_eq!(&*cluster.name, resource["name"]);
    }
}
