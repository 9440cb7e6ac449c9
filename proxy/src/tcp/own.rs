//! The last filters that answer by themselves: echo, and direct response. Called by `listener` in place of the TCP proxy.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::filters::First;
use crate::drain::DrainWatch;
use crate::telemetry::stream_info::StreamInfo;
use crate::transport::Stream;

/// Octets that are read at a time.
const PIECE: usize = 16 * 1024;

/// Sends back what comes, to the end of the stream, and counts it.
pub async fn echo(mut stream: Stream, drain: &DrainWatch, first: Option<Box<First>>, info: &mut StreamInfo) {
    let echoing = async {
        if let Some(mut first) = first {
            std::future::poll_fn(|cx| first.poll(cx, &mut stream)).await?;
        }
        let mut piece = vec![0; PIECE];
        loop {
            let count = stream.read(&mut piece).await?;
            if count == 0 {
                return stream.shutdown().await;
            }
            info.bytes_received += count as u64;
            stream.write_all(&piece[..count]).await?;
            stream.flush().await?;
            info.bytes_sent += count as u64;
        }
    };
    tokio::select! {
        // Whose fault it is does not matter to an echo.
        _ = echoing => {}
        () = drain.deadline() => {}
    }
}

/// Sends the response, counts it and closes, whatever the client says.
pub async fn direct(mut stream: Stream, response: &[u8], drain: &DrainWatch, info: &mut StreamInfo) {
    let answering = async {
        stream.write_all(response).await?;
        info.bytes_sent += response.len() as u64;
        stream.shutdown().await
    };
    tokio::select! {
        // The client may be gone; there is nobody to tell.
        _ = answering => {}
        () = drain.deadline() => {}
    }
}
