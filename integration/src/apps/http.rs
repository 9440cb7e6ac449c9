//! An HTTP/1 and h2c application: answers JSON, reports every request with its headers in order.
//!
//! `/details/0` is the book, `/status/N` answers with N, `/bytes/N` with N bytes; an upgrade to `websocket` gives a raw stream that
//! sends back what it gets; anything else tells the path and how long the body was.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use super::report;

/// The length of the body of `/details/0`.
pub const DETAILS_BYTES: usize = 515;

/// The only protocol to upgrade to.
const UPGRADE: &str = "websocket";

/// Serves `listen` for ever. `name` is in each report and in each answer but that of `/details/0`.
pub async fn serve(name: String, listen: SocketAddr) -> std::io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (stream, peer) = listener.accept().await?;
        tokio::spawn(serve_connection(name.clone(), stream, peer));
    }
}

/// Serves one connection, plain or decrypted.
pub async fn serve_connection<S>(name: String, stream: S, peer: SocketAddr)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| answer(name.clone(), peer, request));
    let connection = auto::Builder::new(TokioExecutor::new());
    // An error is the client's; the next connection is not touched by it.
    let _ = connection.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
}

async fn answer(
    name: String,
    peer: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let on_upgrade = hyper::upgrade::on(&mut request);
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes());
    let headers: Vec<_> =
        head.headers.iter().map(|(key, value)| json!([key.as_str(), text(value.as_bytes())])).collect();
    report(&json!({
        "app": name,
        "peer": peer.to_string(),
        "version": format!("{:?}", head.version),
        "method": head.method.as_str(),
        "target": head.uri.to_string(),
        "headers": headers,
        "body_bytes": body.as_ref().map(|body| body.len()).ok(),
    }));
    if asks_for_upgrade(&head.headers) {
        return Ok(upgraded(on_upgrade));
    }
    let path = head.uri.path();
    let status = path.strip_prefix("/status/").and_then(|code| code.parse().ok());
    let bytes = path.strip_prefix("/bytes/").and_then(|length| length.parse().ok());
    let body = match bytes {
        Some(length) => Bytes::from(vec![b'x'; length]),
        None if path == "/details/0" => Bytes::from(details()),
        None => {
            Bytes::from(json!({"app": name, "path": path, "body_bytes": body.map_or(0, |body| body.len())}).to_string())
        }
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status.unwrap_or(StatusCode::OK);
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    Ok(response)
}

fn asks_for_upgrade(headers: &http::HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|protocol| protocol == UPGRADE)
}

/// Says yes, and sends back whatever comes on the stream after that.
fn upgraded(on_upgrade: hyper::upgrade::OnUpgrade) -> Response<Full<Bytes>> {
    tokio::spawn(async move {
        let Ok(stream) = on_upgrade.await else { return };
        let (mut reader, mut writer) = tokio::io::split(TokioIo::new(stream));
        // The stream ends when the client or a proxy ends it; there is nobody to tell.
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut writer).await;
    });
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(header::CONNECTION, http::HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(header::UPGRADE, http::HeaderValue::from_static(UPGRADE));
    response
}

/// A book, padded to [`DETAILS_BYTES`].
fn details() -> String {
    let book =
        |notes: &str| json!({"id": 0, "author": "William Shakespeare", "year": 1595, "notes": notes}).to_string();
    let room = DETAILS_BYTES - book("").len();
    book(&"The Comedy of Errors. ".repeat(DETAILS_BYTES)[..room])
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;
