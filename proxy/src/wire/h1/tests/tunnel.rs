//! Tunnels to a server: what the end of one direction is to the other side.

use super::*;

/// A request for a tunnel that the server has granted.
async fn granted(head: RequestHead, answer: &str) -> (client::Connection, DuplexStream) {
    let (stream, mut peer) = pipe();
    let mut connection = client::Connection::new(stream, &Settings::default());
    connection.begin();
    connection.send_head(&head, false).unwrap();
    poll_fn(|cx| connection.poll_flush(cx)).await.unwrap();
    seen(&mut peer).await;
    peer.write_all(answer.as_bytes()).await.unwrap();
    poll_fn(|cx| connection.poll_head(cx)).await.unwrap();
    (connection, peer)
}

#[tokio::test]
async fn the_end_of_a_connect_reaches_the_server_which_may_go_on() {
    for last_words in ["last words", ""] {
        let (mut connection, mut peer) = granted(request(Method::Connect, "", &[]), "HTTP/1.1 200 OK\r\n\r\n").await;
        connection.send_data(last_words.into(), true).unwrap();
        poll_fn(|cx| connection.poll_flush(cx)).await.unwrap();
        let mut heard = String::new();
        peer.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, last_words);
        peer.write_all(b"answer").await.unwrap();
        drop(peer);
        assert_eq!(upstream_body(&mut connection).await.unwrap().0, b"answer");
        assert!(!connection.is_reusable());
    }
}

/// What waits for a slow server comes before the end.
#[tokio::test]
async fn the_end_of_a_connect_comes_behind_all_that_was_sent() {
    let (mut connection, mut peer) = granted(request(Method::Connect, "", &[]), "HTTP/1.1 200 OK\r\n\r\n").await;
    connection.send_data(vec![b'x'; 3 << 20].into(), true).unwrap();
    let reading = async {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).await.unwrap();
        all.len()
    };
    let (flushed, read) = tokio::join!(poll_fn(|cx| connection.poll_flush(cx)), reading);
    assert!(flushed.is_ok());
    assert_eq!(read, 3 << 20);
}

#[tokio::test]
async fn a_websocket_has_an_end_of_its_own() {
    let mut head = request(Method::Get, "/", &[("connection", "upgrade"), ("upgrade", "websocket")]);
    head.upgrade = Some("websocket".into());
    let answer = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let (mut connection, mut peer) = granted(head, answer).await;
    connection.send_data("last words".into(), true).unwrap();
    poll_fn(|cx| connection.poll_flush(cx)).await.unwrap();
    assert_eq!(seen(&mut peer).await, "last words");
    let waited = tokio::time::timeout(std::time::Duration::from_millis(1), peer.read(&mut [0; 1])).await;
    assert!(waited.is_err(), "the connection is open");
}
