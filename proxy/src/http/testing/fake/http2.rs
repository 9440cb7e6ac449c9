//! A scripted server of HTTP/2, for one request.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::rc::Rc;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use tokio::io::DuplexStream;

use super::{Script, Seen, Served, reset};
use crate::wire::codec::{ResetReason, StreamError};
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Frame, Method, Protocol, RequestHead};

/// Serves the connection to its end.
pub async fn serve(served: Served, script: Script, io: DuplexStream) {
    let Ok(mut connection) = h2::server::handshake(io).await else { return };
    // One that never carried a request has nothing to tell.
    let Some(Ok((request, respond))) = connection.accept().await else { return };
    let (head, body) = head(request);
    let (seen, busy) = served.begin(head);
    let served = Rc::new(served);
    let reading = upload(served.clone(), seen.clone(), body, script.deaf);
    tokio::task::spawn_local(reading);
    let lost = script.lost(served.begun);
    let answer = answer(&served, script, respond, &seen);
    tokio::pin!(answer);
    // The connection is driven while it is waited for.
    let result = tokio::select! {
        result = &mut answer => result,
        _ = connection.accept() => return,
        () = closes(lost.as_ref()) => return,
    };
    drop(busy);
    if result.is_ok() {
        while let Some(Ok(_)) = connection.accept().await {}
    }
}

/// The time at which the connection closes of itself.
async fn closes(lost: Option<&(tokio::time::Instant, StreamError)>) {
    match lost {
        Some((time, error)) if reset(error).is_none() => tokio::time::sleep_until(*time).await,
        _ => std::future::pending().await,
    }
}

fn headers(map: &::http::HeaderMap) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in map {
        headers.append(Name::new(name.as_str()), Bytes::copy_from_slice(value.as_bytes()));
    }
    headers
}

fn fields(headers: &Headers) -> ::http::HeaderMap {
    let field = |name: &[u8], value: &[u8]| {
        (::http::HeaderName::from_bytes(name).unwrap(), ::http::HeaderValue::from_bytes(value).unwrap())
    };
    headers.iter().map(|header| field(header.name.as_bytes(), &header.value)).collect()
}

fn head(request: ::http::Request<RecvStream>) -> (RequestHead, RecvStream) {
    let (parts, body) = request.into_parts();
    let uri = &parts.uri;
    let text = |text: Option<&str>| Bytes::copy_from_slice(text.unwrap_or_default().as_bytes());
    let head = RequestHead {
        protocol: Protocol::Http2,
        method: Method::from_token(parts.method.as_str().as_bytes(), || text(Some(parts.method.as_str()))),
        path: text(uri.path_and_query().map(|path| path.as_str())),
        about_server: false,
        authority: text(uri.authority().map(|authority| authority.as_str())),
        scheme: text(uri.scheme_str()),
        headers: headers(&parts.headers),
        body: if body.is_end_stream() { BodyLength::Empty } else { BodyLength::Unknown },
        upgrade: None,
        wire_size: 0,
    };
    (head, body)
}

async fn upload(served: Rc<Served>, seen: Rc<RefCell<Seen>>, mut body: RecvStream, deaf: bool) {
    if deaf {
        std::future::pending::<()>().await;
    }
    if body.is_end_stream() {
        return served.ends(&seen, None);
    }
    while let Some(data) = body.data().await {
        let Ok(data) = data else { return };
        seen.borrow_mut().body.extend_from_slice(&data);
        let _ = body.flow_control().release_capacity(data.len());
    }
    if let Ok(trailers) = body.trailers().await {
        served.ends(&seen, trailers.as_ref().map(headers));
    }
}

/// Says what the script says. An error: the connection is lost.
async fn answer(
    served: &Served,
    mut script: Script,
    mut respond: SendResponse<Bytes>,
    seen: &RefCell<Seen>,
) -> Result<(), StreamError> {
    let gone = |reason: Option<Reason>| {
        seen.borrow_mut().reset = reason.map(|_| ResetReason::Cancel);
    };
    assert!(script.informational.is_empty(), "only HTTP/1 scripts have informational heads");
    if let Err(reason) = unless_reset(served.until_head(&script), |cx| respond.poll_reset(cx)).await {
        gone(reason);
        return Ok(());
    }
    if let Some(error) = script.fails.take() {
        return match reset(&error) {
            Some(code) => {
                respond.send_reset(Reason::from(code));
                Ok(())
            }
            None => Err(error),
        };
    }
    let said = script.head.take().expect("a script answers or fails");
    let mut response = ::http::Response::builder().status(said.status).body(()).unwrap();
    *response.headers_mut() = fields(&said.headers);
    let only_head = script.is_only_head();
    let Ok(mut stream) = respond.send_response(response, only_head) else { return Ok(()) };
    if only_head {
        return Ok(());
    }
    if let Err(reason) = body(served, &mut script, &mut stream).await? {
        gone(reason);
    }
    Ok(())
}

/// The body. The inner error: we were reset.
async fn body(
    served: &Served,
    script: &mut Script,
    stream: &mut SendStream<Bytes>,
) -> Result<Result<(), Option<Reason>>, StreamError> {
    while let Some(frame) = script.body.pop_front() {
        match frame {
            Ok(Frame::Data(data)) => drop(stream.send_data(data, false)),
            Ok(last) => {
                let wait = async {
                    match script.lost(served.begun) {
                        Some((time, error)) if reset(&error).is_some() => {
                            tokio::time::sleep_until(time).await;
                            reset(&error)
                        }
                        _ => {
                            served.until_end(script).await;
                            None
                        }
                    }
                };
                match unless_reset(wait, |cx| stream.poll_reset(cx)).await {
                    Err(reason) => return Ok(Err(reason)),
                    Ok(Some(code)) => stream.send_reset(Reason::from(code)),
                    Ok(None) => drop(match last {
                        Frame::Trailers(trailers) => stream.send_trailers(fields(&trailers)),
                        _ => stream.send_data(Bytes::new(), true),
                    }),
                }
                return Ok(Ok(()));
            }
            Err(error) => match reset(&error) {
                Some(code) => {
                    flushed(stream).await;
                    stream.send_reset(Reason::from(code));
                    return Ok(Ok(()));
                }
                None => {
                    flushed(stream).await;
                    return Err(error);
                }
            },
        }
    }
    // A script without an end has none.
    Ok(unless_reset(std::future::pending(), |cx| stream.poll_reset(cx)).await)
}

/// What was said goes out before it is cut off.
async fn flushed(_stream: &SendStream<Bytes>) {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

/// Waits for something, unless the stream is reset before: the inner error, with the reason if there is one.
async fn unless_reset<T>(
    wait: impl Future<Output = T>,
    mut poll_reset: impl FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Result<Reason, h2::Error>>,
) -> Result<T, Option<Reason>> {
    tokio::select! {
        biased;
        done = wait => Ok(done),
        reason = poll_fn(|cx| poll_reset(cx)) => Err(reason.ok().or(Some(Reason::CANCEL))),
    }
}
