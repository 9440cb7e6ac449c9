//! Endpoints that cannot be reached say which and why.

use super::*;

async fn failure(endpoint: Endpoint) -> String {
    endpoint.connect(Duration::from_secs(5)).await.expect_err("nothing listens there").to_string()
}

#[tokio::test]
async fn a_missing_socket_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("XDS");
    let text = failure(Endpoint::uds(path.clone())).await;
    assert!(text.contains(&path.display().to_string()), "{text}");
    assert!(text.contains("No such file"), "{text}");
}

#[tokio::test]
async fn what_the_connector_says_is_told_with_the_server_s_name() {
    let connector: Connector = Arc::new(|| Box::pin(async { Err("no route to it".to_owned()) }));
    let endpoint = Endpoint::new("cluster 'x'", Uri::from_static("http://x"), connector, Http2::default());
    let text = failure(endpoint).await;
    assert!(text.starts_with("cannot connect to cluster 'x': ") && text.contains("no route to it"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_does_not_come_about_is_given_up() {
    let connector: Connector = Arc::new(|| Box::pin(std::future::pending()));
    let endpoint = Endpoint::new("x", Uri::from_static("http://x"), connector, Http2::default());
    assert_eq!(failure(endpoint).await, "cannot connect to x within 5s");
}

/// The policy of a gRPC server in Go that is not told otherwise, as Istio's agent serves secrets: a ping sooner than five
/// minutes after the last one is a strike, and the third ends the connection.
async fn serve_as_go_does(mut stream: tokio::io::DuplexStream) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const ACK: u8 = 1;
    let mut preface = [0; 24];
    if stream.read_exact(&mut preface).await.is_err() {
        return;
    }
    let (mut last, mut strikes) = (None, 0);
    let frame = |kind, flags, payload: &[u8]| {
        let mut bytes = vec![0, 0, payload.len() as u8, kind, flags, 0, 0, 0, 0];
        bytes.extend_from_slice(payload);
        bytes
    };
    let _ = stream.write_all(&frame(SETTINGS, 0, &[])).await;
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).await.is_err() {
            return;
        }
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        if stream.read_exact(&mut payload).await.is_err() {
            return;
        }
        if head[4] & ACK != 0 {
            continue;
        }
        match head[3] {
            SETTINGS => drop(stream.write_all(&frame(SETTINGS, ACK, &[])).await),
            PING => {
                let now = tokio::time::Instant::now();
                let since = last.replace(now).map(|last| now.duration_since(last));
                strikes += u32::from(since.is_some_and(|since| since < Duration::from_secs(300)));
                if strikes > 2 {
                    // ENHANCE_YOUR_CALM.
                    let reason = [&[0, 0, 0, 1, 0, 0, 0, 11][..], b"too_many_pings"].concat();
                    let _ = stream.write_all(&frame(7, 0, &reason)).await;
                    return;
                }
                let _ = stream.write_all(&frame(PING, ACK, &payload)).await;
            }
            _ => {}
        }
    }
}

/// What becomes of a secret's stream within an hour.
async fn after_an_hour(keepalive: Option<Keepalive>) -> Option<crate::SdsEvent> {
    let connector: Connector = Arc::new(|| {
        let (ours, far) = tokio::io::duplex(1 << 16);
        tokio::spawn(serve_as_go_does(far));
        Box::pin(async { Ok(Box::new(ours) as Box<dyn Connection>) })
    });
    let http2 = Http2 { keepalive, ..Http2::default() };
    let endpoint = Endpoint::new("the agent", Uri::from_static("http://sds-grpc"), connector, http2);
    let mut settings = crate::AdsSettings::new(endpoint, Default::default());
    settings.delta = false;
    let (mut handle, mut events) = crate::SdsClient::spawn(settings);
    handle.watch("default");
    tokio::time::timeout(Duration::from_secs(3600), events.next()).await.ok().flatten()
}

#[tokio::test(start_paused = true)]
async fn a_go_server_is_not_pinged_unless_the_configuration_asks() {
    assert!(after_an_hour(None).await.is_none(), "the stream lives on");
    let asked = Keepalive { interval: Duration::from_secs(30), timeout: Duration::from_secs(10) };
    let event = after_an_hour(Some(asked)).await.expect("the server has had enough");
    assert!(matches!(event, crate::SdsEvent::Failed { .. }), "{event:?}");
}
