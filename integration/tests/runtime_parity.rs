//! Layers of the runtime that are static, on disk and an operator's: what `/runtime` shows, what changes traffic, what is counted, as with
//! the real Envoy. `UPDATE_GOLDENS=1` writes what Envoy does (`integration/parity/runtime.txt`).

#![allow(clippy::panic, reason = "helpers of a test: what they cannot do fails it")]

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use outrigger_integration::embedded::ports;
use outrigger_integration::parity::golden;
use outrigger_integration::parity::started::Started;
use serde_json::{Value, json};

fn bootstrap(admin: SocketAddr, listener: SocketAddr, root: &Path) -> Value {
    let socket = |address: SocketAddr| json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } });
    let route = |key: &str, status: u16| {
        json!({ "match": { "prefix": "/", "runtime_fraction": {
            "runtime_key": key, "default_value": { "numerator": 0 } } }, "direct_response": { "status": status } })
    };
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "h",
        "route_config": { "virtual_hosts": [{ "name": "v", "domains": ["*"], "routes": [
            route("of.admin", 201), route("of.disk", 202), route("of.bootstrap", 203),
            { "match": { "prefix": "/" }, "direct_response": { "status": 200 } }] }] },
        "http_filters": [{ "name": "router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } }],
    });
    let disk = |subdirectory: &str, of_cluster: bool| json!({ "symlink_root": root.join("current"), "subdirectory": subdirectory, "append_service_cluster": of_cluster });
    json!({
        "admin": { "address": socket(admin) },
        "node": { "id": "n", "cluster": "me" },
        "layered_runtime": { "layers": [
            { "name": "first", "static_layer": { "a": { "b": 1, "c": "two" }, "d": true, "e": 1.5, "of": { "bootstrap": 0 } } },
            { "name": "disk", "disk_layer": disk("all", false) },
            { "name": "mine", "disk_layer": disk("own", true) },
            { "name": "nowhere", "disk_layer": disk("nowhere", false) },
            { "name": "operator", "admin_layer": {} },
        ] },
        "static_resources": { "listeners": [{ "name": "l", "address": socket(listener),
            "filter_chains": [{ "filters": [{ "name": "hcm", "typed_config": manager }] }] }] },
    })
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().expect("below the root")).expect("the folder is writable");
    std::fs::write(path, text).expect("the folder is writable");
}

/// Status and body.
fn ask(address: SocketAddr, line: &str, form: Option<&str>) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let kind = form.map_or("", |_| "content-type: application/x-www-form-urlencoded\r\n");
    let form = form.unwrap_or_default();
    let length = form.len();
    let head =
        format!("{line} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{kind}content-length: {length}\r\n\r\n{form}");
    stream.write_all(head.as_bytes()).expect("it takes a request");
    let mut all = Vec::new();
    let _cut = stream.read_to_end(&mut all);
    let text = String::from_utf8_lossy(&all).into_owned();
    let status = text.split(' ').nth(1).unwrap_or("none").to_owned();
    // Envoy's admin answers in chunks, of which the lengths are not told.
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
    let chunked = head.contains("chunked");
    let lines = body.split("\r\n").enumerate().filter(|(at, _)| !chunked || at % 2 == 1).map(|(_, line)| line);
    (status, lines.collect::<Vec<_>>().concat())
}

struct Told {
    admin: SocketAddr,
    listener: SocketAddr,
    text: String,
}

impl Told {
    fn step(&mut self, what: &str) {
        let runtime: Value = serde_json::from_str(&ask(self.admin, "GET /runtime", None).1).expect("JSON");
        let (status, _) = ask(self.listener, "GET /", None);
        writeln!(self.text, "== {what}\nlayers {}", runtime["layers"]).expect("a string takes it");
        let entries = runtime["entries"].as_object().cloned().unwrap_or_default();
        // In order of their names.
        for (key, entry) in entries.into_iter().collect::<std::collections::BTreeMap<_, _>>() {
            writeln!(self.text, "{key} {} {}", entry["final_value"], entry["layer_values"]).expect("a string takes it");
        }
        let (_, counted) = ask(self.admin, "GET /stats?filter=^runtime%5C.", None);
        for line in counted.lines().filter(|line| !line.contains("deprecated")) {
            writeln!(self.text, "{line}").expect("a string takes it");
        }
        writeln!(self.text, "answers {status}").expect("a string takes it");
    }

    fn modify(&mut self, query: &str, form: Option<&str>) {
        let (status, body) = ask(self.admin, &format!("POST /runtime_modify{query}"), form);
        writeln!(self.text, "modify {query} {form:?}: {status} {body}").expect("a string takes it");
    }
}

fn played(program: &Path) -> String {
    let (admin, listener) = (ports::free(ports::loopback()), ports::free(ports::loopback()));
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().to_owned();
    write(&root, "v1/all/a/b", "# why\n7\n");
    write(&root, "v1/all/text", "hello\n");
    write(&root, "v1/own/me/e", "2.5");
    write(&root, "v1/own/you/e", "3.5");
    write(&root, "v2/all/of/disk", "100");
    symlink("v1", root.join("current")).expect("a link");
    let bootstrap = bootstrap(admin, listener, &root);
    let _proxy = Started::working(program, folder, &bootstrap, admin).unwrap_or_else(|error| panic!("{error}"));
    let mut told = Told { admin, listener, text: String::new() };
    told.step("start");
    told.modify("", None);
    told.modify("?of.admin=100&a.c=three", None);
    told.step("an operator's words");
    told.modify("", Some("of.admin=&new=1"));
    told.step("taken back, by a form");
    symlink("v2", root.join("next")).expect("a link");
    std::fs::rename(root.join("next"), root.join("current")).expect("it is moved");
    let until = Instant::now() + Duration::from_secs(20);
    while !ask(admin, "GET /runtime", None).1.contains("of.disk") {
        assert!(Instant::now() < until, "nobody sees what is moved there");
        std::thread::sleep(Duration::from_millis(20));
    }
    told.step("something else is moved to the root");
    told.modify("?of.disk=0", None);
    told.step("an operator has the last word");
    told.text
}

#[tokio::test]
async fn envoy_does_as_it_is_recorded() {
    golden::of_envoy("runtime.txt", async |program| Ok(played(program))).await;
}

#[tokio::test]
async fn the_same_is_done_here() {
    golden::of_outrigger("runtime.txt", async |program| Ok(played(program))).await;
}
