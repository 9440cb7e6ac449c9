//! `https_proxy` with the real curl: clients of a sidecar's `http_proxy` listener get a tunnel to the port that they ask for, where the mesh
//! has it, and to nobody else. Stock Envoy answers all of these 404.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use outrigger_integration::apps::tls;
use outrigger_integration::control_plane::model::{Protocol, Service};
use outrigger_integration::embedded::{EmbeddedMesh, RATINGS, ports};
use outrigger_integration::skip::or_skip;
use tokio::process::Command;

const EXTERNAL: &str = "api.external.test";
const HOST: &str = "secure.bookinfo.svc.cluster.local";

/// What curl says of a URL, by way of that proxy: its exit code, the body and its complaint.
async fn curl(proxy: SocketAddr, certificate: &Path, url: &str) -> (i32, String, String) {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "20", "--cacert"])
        .arg(certificate)
        .arg(url)
        .env_clear()
        .env("https_proxy", format!("http://{proxy}"))
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .await
        .expect("curl runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn https_proxy_leads_to_the_port_that_is_asked_for_and_to_nobody_else() {
    let found = Command::new("curl").arg("--version").output().await.map_err(|error| format!("no curl: {error}"));
    if or_skip("https_proxy_leads_to_the_port_that_is_asked_for_and_to_nobody_else", found).is_none() {
        return;
    }
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let (proxy, server) = (ports::free(loopback), ports::free(loopback));
    let folder = tempfile::tempdir().unwrap();
    let certificate = folder.path().join("certificate.pem");
    let serving = tls::serve("secure".into(), server, vec![HOST.into(), "secure".into()], &certificate);
    let asking = async {
        let mesh = EmbeddedMesh::start_changed(move |mesh| {
            let secure = Service::new("secure").port(80, Protocol::Http).port(8443, Protocol::Tcp);
            mesh.services.push(secure.plain_endpoint(8443, server));
            let ratings = mesh.find(RATINGS).clone();
            *mesh.find_mut(RATINGS) = ratings.egress(proxy.ip(), proxy.port(), Protocol::HttpProxy);
        })
        .await;
        for host in [HOST, "secure"] {
            let (exit, body, complaint) = curl(proxy, &certificate, &format!("https://{host}:8443/through")).await;
            assert_eq!(exit, 0, "{host}: {complaint}");
            assert!(body.contains("/through"), "{host}: {body}");
            let line = mesh.ratings.wait_access_log(" outbound|8443||secure").await;
            assert!(line.contains("\"CONNECT "), "{line}");
        }
        // A port that the mesh does not have, a host that the table does not name, and the server by its address.
        for target in [format!("{HOST}:9999"), "elsewhere.test:8443".into(), server.to_string()] {
            let (exit, body, complaint) = curl(proxy, &certificate, &format!("https://{target}/")).await;
            assert_ne!(exit, 0, "{target}: {body}");
            assert!(complaint.contains("404"), "{target}: {complaint}");
        }
    };
    tokio::select! {
        served = serving => served.unwrap(),
        () = asking => {}
    }
}

/// A server that is not of the mesh, as a ServiceEntry names it: OpenSSL's own, with a certificate of its own.
fn external(at: SocketAddr, folder: &Path) -> std::io::Result<tokio::process::Child> {
    let (key, certificate) = (folder.join("external.key"), folder.join("external.pem"));
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=external", "-addext", &format!("subjectAltName=DNS:{EXTERNAL}")])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()?;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut server = Command::new("openssl");
    server
        .args(["s_server", "-www", "-quiet", "-accept", &at.to_string(), "-key"])
        .arg(&key)
        .arg("-cert")
        .arg(&certificate);
    server.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).kill_on_drop(true).spawn()
}

#[tokio::test]
async fn https_proxy_leads_to_a_host_outside_of_the_mesh() {
    let found = async |program: &str, argument: &str| {
        Command::new(program).arg(argument).output().await.map_err(|error| format!("no {program}: {error}"))
    };
    let found = match found("curl", "--version").await {
        Ok(_) => found("openssl", "version").await,
        Err(reason) => Err(reason),
    };
    if or_skip("https_proxy_leads_to_a_host_outside_of_the_mesh", found).is_none() {
        return;
    }
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let (proxy, server) = (ports::free(loopback), ports::free(loopback));
    let folder = tempfile::tempdir().unwrap();
    let _server = external(server, folder.path()).expect("openssl starts");
    while tokio::net::TcpStream::connect(server).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let mesh = EmbeddedMesh::start_changed(move |mesh| {
        let mut entry = Service::new("external").port(80, Protocol::Http).port(443, Protocol::Tcp);
        entry.host = Some(EXTERNAL.into());
        mesh.services.push(entry.plain_endpoint(443, server));
        let ratings = mesh.find(RATINGS).clone();
        *mesh.find_mut(RATINGS) = ratings.egress(proxy.ip(), proxy.port(), Protocol::HttpProxy);
    })
    .await;
    // The handshake is between curl and the server: curl trusts nobody else.
    let certificate = folder.path().join("external.pem");
    let (exit, body, complaint) = curl(proxy, &certificate, &format!("https://{EXTERNAL}/")).await;
    assert_eq!(exit, 0, "{complaint}");
    assert!(body.contains("s_server"), "{body}");
    let line = mesh.ratings.wait_access_log(" outbound|443||api.external.test").await;
    assert!(line.contains("\"CONNECT "), "{line}");
    let (exit, ..) = curl(proxy, &certificate, &format!("https://{EXTERNAL}:8443/")).await;
    assert_ne!(exit, 0, "only the ports of the entry");
}
