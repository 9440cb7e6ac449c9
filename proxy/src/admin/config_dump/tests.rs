//! Tests of `config_dump`.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use config::dump::encode;
use serde_json::{Value, json};

use super::*;
use crate::admin::Admin;
use crate::admin::tests::{admin_with, get};
use crate::store::{Entry, Kind, Refused, Stored};

fn version(body: &Value, version: &str) -> Stored {
    Stored {
        body: encode(body).unwrap().into(),
        version: version.into(),
        last_updated: UNIX_EPOCH + Duration::from_millis(1_795_254_660_524),
    }
}

fn cluster(name: &str) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": { "cluster_name": name },
    })
}

fn listener(name: &str) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": name,
        "filter_chains": [{ "filters": [{
            "name": "hcm",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": "x",
                "route_config": { "name": format!("routes of {name}") },
            },
        }] }],
    })
}

fn secret(name: &str) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        "name": name,
        "tls_certificate": {
            "certificate_chain": { "inline_bytes": "Y2VydA==" },
            "private_key": { "inline_bytes": "aHVzaA==" },
            "password": { "inline_string": "hush" },
        },
    })
}

fn held(name: &str, is_static: bool, body: &Value) -> Entry {
    let version = version(body, if is_static { "" } else { "v1" });
    Entry { name: name.into(), is_static, active: Some(version), ..Entry::default() }
}

fn bootstrap() -> Bytes {
    let bootstrap = json!({
        "@type": "type.googleapis.com/envoy.config.bootstrap.v3.Bootstrap",
        "node": { "id": "as the file says" },
        "stats_config": { "use_all_default_tags": false },
    });
    encode(&bootstrap).unwrap().into()
}

fn admin() -> Arc<Admin> {
    let mut refused = held("bad", false, &listener("bad"));
    refused.refused =
        Some(Refused { resource: version(&listener("bad"), "v2"), reason: "filter_chains[0]: no".into() });
    let warming =
        Entry { active: None, warming: Some(version(&cluster("slow"), "v3")), ..held("slow", false, &cluster("slow")) };
    let missing = Entry { name: "ROOTCA".into(), ..Entry::default() };
    let route = json!({ "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": "80" });
    let endpoints = json!({
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": "out",
    });
    let mut refused_endpoints = held("out", false, &endpoints);
    refused_endpoints.refused =
        Some(Refused { resource: version(&endpoints, "v2"), reason: "endpoints[0]: no".into() });
    let resources = vec![
        (Kind::Cluster, held("agent", true, &cluster("agent"))),
        (Kind::Cluster, held("out", false, &cluster("out"))),
        (Kind::Cluster, warming),
        (Kind::Listener, held("0.0.0.0_15021", true, &listener("0.0.0.0_15021"))),
        (Kind::Listener, refused),
        (Kind::Route, held("80", false, &route)),
        (Kind::Endpoints, refused_endpoints),
        (Kind::Secret, held("default", false, &secret("default"))),
        (Kind::Secret, missing),
    ];
    admin_with(resources, bootstrap()).0
}

async fn dump(admin: &Arc<Admin>, query: &str) -> Vec<Value> {
    let (status, text) = get(admin, &format!("/config_dump?{query}")).await;
    assert_eq!(status, 200, "{text}");
    let json: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    // The layout is what a printer with one space a level makes, fields in the order of the messages.
    assert!(text.ends_with("}\n"));
    json["configs"].as_array().cloned().unwrap_or_default()
}

fn kinds(configs: &[Value]) -> Vec<&str> {
    configs.iter().map(|config| config["@type"].as_str().unwrap().rsplit('.').next().unwrap()).collect()
}

#[tokio::test]
async fn everything() {
    let admin = admin();
    let configs = dump(&admin, "include_eds=true").await;
    assert_eq!(
        kinds(&configs),
        [
            "BootstrapConfigDump",
            "ClustersConfigDump",
            "EndpointsConfigDump",
            "ListenersConfigDump",
            "ScopedRoutesConfigDump",
            "RoutesConfigDump",
            "SecretsConfigDump",
        ]
    );
    let [bootstrap, clusters, endpoints, listeners, _, routes, secrets] = &configs[..] else { panic!() };
    assert_eq!(bootstrap["bootstrap"]["node"]["metadata"]["ISTIO_VERSION"], "1.31");
    assert_eq!(bootstrap["bootstrap"]["static_resources"]["clusters"][0]["name"], "agent");
    assert!(bootstrap["bootstrap"]["static_resources"]["clusters"][0].get("@type").is_none());
    assert_eq!(bootstrap["last_updated"], "2026-11-21T09:51:00.524Z");

    assert_eq!(clusters["version_info"], "v7");
    assert_eq!(clusters["static_clusters"][0]["cluster"], cluster("agent"));
    assert!(clusters["static_clusters"][0].get("version_info").is_none());
    let active = &clusters["dynamic_active_clusters"][0];
    assert_eq!((&active["version_info"], &active["cluster"]), (&json!("v1"), &cluster("out")));
    assert_eq!(clusters["dynamic_warming_clusters"][0]["cluster"]["name"], "slow");

    let out = &endpoints["dynamic_endpoint_configs"][0];
    assert_eq!(out["endpoint_config"]["cluster_name"], "out");
    assert_eq!(out["error_state"]["details"], "endpoints[0]: no");
    let agent = &endpoints["static_endpoint_configs"][0];
    assert_eq!(agent["endpoint_config"]["cluster_name"], "agent");
    assert_eq!(agent["endpoint_config"]["policy"]["overprovisioning_factor"], 140);
    assert!(agent.get("error_state").is_none());

    assert_eq!(listeners["static_listeners"][0]["listener"]["name"], "0.0.0.0_15021");
    let bad = &listeners["dynamic_listeners"][0];
    assert_eq!(bad["name"], "bad");
    assert_eq!(bad["active_state"]["version_info"], "v1");
    assert_eq!(bad["error_state"]["details"], "filter_chains[0]: no");
    assert_eq!(bad["error_state"]["version_info"], "v2");

    let names: Vec<_> =
        routes["static_route_configs"].as_array().unwrap().iter().map(|r| &r["route_config"]["name"]).collect();
    assert_eq!(names, ["routes of 0.0.0.0_15021", "routes of bad"]);
    assert_eq!(routes["dynamic_route_configs"][0]["route_config"]["name"], "80");

    let default = &secrets["dynamic_active_secrets"][0];
    let certificate = &default["secret"]["tls_certificate"];
    assert_eq!(default["name"], "default");
    assert_eq!(certificate["certificate_chain"]["inline_bytes"], "Y2VydA==");
    assert_eq!(certificate["private_key"]["inline_bytes"], "W3JlZGFjdGVkXQ==");
    assert_eq!(certificate["password"]["inline_string"], "[redacted]");
    let missing = &secrets["dynamic_warming_secrets"][0];
    assert_eq!((&missing["name"], &missing["version_info"]), (&json!("ROOTCA"), &json!("uninitialized")));
    assert_eq!(missing["secret"]["name"], "ROOTCA");

    assert!(!kinds(&dump(&admin, "").await).contains(&"EndpointsConfigDump"));
}

#[tokio::test]
async fn layout_and_order_are_envoys() {
    let (_, text) = get(&admin(), "/config_dump?mask=dynamic_warming_clusters").await;
    assert_eq!(
        text,
        r#"{
 "configs": [
  {
   "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
   "dynamic_warming_clusters": [
    {
     "version_info": "v3",
     "cluster": {
      "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
      "name": "slow",
      "type": "STATIC",
      "connect_timeout": "1s",
      "load_assignment": {
       "cluster_name": "slow"
      }
     },
     "last_updated": "2026-11-21T09:51:00.524Z"
    }
   ]
  }
 ]
}
"#
    );
}

#[tokio::test]
async fn masks_that_istioctl_uses() {
    let admin = admin();
    for (mask, kind, fields) in [
        ("dynamic_active_secrets,dynamic_warming_secrets", "SecretsConfigDump", 3),
        ("dynamic_active_clusters,dynamic_warming_clusters,static_clusters", "ClustersConfigDump", 4),
        ("dynamic_listeners,static_listeners", "ListenersConfigDump", 3),
        ("dynamic_route_configs,static_route_configs", "RoutesConfigDump", 3),
        ("bootstrap", "BootstrapConfigDump", 2),
        ("bootstrap.node.id", "BootstrapConfigDump", 2),
    ] {
        let configs = dump(&admin, &format!("mask={mask}")).await;
        assert_eq!(kinds(&configs), [kind], "{mask}");
        assert_eq!(configs[0].as_object().unwrap().len(), fields, "{mask}");
    }
    let node = &dump(&admin, "mask=bootstrap.node.id").await[0];
    assert_eq!(node["bootstrap"], json!({ "node": { "id": "sidecar~1" } }));
    for mask in [
        "x",
        "x,bootstrap.node",
        "static_clusters.cluster.name",
        "bootstrapp",
        "bootstrap.nodee",
        "bootstrap,static_clusters",
    ] {
        let (status, text) = get(&admin, &format!("/config_dump?mask={mask}")).await;
        assert_eq!(status, 400, "{mask}");
        assert_eq!(text, format!("FieldMask {mask} could not be successfully applied to any configs."));
    }
    for nothing in ["", ","] {
        assert_eq!(dump(&admin, &format!("mask={nothing}")).await, dump(&admin, "").await);
    }
    // A list that is empty is no mistake: a proxy that has no secrets yet answers, too.
    let bare = admin_with(Vec::new(), bootstrap()).0;
    assert_eq!(kinds(&dump(&bare, "mask=dynamic_active_secrets").await), ["SecretsConfigDump"]);
}

#[tokio::test]
async fn single_lists() {
    let admin = admin();
    let configs = dump(&admin, "resource=static_clusters").await;
    assert_eq!(configs[0]["@type"], "type.googleapis.com/envoy.admin.v3.ClustersConfigDump.StaticCluster");
    assert_eq!(configs[0]["cluster"], cluster("agent"));
    let configs = dump(&admin, "resource=dynamic_active_clusters&mask=cluster.name").await;
    let want = json!({ "@type": cluster("out")["@type"], "name": "out" });
    assert_eq!(configs[0]["cluster"], want);
    assert!(configs[0].get("last_updated").is_none());
    for mask in ["nothing", "cluster.nothing", "cluster.name,nothing", "cluster.load_assignment.endpoints.lb_endpoints"]
    {
        let refused = get(&admin, &format!("/config_dump?resource=dynamic_active_clusters&mask={mask}")).await;
        assert_eq!(refused, (400, format!("FieldMask {mask} could not be successfully used.")));
    }
    assert!(dump(&admin, "resource=static_clusters&name_regex=^out").await.is_empty());
    assert_eq!(dump(&admin, "resource=dynamic_listeners&name_regex=^b.d$").await.len(), 1);
    assert_eq!(get(&admin, "/config_dump?resource=nope").await, (404, "nope not found in config dump".into()));
    assert_eq!(get(&admin, "/config_dump?resource=bootstrap").await.0, 400);
    let refused = get(&admin, "/config_dump?name_regex=a**").await;
    let words = "INVALID_ARGUMENT: Error while parsing name_regex from a**: bad repetition operator: **";
    assert_eq!(refused, (400, words.into()));
    let all = dump(&admin, "").await;
    for nothing in ["resource=", "resource", "resource=&mask=", "resource=&name_regex=", "mask="] {
        assert_eq!(dump(&admin, nothing).await, all, "{nothing}: no value is no wish");
    }
    let refused = get(&admin, "/config_dump?resource=&mask=nothing").await;
    assert_eq!(refused, (400, "FieldMask nothing could not be successfully applied to any configs.".into()));
}

#[tokio::test]
async fn names_choose_in_every_section() {
    let configs = dump(&admin(), "name_regex=^default$").await;
    assert!(configs[1].get("static_clusters").is_none() && configs[2].get("dynamic_listeners").is_none());
    assert_eq!(configs[5]["dynamic_active_secrets"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_not_known_stays_in_the_dump() {
    let garbage = Stored { body: Bytes::from_static(b"\xff\xff"), ..version(&cluster("x"), "v1") };
    let resource = Entry { active: Some(garbage), ..held("broken", false, &cluster("broken")) };
    let admin = admin_with(vec![(Kind::Cluster, resource)], Bytes::from_static(b"\xff")).0;
    let configs = dump(&admin, "").await;
    let broken = &configs[1]["dynamic_active_clusters"][0]["cluster"];
    assert_eq!(broken["value"], "W3JlZGFjdGVkXQ==", "nobody knows what it holds");
}

#[tokio::test]
async fn large_dumps_come_in_pieces() {
    use envoy_types::pb::envoy::config::cluster::v3::Cluster;
    use prost::Message;
    let one = held("x", false, &cluster("x"));
    let resources = (0..2000).map(|index| {
        let name = format!("outbound|80||service-{index}.default.svc.cluster.local");
        let body = Cluster { name: name.clone(), ..Cluster::default() }.encode_to_vec().into();
        let active = one.active.clone().map(|version| Stored { body, ..version });
        (Kind::Cluster, Entry { name: name.into(), active, ..one.clone() })
    });
    let admin = admin_with(resources.collect(), bootstrap()).0;
    let configs = dump(&admin, "").await;
    assert_eq!(configs[1]["dynamic_active_clusters"].as_array().unwrap().len(), 2000);
}

#[test]
fn secrets_inside_other_resources_are_hidden() {
    let context = json!({
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": "c",
        "transport_socket": { "name": "tls", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "common_tls_context": { "tls_certificates": [{
                "certificate_chain": { "filename": "/chain.pem" },
                "private_key": { "filename": "/key.pem" },
            }] },
        } },
    });
    let tree = tree::resource(&mut Descriptors::new(), context["@type"].as_str().unwrap(), &encode(&context).unwrap());
    let text = serde_json::to_string(&tree).unwrap();
    assert!(text.contains("/chain.pem") && !text.contains("/key.pem") && text.contains("[redacted]"), "{text}");

    let secrets = json!({
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        "name": "keys",
        "session_ticket_keys": { "keys": [{ "inline_bytes": "AAAA" }, { "filename": "/k" }] },
    });
    let tree = tree::resource(&mut Descriptors::new(), secrets["@type"].as_str().unwrap(), &encode(&secrets).unwrap());
    let text = serde_json::to_string(&tree).unwrap();
    assert!(!text.contains("AAAA") && !text.contains("/k\""), "{text}");
}

/// A resource that was refused is shown as well, in whatever shape its secrets came.
#[tokio::test]
async fn secrets_of_refused_resources_are_hidden() {
    let context = json!({ "commonTlsContext": { "tlsCertificates": [{
        "certificateChain": { "filename": "/chain.pem" },
        "privateKey": { "inlineString": "s3cr3t-m4rk" },
    }] } });
    let listener = json!({
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": "bad",
        "filter_chains": [{ "transport_socket": { "name": "tls", "typed_config": {
            "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
            "type_url": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "value": context,
        } } }],
    });
    let refused = Refused { resource: version(&listener, "v2"), reason: "no".into() };
    let entry = Entry { active: None, refused: Some(refused), ..held("bad", false, &listener) };
    let (status, text) = get(&admin_with(vec![(Kind::Listener, entry)], bootstrap()).0, "/config_dump").await;
    assert_eq!(status, 200);
    assert!(text.contains("error_state") && text.contains("/chain.pem") && !text.contains("s3cr3t-m4rk"), "{text}");
}
