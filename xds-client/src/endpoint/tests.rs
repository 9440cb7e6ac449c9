//! Endpoints that cannot be reached say which and why.

use super::*;

async fn failure(endpoint: Endpoint) -> String {
    let connecting = endpoint.connect(Duration::from_secs(5), Keepalive::default());
    connecting.await.expect_err("nothing listens there").to_string()
}

#[tokio::test]
async fn a_missing_socket_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("XDS");
    let text = failure(Endpoint::Uds(path.clone())).await;
    assert!(text.contains(&path.display().to_string()), "{text}");
    assert!(text.contains("No such file"), "{text}");
}

#[tokio::test]
async fn a_refused_connection_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let text = failure(Endpoint::Tcp { host: "127.0.0.1".into(), port }).await;
    assert!(text.contains(&format!("127.0.0.1:{port}")) && text.contains("refused"), "{text}");
}

#[tokio::test]
async fn a_missing_root_file_is_named() {
    let tls = TlsSettings { roots: Pem::File("/nowhere/root.pem".into()), server_name: "x".into(), identity: None };
    let text = failure(Endpoint::Tls { host: "127.0.0.1".into(), port: 1, tls }).await;
    assert!(text.contains("/nowhere/root.pem"), "{text}");
}

#[test]
fn a_key_is_never_printed() {
    assert_eq!(format!("{:?}", Pem::Inline(b"secret".to_vec())), "Inline(6 bytes)");
}
