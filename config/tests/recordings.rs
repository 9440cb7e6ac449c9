//! What a real istiod and a real pilot-agent sent (`integration/recordings/`), all of it decoded. Each listener translates, those with
//! policy too.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryResponse, DiscoveryResponse};
use envoy_types::pb::google::protobuf::Any;
use outrigger_config::bootstrap::{self, Source};
use outrigger_config::descriptors::Descriptors;
use outrigger_config::json::AnyJson;
use outrigger_config::{Options, UnknownFields, cluster, endpoint, listener, route, secret};
use prost::Message;

fn recordings() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../integration/recordings");
    let entries = std::fs::read_dir(folder).expect("the recordings are committed");
    let mut folders: Vec<_> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.join("bootstrap.json").exists()).collect();
    folders.sort();
    assert!(folders.len() >= 4, "recordings are missing");
    folders
}

fn read(folder: &Path, file: &str) -> Vec<u8> {
    std::fs::read(folder.join(file)).expect("a recording is complete")
}

fn resources(folder: &Path, file: &str) -> Vec<(String, Any)> {
    let response = DeltaDiscoveryResponse::decode(read(folder, file).as_slice()).expect("a recorded response");
    response.resources.into_iter().map(|one| (one.name, one.resource.expect("a resource has a body"))).collect()
}

/// Both ways: known and unknown fields alike, and with unknown fields refused.
fn both() -> [Options; 2] {
    [Options::default(), Options::new(UnknownFields::Reject, false)]
}

#[test]
fn clusters_endpoints_routes_and_secrets_translate() {
    for folder in recordings() {
        for options in both() {
            for (name, any) in resources(&folder, "cds.pb") {
                let found = cluster::decode(&any.value, &options).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(*found.name, *name);
            }
            for (name, any) in resources(&folder, "eds.pb") {
                let found = endpoint::decode(&any.value, &options).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(*found.cluster_name, *name);
            }
            for (name, any) in resources(&folder, "rds.pb") {
                let found = route::decode(&any.value, &options).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(*found.name, *name);
            }
            let secrets = DiscoveryResponse::decode(read(&folder, "sds.pb").as_slice()).unwrap();
            for any in secrets.resources {
                // The recording leaves private keys out.
                if let Err(error) = secret::decode(&any.value, &options) {
                    assert!(error.path.contains("private_key"), "{error}");
                }
            }
        }
    }
}

#[test]
fn each_listener_translates() {
    let mut text = String::new();
    for folder in recordings() {
        writeln!(text, "{}", folder.file_name().unwrap().to_string_lossy()).unwrap();
        let mut listeners = resources(&folder, "lds.pb");
        listeners.sort_by(|left, right| left.0.cmp(&right.0));
        for (name, any) in listeners {
            let told = match listener::decode(&any.value, &Options::default()) {
                Ok(listener) => format!("translates, {} chains", listener.filter_chains.len()),
                Err(rejection) => panic!("{name}: {rejection}"),
            };
            writeln!(text, "  {name}: {told}").unwrap();
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/recorded_listeners.txt");
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), text, "run with UPDATE_GOLDENS=1 to accept");
}

#[test]
fn the_agents_bootstraps_are_read() {
    for folder in recordings() {
        let text = String::from_utf8(read(&folder, "bootstrap.json")).unwrap();
        let source = Source { name: "envoy-rev.json", text: &text, is_json: true };
        for unknown in [UnknownFields::Ignore, UnknownFields::Reject] {
            let found = bootstrap::load(&[source], unknown).unwrap_or_else(|error| panic!("{error}"));
            found
                .each_static(&Options::new(unknown, false), |_, _| Ok(()))
                .unwrap_or_else(|faults| panic!("{faults:?}"));
            assert_eq!((found.static_clusters.len(), found.static_listeners.len()), (4, 2));
        }
    }
}

#[test]
fn everything_prints_as_json_and_reads_back() {
    for folder in recordings() {
        for file in ["cds.pb", "eds.pb", "lds.pb", "rds.pb"] {
            for (name, any) in resources(&folder, file) {
                let printed =
                    serde_json::to_value(AnyJson::new(&mut Descriptors::new(), &any.type_url, &any.value)).unwrap();
                let bytes = outrigger_config::dump::encode(&printed).unwrap_or_else(|error| panic!("{name}: {error}"));
                // Maps have no order on the wire, so the texts are compared.
                let again = serde_json::to_value(AnyJson::new(&mut Descriptors::new(), &any.type_url, &bytes)).unwrap();
                assert_eq!(printed, again, "{name}");
            }
        }
    }
}

/// Every object of a dump whose `@type` is a resource of this type.
fn in_dump(value: &serde_json::Value, type_name: &str, found: &mut Vec<serde_json::Value>) {
    match value {
        serde_json::Value::Object(fields) => match fields.get("@type").and_then(|url| url.as_str()) {
            Some(url) if url.ends_with(type_name) => found.push(value.clone()),
            _ => fields.values().for_each(|value| in_dump(value, type_name, found)),
        },
        serde_json::Value::Array(values) => values.iter().for_each(|value| in_dump(value, type_name, found)),
        _ => {}
    }
}

/// The clusters, listeners and routes of a config dump under istiod with many features in use. Only filters that carry policy are refused,
/// and without them the same listeners are taken.
#[test]
fn a_config_dump_of_a_rich_mesh_decodes() {
    let dump: serde_json::Value = serde_json::from_str(include_str!("testdata/rich.config_dump.json")).unwrap();
    let encoded = |type_name: &str| {
        let mut found = Vec::new();
        in_dump(&dump, type_name, &mut found);
        let encode = |one: &serde_json::Value| {
            outrigger_config::dump::encode(one).unwrap_or_else(|error| panic!("{}: {error}", one["name"]))
        };
        found.iter().map(encode).collect::<Vec<_>>()
    };
    let options = Options::default();
    let (clusters, routes, listeners) = (encoded(".Cluster"), encoded(".RouteConfiguration"), encoded(".Listener"));
    assert_eq!((clusters.len(), listeners.len()), (31, 10), "the whole dump is looked through");
    for bytes in clusters {
        cluster::decode(&bytes, &options).unwrap_or_else(|error| panic!("{error}"));
    }
    for bytes in routes {
        route::decode(&bytes, &options).unwrap_or_else(|error| panic!("{error}"));
    }
    for bytes in listeners {
        listener::decode(&bytes, &options).unwrap_or_else(|error| panic!("{error}"));
    }
}
