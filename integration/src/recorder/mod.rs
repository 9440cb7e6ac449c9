//! Writes `integration/recordings/`: asks a real pilot-agent, as a proxy would, for all that istiod has for our objects.
//!
//! Called by the `outrigger-record` binary alone. The agent starts a program that does nothing in the proxy's place, so its sockets are
//! free for us; what we read is therefore exactly what a proxy is sent.

mod ads;
mod sds;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::{Locality, Node};
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{ListValue, Struct, Value};
use prost::Message;
use proxy::cli::say;

use crate::lab::istiod::Settings;
use crate::lab::tools::Tools;
use crate::lab::workload::{Proxy, Workload, WorkloadSpec};
use crate::lab::{Lab, Result, wait};
use crate::recordings::Recording;

const BOOKINFO: &str = include_str!("../../objects/bookinfo.yaml");
const ENDPOINTS: &str = include_str!("../../objects/recorded-endpoints.yaml");
const TCP_AND_TLS: &str = include_str!("../../objects/tcp-and-tls.yaml");
const RICH: &str = include_str!("../../objects/rich.yaml");
const RICH_MESH: &str = include_str!("../../objects/rich-mesh.yaml");

/// Where the recorded bootstrap says that the proxy is.
const USUAL_PROXY: &str = "/usr/local/bin/envoy";

/// Makes every recording anew.
pub async fn record_all(tools: Tools) -> Result<()> {
    record(&tools, "bookinfo", Settings::defaults(), &[BOOKINFO, ENDPOINTS]).await?;
    record(&tools, "bookinfo-stock-envoy", Settings::stock_envoy(), &[BOOKINFO, ENDPOINTS]).await?;
    record(&tools, "tcp-and-tls", Settings::defaults(), &[BOOKINFO, ENDPOINTS, TCP_AND_TLS]).await?;
    record(&tools, "rich", Settings::with_mesh(RICH_MESH), &[BOOKINFO, ENDPOINTS, RICH]).await
}

async fn record(tools: &Tools, name: &str, settings: Settings, objects: &[&str]) -> Result<()> {
    let lab = Lab::start(tools.clone(), settings)?;
    for yaml in objects {
        lab.apply(yaml)?;
    }
    let idle = lab.folder().join("idle");
    std::fs::write(&idle, "#!/bin/sh\nexec sleep infinity\n")?;
    std::fs::set_permissions(&idle, std::fs::Permissions::from_mode(0o755))?;
    let workload = lab.workload(WorkloadSpec::new("ratings", 2, BOOKINFO, Proxy::Program(idle.clone())))?;
    let bootstrap = bootstrap(&workload)?.replace(&idle.display().to_string(), USUAL_PROXY);
    let node = node(&serde_json::from_str(&bootstrap)?)?;

    let folder = Recording::root().join(name);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("bootstrap.json"), &bootstrap)?;
    let ads = socket(&workload, "etc/istio/proxy/XDS")?;
    for (kind, response) in ads::record(&ads, node.clone()).await? {
        if response.resources.is_empty() {
            continue;
        }
        say(format_args!("{name}/{kind}.pb: {} resources", response.resources.len()));
        std::fs::write(folder.join(format!("{kind}.pb")), response.encode_to_vec())?;
    }
    let sds = socket(&workload, "var/run/secrets/workload-spiffe-uds/socket")?;
    std::fs::write(folder.join("sds.pb"), sds::record(&sds, node).await?.encode_to_vec())?;
    Ok(())
}

/// What the agent wrote for the proxy, once it has.
fn bootstrap(workload: &Workload) -> Result<String> {
    let path = workload.root().join("etc/istio/proxy/envoy-rev.json");
    wait::until("the agent to write the bootstrap", Duration::from_secs(20), || {
        let text = std::fs::read_to_string(&path)?;
        serde_json::from_str::<serde_json::Value>(&text)?;
        Ok(Some(text))
    })
}

/// The URI of one of the agent's sockets, once it is there.
fn socket(workload: &Workload, below_root: &str) -> Result<String> {
    let path = workload.root().join(below_root);
    wait::until_true(&format!("{below_root} to be there"), Duration::from_secs(20), || Ok(Path::exists(&path)))?;
    Ok(format!("unix://{}", path.display()))
}

/// The node of the bootstrap, which is how istiod knows who asks.
fn node(bootstrap: &serde_json::Value) -> Result<Node> {
    let json = &bootstrap["node"];
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let fields = json["metadata"].as_object().ok_or("the bootstrap's node has no metadata")?;
    Ok(Node {
        id: text(&json["id"]),
        cluster: text(&json["cluster"]),
        metadata: Some(Struct { fields: fields.iter().map(|(key, json)| (key.clone(), value(json))).collect() }),
        locality: Some(Locality { region: text(&json["locality"]["region"]), ..Locality::default() }),
        user_agent_name: String::from("envoy"),
        ..Node::default()
    })
}

fn value(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(flag) => Kind::BoolValue(*flag),
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Json::String(text) => Kind::StringValue(text.clone()),
        Json::Array(items) => Kind::ListValue(ListValue { values: items.iter().map(value).collect() }),
        Json::Object(fields) => {
            Kind::StructValue(Struct { fields: fields.iter().map(|(key, json)| (key.clone(), value(json))).collect() })
        }
    };
    Value { kind: Some(kind) }
}
