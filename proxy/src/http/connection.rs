//! One downstream connection from its first byte to its last: which codec, requests one after another (HTTP/1) or side by side
//! (HTTP/2), idle and age limits, drain. `listener` calls [`serve`]; every request goes to [`exchange`].

mod count;
mod http1;
mod http2;
mod limits;

use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;

use config::hcm::CodecType;

use self::count::Count;
use self::limits::{Event, Limits};
use super::ConnectionManager;
use super::context::{Context, Spoken};
use super::upstreams::Upstreams;
use crate::drain::DrainWatch;
use crate::overload::Act;
use crate::telemetry::stream_info::ConnectionInfo;
use crate::transport::{ByteCounts, Stream};
use crate::wire::message::Protocol;
use crate::wire::sniff;
use crate::worker::Worker;

/// Serves one downstream connection to its end.
pub async fn serve(
    worker: Rc<Worker>,
    manager: Arc<ConnectionManager>,
    stream: Stream,
    connection: Rc<ConnectionInfo>,
    drain: DrainWatch,
) -> Spoken {
    let logs = worker.logs.clone();
    let context = Rc::new(Context::new(manager, connection, Upstreams::new(worker), logs, drain));
    run(Rc::clone(&context), stream).await;
    context.spoken.get()
}

/// Serves a connection whose surroundings are known.
pub(super) async fn run(context: Rc<Context>, stream: Stream) {
    let _count = Count::begin(&context);
    let mut limits = Limits::new(&context);
    let drain = context.drain.clone();
    let mut end = pin!(drain.deadline());
    let Some((protocol, stream)) = choose_codec(&context, stream, &mut limits, end.as_mut()).await else { return };
    let stats = &context.manager.stats;
    if context.does(Act::ShedCodec) {
        stats.downstream_rq_overload_close.inc();
        return;
    }
    let stream = stream
        .counted(ByteCounts { read: stats.downstream_cx_rx_bytes_total, written: stats.downstream_cx_tx_bytes_total });
    context.spoken.set(Spoken { protocol: Some(protocol), ..Spoken::default() });
    match protocol {
        Protocol::Http2 => {
            let _active = count::begin(stats.downstream_cx_http2_total, stats.downstream_cx_http2_active);
            http2::serve(&context, stream, limits, end).await;
        }
        Protocol::Http10 | Protocol::Http11 => {
            let _active = count::begin(stats.downstream_cx_http1_total, stats.downstream_cx_http1_active);
            http1::serve(&context, stream, limits, end).await;
        }
    }
}

/// The codec by configuration, by ALPN, or by the client's first bytes. `None` when the connection ended before that.
async fn choose_codec(
    context: &Context,
    stream: Stream,
    limits: &mut Limits,
    end: Pin<&mut impl Future<Output = ()>>,
) -> Option<(Protocol, Stream)> {
    let alpn = context.connection.tls.as_deref().and_then(|tls| tls.alpn.as_deref());
    match (context.manager.config.codec, alpn) {
        (CodecType::Http1, _) | (CodecType::Auto, Some(b"http/1.1" | b"http/1.0")) => Some((Protocol::Http11, stream)),
        (CodecType::Http2, _) | (CodecType::Auto, Some(b"h2")) => Some((Protocol::Http2, stream)),
        (CodecType::Auto, _) => match limits.idle(pin!(sniff::sniff(stream)), end).await {
            Event::Ready(Ok(sniffed)) => Some(sniffed),
            Event::Expired(expired) => {
                limits.count(context, expired);
                None
            }
            Event::Ready(Err(_)) | Event::Drained => None,
        },
    }
}

#[cfg(test)]
mod tests;
