//! The client of a dialogue, HTTP/1 or HTTP/2. Used by [`super::play`].

use std::future::poll_fn;
use std::net::SocketAddr;

use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::task::JoinSet;

use super::h1::Reader;
use super::talker::{data, end, head};
use super::{Ear, Part};
use crate::parity::http::Failure;
use crate::parity::http::app::map;
use crate::parity::http::scenario::Request;

/// A client with one connection.
pub(super) struct Client {
    /// What the proxy says.
    pub ear: Ear,
    side: Side,
    tasks: JoinSet<()>,
}

enum Side {
    Http1 { to: OwnedWriteHalf, chunked: bool },
    Http2 { sends: SendRequest<Bytes>, stream: Option<SendStream<Bytes>> },
    Gone,
}

impl Client {
    pub async fn connect(proxy: SocketAddr, request: &Request) -> Result<Client, Failure> {
        let (ear, mut tasks) = (Ear::default(), JoinSet::new());
        let stream = TcpStream::connect(proxy).await?;
        stream.set_nodelay(true)?;
        let side = if request.http2 {
            let (sends, connection) = h2::client::handshake(stream).await?;
            tasks.spawn(async move {
                // Each stream tells its own errors.
                let _ = connection.await;
            });
            Side::Http2 { sends: sends.ready().await?, stream: None }
        } else {
            let (mut from, to) = stream.into_split();
            let ear = ear.clone();
            tasks.spawn(async move {
                let (mut reader, mut room) = (Reader::default(), vec![0; 16 * 1024]);
                loop {
                    let count = from.read(&mut room).await.unwrap_or(0);
                    let parts = reader.read((count > 0).then(|| &room[..count]));
                    parts.unwrap_or_else(|_| vec![Part::End(false)]).into_iter().for_each(|part| ear.hear(part));
                    if count == 0 {
                        return;
                    }
                }
            });
            Side::Http1 { to, chunked: false }
        };
        Ok(Client { ear, side, tasks })
    }

    pub async fn octets(&mut self, octets: &str) -> Result<(), Failure> {
        let Side::Http1 { to, .. } = &mut self.side else { return Err("only HTTP/1 is text".into()) };
        to.write_all(octets.as_bytes()).await?;
        Ok(())
    }

    pub async fn head(&mut self, request: &Request) -> Result<(), Failure> {
        match &mut self.side {
            Side::Http1 { to, chunked } => {
                let line = format!("{} {} HTTP/1.1\r\nhost: {}", request.method, request.path, request.host);
                let (text, is_chunked) = head(&line, &request.message, has_body(request));
                *chunked = is_chunked;
                to.write_all(text.as_bytes()).await?;
            }
            Side::Http2 { sends, stream } => {
                let uri = format!("http://{}{}", request.host, request.path);
                let mut built = http::Request::builder().method(request.method.as_str()).uri(uri).body(())?;
                *built.headers_mut() = map(&request.message.headers)?;
                let (response, body) = sends.send_request(built, !has_body(request))?;
                *stream = Some(body);
                let ear = self.ear.clone();
                self.tasks.spawn(async move {
                    if listen(response, &ear).await.is_err() {
                        ear.hear(Part::End(false));
                    }
                });
            }
            Side::Gone => return Err("the client has left".into()),
        }
        Ok(())
    }

    pub async fn data(&mut self, piece: Bytes) -> Result<(), Failure> {
        match &mut self.side {
            Side::Http1 { to, chunked } => to.write_all(&data(&piece, *chunked)).await?,
            Side::Http2 { stream, .. } => stream.as_mut().ok_or("the head comes first")?.send_data(piece, false)?,
            Side::Gone => return Err("the client has left".into()),
        }
        Ok(())
    }

    pub async fn end(&mut self, trailers: &[(String, String)]) -> Result<(), Failure> {
        match &mut self.side {
            Side::Http1 { to, chunked } => to.write_all(end(trailers, *chunked).as_bytes()).await?,
            Side::Http2 { stream, .. } => {
                let stream = stream.as_mut().ok_or("the head comes first")?;
                if trailers.is_empty() {
                    stream.send_data(Bytes::new(), true)?;
                } else {
                    stream.send_trailers(map(trailers)?)?;
                }
            }
            Side::Gone => return Err("the client has left".into()),
        }
        Ok(())
    }

    pub fn leave(&mut self) {
        match std::mem::replace(&mut self.side, Side::Gone) {
            Side::Http2 { stream: Some(mut stream), .. } => stream.send_reset(h2::Reason::CANCEL),
            // Both halves have to go.
            _ => self.tasks.abort_all(),
        }
    }
}

/// Without a body there is nothing to be chunked.
fn has_body(request: &Request) -> bool {
    !request.message.body.is_empty() || request.dialogue.iter().any(|step| step == "client: end")
}

async fn listen(mut response: ResponseFuture, ear: &Ear) -> Result<(), h2::Error> {
    let head = poll_fn(|cx| {
        while let std::task::Poll::Ready(Some(Ok(early))) = response.poll_informational(cx) {
            ear.hear(Part::Informational(early.status().as_u16()));
        }
        std::pin::Pin::new(&mut response).poll(cx)
    });
    let (head, mut body) = head.await?.into_parts();
    ear.hear(Part::Head(head.status.as_u16().to_string(), head.headers));
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        ear.hear(Part::Data(data));
    }
    if let Some(trailers) = body.trailers().await? {
        ear.hear(Part::Trailers(trailers));
    }
    ear.hear(Part::End(true));
    Ok(())
}
