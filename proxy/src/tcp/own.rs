//! The last filters that answer by themselves: echo, and direct response. Called by `listener` in place of the TCP proxy.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::filters::First;
use crate::drain::DrainWatch;
use crate::transport::Stream;

/// Octets that are read at a time.
const PIECE: usize = 16 * 1024;

/// Sends back what comes, to the end of the stream. Octets received and sent.
pub async fn echo(mut stream: Stream, drain: &DrainWatch, first: Option<Box<First>>) -> (u64, u64) {
    let (mut received, mut sent) = (0, 0);
    let echoing = async {
        if let Some(mut first) = first {
            std::future::poll_fn(|cx| {
                let seen = first.poll(cx, &mut stream);
                received = first.held();
                seen
            })
            .await?;
        }
        let mut piece = vec![0; PIECE];
        loop {
            let count = stream.read(&mut piece).await?;
            if count == 0 {
                return stream.shutdown().await;
            }
            received += count as u64;
            stream.write_all(&piece[..count]).await?;
            stream.flush().await?;
            sent += count as u64;
        }
    };
    tokio::select! {
        // Whose fault it is does not matter to an echo.
        _ = echoing => {}
        () = drain.deadline() => {}
    }
    (received, sent)
}

/// Sends the response and closes, whatever the client says. Octets sent.
pub async fn direct(mut stream: Stream, response: &[u8], drain: &DrainWatch) -> u64 {
    let mut sent = 0;
    let answering = async {
        stream.write_all(response).await?;
        sent = response.len() as u64;
        stream.shutdown().await
    };
    tokio::select! {
        // The client may be gone; there is nobody to tell.
        _ = answering => {}
        () = drain.deadline() => {}
    }
    sent
}
