//! Commands for people, and the page for them, on a mesh that runs.

use std::path::Path;
use std::process::{Command, Output};

use outrigger_integration::control_plane::resources::types;
use outrigger_integration::embedded::sidecar::Sidecar;
use outrigger_integration::embedded::{EmbeddedMesh, RATINGS, binary, ports};
use outrigger_integration::parity::started::Started;
use outrigger_integration::skip;
use serde_json::json;

/// What a command says and how it ends; standard error behind standard output.
async fn command(arguments: &[&str]) -> (i32, String) {
    let program = binary::build().expect("the binary");
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    // It asks a process that this one's runtime looks after.
    let run = tokio::task::spawn_blocking(move || Command::new(program).args(arguments).output());
    let Output { status, stdout, stderr } = run.await.expect("no panic").expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (status.code().expect("no signal"), text(&stdout) + &text(&stderr))
}

fn admin_of(sidecar: &Sidecar) -> String {
    sidecar.ports().bootstrap.admin.to_string()
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_explained_and_so_is_why_it_fails() {
    let mesh = EmbeddedMesh::start().await;
    let (admin, address) = (admin_of(&mesh.ratings), mesh.egress.ip().to_string());
    let target = format!("details.bookinfo:{}", mesh.egress.port());
    let explain = ["explain", &target, "--address", &address, "--admin", &admin];
    let (code, text) = command(&explain).await;
    says(
        &text,
        &[
            "(outbound)",
            "virtual host 'details.bookinfo.svc.cluster.local:9080'",
            "outbound|9080||details.bookinfo.svc.cluster.local: endpoints from the control plane",
            &format!("{} healthy", mesh.ingress),
            "we are spiffe://cluster.local/ns/bookinfo/sa/bookinfo-ratings (certificate 'default'",
            "the peer must be spiffe://cluster.local/ns/bookinfo/sa/bookinfo-details",
        ],
    );
    assert_eq!(code, 0, "{text}");
    // What it says is so.
    assert_eq!(mesh.get("/").await.status, 200);

    mesh.control_plane.edit(RATINGS, |set| {
        let name = "outbound|9080||details.bookinfo.svc.cluster.local";
        set.edit(types::ENDPOINT, name)["endpoints"] = json!([]);
    });
    let failing = async || (mesh.get("/").await.status == 503).then_some(());
    mesh.ratings.wait_until("without endpoints", failing).await;
    let (code, text) = command(&explain).await;
    says(&text, &["x endpoint", "has no endpoint: no workload of the service is ready", "503 (UH)"]);
    assert_eq!(code, 1, "{text}");
    let (code, text) = command(&["explain", "details", "--admin", &admin, "-o", "json", "--address", &address]).await;
    let told: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert!(
        code == 1 && told["arrives"] == false && told["steps"].as_array().is_some_and(|steps| steps.len() > 4),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_show_what_runs() {
    let mesh = EmbeddedMesh::start().await;
    let admin = admin_of(&mesh.ratings);
    for (kind, parts) in [
        ("listeners", &["active", "routes ", &*mesh.egress.to_string()][..]),
        ("routes", &["details.bookinfo.svc.cluster.local:9080", "/*", "outbound|9080||details"]),
        ("clusters", &["outbound|9080||details.bookinfo.svc.cluster.local", "EDS", "1/1", "mTLS"]),
        ("endpoints", &[&mesh.ingress.to_string(), "healthy"]),
        (
            "secrets",
            &["default", "certificate", "spiffe://cluster.local/ns/bookinfo/sa/bookinfo-ratings", "ROOTCA", "roots"],
        ),
    ] {
        let (code, text) = command(&["config", kind, "--admin", &admin]).await;
        says(&text, parts);
        assert_eq!(code, 0, "{text}");
        let (_, text) = command(&["config", kind, "--admin", &admin, "-o", "json"]).await;
        let list: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert!(list.as_array().is_some_and(|list| !list.is_empty()), "{kind}: {text}");
    }
    // The table of the details side, whose routes stand in its listener.
    let (_, text) = command(&["config", "routes", "--admin", &admin_of(&mesh.details)]).await;
    says(&text, &["inbound|http|"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_are_written_and_taken_out_again() {
    let mesh = EmbeddedMesh::start().await;
    let admin = admin_of(&mesh.ratings);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("hosts");
    let before = "127.0.0.1\tlocalhost\n10.0.0.1 mine # by hand\n";
    std::fs::write(&file, before).expect("a file");
    let path = file.display().to_string();
    let (code, printed) = command(&["hosts", "--admin", &admin]).await;
    says(&printed, &[&format!("{}\t", mesh.egress.ip()), " details.bookinfo\n", "details.bookinfo.svc.cluster.local"]);
    assert_eq!(code, 0, "{printed}");
    let on_file = |what: &'static str| {
        let (admin, path) = (admin.clone(), path.clone());
        async move { command(&["hosts", what, "--admin", &admin, "--file", &path]).await }
    };
    assert_eq!(on_file("--check").await.0, 1);
    assert_eq!(on_file("--write").await.0, 0);
    assert_eq!(on_file("--check").await.0, 0);
    let written = std::fs::read_to_string(&file).expect("the file");
    assert_eq!(written, format!("{before}{printed}"));
    let (code, text) = on_file("--write").await;
    assert!(code == 0 && text.contains("holds the block already"), "{text}");
    assert_eq!(command(&["hosts", "--remove", "--file", &path]).await.0, 0);
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_is_waited_for_and_checked() {
    let mesh = EmbeddedMesh::start().await;
    let admin = admin_of(&mesh.details);
    assert_eq!(command(&["wait", "--admin", &admin]).await, (0, String::new()));
    assert_eq!(command(&["healthcheck", "--admin", &admin]).await, (0, "LIVE\n".into()));
    mesh.details.admin_post("/healthcheck/fail").await;
    let draining = async || (mesh.details.admin("/ready").await.status == 503).then_some(());
    mesh.details.wait_until("failing its health check", draining).await;
    assert_eq!(command(&["healthcheck", "--admin", &admin]).await, (1, "DRAINING\n".into()));
    let (code, text) = command(&["wait", "--admin", &admin, "--timeout", "200ms"]).await;
    assert!(code == 1 && text.contains("it is DRAINING"), "{code} {text}");
    let (code, text) = command(&["wait", "--admin", "unix:/nowhere/admin", "--timeout", "200ms"]).await;
    assert!(code == 3 && text.contains("unix:/nowhere/admin does not answer"), "{code} {text}");
    let foreign = mesh.app.address().to_string();
    let (code, text) = command(&["config", "clusters", "--admin", &foreign]).await;
    assert!(code == 3 && text.contains("is this the admin interface?"), "{code} {text}");
    let (code, text) = command(&["healthcheck", "--admin", &foreign]).await;
    assert!(code == 1 && text.contains("is this the admin interface?") && text.lines().count() == 1, "{code} {text}");
}

/// A proxy that has its certificates from files, of which one is no good, and no names for the hosts file.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_proxy_of_files_lacks_is_said() {
    let (admin, port) = (ports::free(ports::loopback()), ports::free(ports::loopback()));
    let folder = tempfile::tempdir().expect("a folder");
    let secret = json!({ "resources": [{
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        "name": "own", "tls_certificate": { "certificate_chain": { "inline_string": "no PEM" }, "private_key": { "inline_string": "nor this" } },
    }] });
    let file = folder.path().join("secret.json");
    std::fs::write(&file, secret.to_string()).expect("a file");
    let bootstrap = |allowed: &[&str]| {
        let place = |at: std::net::SocketAddr| json!({ "socket_address": { "address": at.ip().to_string(), "port_value": at.port() } });
        let allowed: Vec<_> = allowed.iter().map(|prefix| json!({ "prefix": prefix })).collect();
        let tls = json!({ "name": "tls", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": { "tls_certificate_sds_secret_configs": [
                { "name": "own", "sds_config": { "path_config_source": { "path": file.display().to_string() } } } ] },
        } });
        let echo = json!({ "name": "echo", "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo" } });
        json!({
            "admin": { "address": place(admin), "allow_paths": allowed },
            "node": { "id": "n", "cluster": "c" },
            "static_resources": {
                "listeners": [{ "name": "in", "address": place(port), "filter_chains": [{ "filters": [echo], "transport_socket": tls }] }],
                "clusters": [{ "name": "nobody", "type": "STATIC" }],
            },
        })
    };
    let program = binary::build().expect("the binary");
    let proxy =
        Started::working(&program, tempfile::tempdir().expect("a folder"), &bootstrap(&[]), admin).expect("it starts");
    let at = admin.to_string();
    let target = port.to_string();
    let (code, text) = command(&["explain", &target, "--admin", &at]).await;
    says(&text, &["it wants TLS, and the application speaks plain text"]);
    assert_eq!(code, 1, "{text}");
    let (code, text) = command(&["explain", &target, "--tls", "--admin", &at]).await;
    says(&text, &["our certificate 'own' is refused: ", "no PEM certificate in it"]);
    assert_eq!(code, 1, "{text}");
    let (code, text) = command(&["config", "--admin", &at, "secrets"]).await;
    says(&text, &["warming", "own is refused: "]);
    assert_eq!(code, 0, "{text}");
    let (_, text) = command(&["config", "endpoints", "--admin", &at]).await;
    says(&text, &["no endpoint", "nobody"]);
    let hosts = folder.path().join("hosts").display().to_string();
    let (code, text) = command(&["hosts", "--check", "--file", &hosts, "--admin", &at]).await;
    says(&text, &["holds no block, and there is none that it could hold"]);
    assert_eq!(code, 1, "{text}");
    drop(proxy);
    let bootstrap = bootstrap(&["/stats", "/ready"]);
    let _proxy =
        Started::working(&program, tempfile::tempdir().expect("a folder"), &bootstrap, admin).expect("it starts");
    for line in [&["explain", "a:80"][..], &["config", "listeners"], &["hosts"]] {
        let (code, text) = command(&[line, &["--admin", &at]].concat()).await;
        says(&text, &["does not allow /config_dump?include_eds: let admin.allow_paths"]);
        assert_eq!(code, 3, "{text}");
    }
    assert_eq!(command(&["healthcheck", "--admin", &at]).await, (0, "LIVE\n".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_judged_with_their_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let good = file("good.yaml", "static_resources:\n  clusters:\n  - name: a\n");
    let listener = "  listeners:\n  - name: l\n    address: {socket_address: {address: 127.0.0.1, port_value: 7777}}\n    enable_mptcp: true\n";
    let ours = file("ours.yaml", &format!("static_resources:\n{listener}"));
    let bad =
        file("bad.yaml", &format!("static_resources:\n  clusters:\n  - name: a\n    connect_timeout: 0s\n{listener}"));
    let (code, text) = command(&["validate", &good]).await;
    assert_eq!((code, text), (0, format!("{good}: can be used\n")));
    let (code, text) = command(&["validate", &good, &ours]).await;
    says(
        &text,
        &[&format!("{ours}:5: valid for Envoy, not supported here: static_resources.listeners[\"l\"].enable_mptcp: ")],
    );
    assert_eq!(code, 4, "{text}");
    let (code, text) = command(&["validate", &ours, &bad]).await;
    says(
        &text,
        &[
            &format!("{bad}:4: static_resources.clusters[\"a\"].connect_timeout: value must be greater than 0s"),
            &format!("{bad}: 2 faults"),
        ],
    );
    assert_eq!(code, 1, "{text}");
    let (code, text) = command(&["validate", "/nowhere.yaml"]).await;
    assert!(code == 1 && text.starts_with("/nowhere.yaml: cannot be read: ") && !text.contains("-c"), "{code} {text}");
    let (_, text) = command(&["-c", &bad]).await;
    says(&text, &[&format!("{bad}:4: static_resources.clusters[\"a\"].connect_timeout: ")]);
    assert_eq!(command(&["validate"]).await.0, 2);
}

/// A real browser draws the page, small and large, in the light and in the dark, and its script runs: rates appear.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_shows_the_page() {
    let mesh = EmbeddedMesh::start().await;
    for _ in 0..3 {
        assert_eq!(mesh.get("/").await.status, 200);
    }
    let page = mesh.ratings.admin("/ui").await.text();
    says(
        &page,
        &["LIVE", "details", "spiffe://cluster.local/ns/bookinfo/sa/bookinfo-ratings", "Which names are served where"],
    );
    let browser = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    let Some(browser) = browser.iter().find(|path| Path::new(path).exists()) else {
        return skip::print("skipped: a_browser_shows_the_page: there is no chromium (Debian's package of that name)");
    };
    let folder =
        std::env::var_os("UI_SCREENSHOTS").map_or_else(|| tempfile::tempdir().expect("a folder").keep(), Into::into);
    let url = format!("http://{}/ui", admin_of(&mesh.ratings));
    for (name, size, dark) in [("phone", "390,1800", true), ("desk", "1280,1500", false)] {
        let shot = folder.join(format!("{name}.png"));
        let mut arguments = vec![
            "--headless".to_owned(),
            "--no-sandbox".into(),
            "--disable-gpu".into(),
            "--hide-scrollbars".into(),
            format!("--user-data-dir={}", folder.join(format!("{name}.profile")).display()),
            format!("--window-size={size}"),
            "--virtual-time-budget=6000".into(),
        ];
        if dark {
            arguments.push("--blink-settings=preferredColorScheme=0".into());
        }
        let mut drawn = arguments.clone();
        drawn.extend([format!("--screenshot={}", shot.display()), url.clone()]);
        let run = |arguments: Vec<String>| {
            let browser = (*browser).to_owned();
            tokio::task::spawn_blocking(move || Command::new(browser).args(arguments).output())
        };
        let output = run(drawn).await.expect("no panic").expect("it starts");
        assert!(shot.exists(), "{}", String::from_utf8_lossy(&output.stderr));
        arguments.extend(["--dump-dom".into(), url.clone()]);
        let dom = run(arguments).await.expect("no panic").expect("it starts");
        let dom = String::from_utf8_lossy(&dom.stdout).into_owned();
        // The agent's bootstrap leaves out what rates would be of.
        says(&dom, &["leaves out the statistics of them", "id=\"traffic\""]);
    }
}
