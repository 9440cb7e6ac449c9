//! How the process ends, and what of its logs is left then.

use outrigger_integration::embedded::client::{Connection, Request};
use outrigger_integration::embedded::sidecar::Launch;
use outrigger_integration::embedded::{EmbeddedMesh, Options};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Access logs are held back for an hour, or until a megabyte is full.
const HOLDING_BACK: &[&str] = &[
    "--file-flush-interval-msec",
    "3600000",
    "--file-flush-min-size-kb",
    "1024",
    "--drain-time-s",
    "45",
    "--disable-hot-restart",
    "--allow-unknown-static-fields",
];

async fn holding_back() -> EmbeddedMesh {
    let launch = Launch { flags: HOLDING_BACK, ..Launch::default() };
    EmbeddedMesh::start_with(Options { launch, ..Options::default() }).await
}

#[tokio::test]
async fn a_signal_ends_the_process_at_once_and_the_access_log_is_whole() {
    let mesh = holding_back().await;
    // One connection stays open and idle: it does not hold the end up.
    let mut kept = Connection::open(mesh.egress).await.expect("the egress listener accepts");
    assert_eq!(kept.send(Request::get("/the-last-one").host("details")).await.expect("an answer").status, 200);
    for (sidecar, signal) in [(&mesh.ratings, libc::SIGTERM), (&mesh.details, libc::SIGINT)] {
        assert!(!sidecar.log().contains("/the-last-one"), "the line is held back");
        sidecar.signal(signal).await;
        assert_eq!(sidecar.exit().await.code(), Some(0));
        sidecar.wait_access_log("/the-last-one").await;
    }
    assert!(Request::get("/").host("details").try_send(mesh.egress).await.is_err(), "nobody listens any more");
}

/// As Envoy does it: code 0, flag DC.
#[tokio::test]
async fn what_is_under_way_at_the_end_is_logged() {
    let mesh = holding_back().await;
    let mut client = TcpStream::connect(mesh.egress).await.expect("the egress listener accepts");
    let half = b"POST /unfinished HTTP/1.1\r\nhost: details\r\ncontent-length: 10\r\n\r\nhalf";
    client.write_all(half).await.expect("it reads");
    let under_way = async || {
        let hosts = mesh.ratings.admin("/clusters").await.text();
        hosts.lines().any(|line| line.contains("details") && line.ends_with("::rq_active::1")).then_some(())
    };
    mesh.ratings.wait_until("serving the request", under_way).await;
    mesh.ratings.signal(libc::SIGTERM).await;
    assert_eq!(mesh.ratings.exit().await.code(), Some(0));
    let line = mesh.ratings.wait_access_log("/unfinished").await;
    assert!(line.contains(" 0 DC downstream_local_disconnect"), "{line}");
}

#[tokio::test]
async fn quitquitquit_ends_the_process_with_its_log_whole() {
    let mesh = holding_back().await;
    assert_eq!(mesh.get("/the-last-one").await.status, 200);
    assert_eq!(mesh.ratings.admin_post("/quitquitquit").await.status, 200);
    assert_eq!(mesh.ratings.exit().await.code(), Some(0));
    mesh.ratings.wait_access_log("/the-last-one").await;
}

#[tokio::test]
async fn other_signals_end_nothing() {
    let mesh = EmbeddedMesh::start().await;
    mesh.ratings.signal(libc::SIGHUP).await;
    mesh.ratings.signal(libc::SIGUSR1).await;
    mesh.ratings.wait_line(|line| line.error && line.text.contains("SIGHUP")).await;
    assert_eq!(mesh.get("/").await.status, 200);
}
