//! A scripted server of HTTP/1.1, for one request.

use std::cell::RefCell;
use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};

use super::{Script, Seen, Served};
use crate::wire::codec::{ResetReason, StreamError};
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Frame, Method, Protocol, RequestHead, ResponseHead};

/// Serves the connection to its end.
pub async fn serve(served: Served, mut script: Script, io: DuplexStream) {
    let (reader, writer) = tokio::io::split(io);
    let mut input = Input { reader, read: Vec::new() };
    // One that never carried a request has nothing to tell.
    let Ok((head, length)) = input.head().await else { return };
    let tunnel = head.method == Method::Connect || head.upgrade.is_some();
    let to_head = head.method == Method::Head;
    let (seen, busy) = served.begin(head);
    // Who reads nothing does not see us go, either.
    let _busy = (!script.deaf).then_some(busy);
    if let Length::Nothing = length {
        served.ends(&seen, None);
    }
    let deaf = script.deaf;
    let lost = script.lost(served.begun);
    let upload = async {
        if deaf {
            std::future::pending::<()>().await;
        }
        let _ = input.body(&length, &seen, &served).await;
        input.drain().await;
    };
    let answer = answer(&served, &mut script, writer, (tunnel, to_head));
    let loss = async {
        match lost {
            Some((time, _)) => tokio::time::sleep_until(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(upload, answer, loss);
    tokio::select! {
        biased;
        // The writer is kept until the other side has gone: a half that is dropped does not end the pipe, but one that is shut does.
        end = &mut answer => if let Ok(_writer) = end {
            tokio::select! {
                () = &mut upload => {}
                () = &mut loss => {}
            }
        },
        // A tunnel may be shut from one side; otherwise nobody hears the rest.
        () = &mut upload => if tunnel {
            tokio::select! {
                _ = &mut answer => {}
                () = &mut loss => {}
            }
        } else {
            seen.borrow_mut().reset = Some(ResetReason::Cancel);
        },
        () = &mut loss => {}
    }
}

/// How the body of a request ends.
enum Length {
    Nothing,
    Exact(usize),
    Chunked,
    UntilClose,
}

/// Says what the script says. An error: the connection is lost.
async fn answer(
    served: &Served,
    script: &mut Script,
    mut out: WriteHalf<DuplexStream>,
    (tunnel, to_head): (bool, bool),
) -> Result<WriteHalf<DuplexStream>, StreamError> {
    for status in std::mem::take(&mut script.informational) {
        put(&mut out, format!("HTTP/1.1 {status} Wait\r\n\r\n").as_bytes()).await?;
    }
    served.until_head(script).await;
    match script.fails.take() {
        Some(StreamError::Protocol { .. }) => {
            put(&mut out, b"this is no head\r\n\r\n").await?;
            return Ok(out);
        }
        Some(error) => return Err(error),
        None => {}
    }
    let head = script.head.take().expect("a script answers or fails");
    let tunnel = tunnel && (head.status == 101 || (200..300).contains(&head.status));
    let (text, chunked) = render(&head, script.is_only_head(), tunnel, to_head);
    put(&mut out, &text).await?;
    while let Some(frame) = script.body.pop_front() {
        match frame? {
            Frame::Data(data) => {
                if chunked {
                    put(&mut out, format!("{:x}\r\n", data.len()).as_bytes()).await?;
                }
                put(&mut out, &data).await?;
                if chunked {
                    put(&mut out, b"\r\n").await?;
                }
            }
            last @ (Frame::Trailers(_) | Frame::End) => {
                served.until_end(script).await;
                if tunnel {
                    let _ = out.shutdown().await;
                } else if chunked {
                    put(&mut out, b"0\r\n").await?;
                    if let Frame::Trailers(trailers) = &last {
                        put(&mut out, &lines(trailers)).await?;
                    }
                    put(&mut out, b"\r\n").await?;
                }
                return Ok(out);
            }
        }
    }
    // A script without an end has none.
    std::future::pending().await
}

async fn put(out: &mut WriteHalf<DuplexStream>, data: &[u8]) -> Result<(), StreamError> {
    out.write_all(data).await.map_err(|error| StreamError::Io(error.to_string().into()))
}

/// The head, and whether its body comes in chunks.
fn render(head: &ResponseHead, only_head: bool, tunnel: bool, to_head: bool) -> (Vec<u8>, bool) {
    let mut text = format!("HTTP/1.1 {} Said\r\n", head.status).into_bytes();
    text.extend(lines(&head.headers));
    let framed = tunnel || to_head || [204, 304].contains(&head.status);
    let framed = framed || head.headers.contains(&Name::CONTENT_LENGTH);
    if !framed && only_head {
        text.extend(b"content-length: 0\r\n");
    } else if !framed {
        text.extend(b"transfer-encoding: chunked\r\n");
    }
    text.extend(b"\r\n");
    (text, !framed && !only_head)
}

fn lines(headers: &Headers) -> Vec<u8> {
    let line = |name: &[u8], value: &[u8]| [name, b": ", value, b"\r\n"].concat();
    headers.iter().flat_map(|header| line(header.name.as_bytes(), &header.value)).collect()
}

/// What comes from the proxy.
struct Input {
    reader: ReadHalf<DuplexStream>,
    read: Vec<u8>,
}

impl Input {
    /// Reads more.
    async fn more(&mut self) -> io::Result<()> {
        if self.reader.read_buf(&mut self.read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.read.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.read.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            self.more().await?;
        }
    }

    /// Header lines to the empty one.
    async fn headers(&mut self) -> io::Result<Headers> {
        let mut headers = Headers::new();
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(": ") else { return Ok(headers) };
            headers.append(Name::new(name), value.to_owned());
        }
    }

    /// A head, without what the codec put into it.
    async fn head(&mut self) -> io::Result<(RequestHead, Length)> {
        let line = self.line().await?;
        let (method, target) = line.split_once(' ').expect("a method");
        let target = target.strip_suffix(" HTTP/1.1").expect("a version").to_owned();
        let mut headers = self.headers().await?;
        let method = Method::from_token(method.as_bytes(), || method.to_owned().into());
        let authority = headers.get_str("host").cloned().unwrap_or_default();
        headers.remove(&Name::new("host"));
        let chunked = headers.contains(&Name::TRANSFER_ENCODING);
        headers.remove(&Name::TRANSFER_ENCODING);
        let length = headers.get(&Name::CONTENT_LENGTH).map(|value| std::str::from_utf8(value).unwrap().parse());
        let upgrade = headers.get_str("upgrade").cloned();
        let length = match length {
            _ if method == Method::Connect || upgrade.is_some() => Length::UntilClose,
            _ if chunked => Length::Chunked,
            Some(length) => Length::Exact(length.expect("a number")),
            None => Length::Nothing,
        };
        let head = RequestHead {
            protocol: Protocol::Http11,
            path: if method == Method::Connect { "".into() } else { target.into() },
            about_server: false,
            method,
            authority,
            scheme: "".into(),
            headers,
            body: if matches!(length, Length::Nothing) { BodyLength::Empty } else { BodyLength::Unknown },
            upgrade,
            wire_size: 0,
        };
        Ok((head, length))
    }

    /// Some of so many octets.
    async fn some(&mut self, most: usize) -> io::Result<Vec<u8>> {
        if self.read.is_empty() {
            self.more().await?;
        }
        Ok(self.read.drain(..most.min(self.read.len())).collect())
    }

    /// So many octets of a body.
    async fn data(&mut self, mut left: usize, seen: &RefCell<Seen>) -> io::Result<()> {
        while left > 0 {
            let data = self.some(left).await?;
            left -= data.len();
            seen.borrow_mut().body.extend(data);
        }
        Ok(())
    }

    /// A body. An error: it was broken off.
    async fn body(&mut self, length: &Length, seen: &RefCell<Seen>, served: &Served) -> io::Result<()> {
        match length {
            Length::Nothing => {}
            Length::Exact(length) => {
                self.data(*length, seen).await?;
                served.ends(seen, None);
            }
            Length::Chunked => loop {
                let line = self.line().await?;
                let size = usize::from_str_radix(&line, 16).expect("the size of a chunk");
                if size == 0 {
                    let trailers = self.headers().await?;
                    let any = trailers.iter().next().is_some();
                    served.ends(seen, any.then_some(trailers));
                    return Ok(());
                }
                self.data(size, seen).await?;
                self.line().await?;
            },
            Length::UntilClose => {
                while let Ok(data) = self.some(usize::MAX).await {
                    seen.borrow_mut().body.extend(data);
                }
                served.ends(seen, None);
            }
        }
        Ok(())
    }

    /// Waits for the end of the connection.
    async fn drain(&mut self) {
        while self.some(usize::MAX).await.is_ok() {}
    }
}
