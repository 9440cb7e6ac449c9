//! What must hold of filters that look at bodies, whatever a stranger sends and however it is cut. Called by the fuzz target `filters` in
//! `proxy/fuzz` and, with mutated seeds, by `tests` here; not part of the binary. It panics when a property does not hold.

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as Task, Poll, Waker};

use bytes::Bytes;
use config::At;
use config::filters::HttpFilterConfig;
use config::hcm::HttpFilter;

use super::context::Context;
use super::filters::behind::{Behind, Pinned};
use super::filters::chain::Chain;
use super::filters::filter::{FilterDeps, Way};
use super::filters::frames::Source;
use super::route::{RouteSlot, RouteSlots};
use super::stop::Stop;
use super::stream::Stream;
use super::upstreams::Upstreams;
use super::{ConnectionManager, OfListener};
use crate::call::Calls;
use crate::cluster::WorkerClusters;
use crate::compile::CompileDeps;
use crate::discoveries::Discoveries;
use crate::drain::{DrainWatch, ServerDrain};
use crate::logs::{SinkSettings, Sinks, WorkerLogs};
use crate::stats::{Stats, StatsSettings};
use crate::telemetry::stream_info::ConnectionInfo;
use crate::tls::Secrets;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Frame, Method, Protocol, RequestHead, ResponseHead};
use crate::worker::{ConnectionIds, Worker};

pub(in crate::http) mod configs;
#[cfg(test)]
mod tests;

/// Bodies through a stack of filters, both ways. The first octets choose filters, types and encodings, trailers and the cut; the rest are
/// the two bodies. Each way ends exactly once, nothing waits for what will never come, no body grows without a bound, and cutting it
/// differently changes nothing that a filter lets pass.
pub fn filters(input: &[u8]) {
    let Some((choice, bodies)) = input.split_first_chunk::<5>() else { return };
    let choice = Choice(*choice);
    let (request, response) = bodies.split_at(bodies.len() / 2);
    let whole = choice.run([request, response], usize::MAX);
    let cut = choice.run([request, response], choice.cut());
    for (whole, cut) in whole.iter().zip(&cut) {
        // What was let pass before a filter gave up hangs on the cut, and so does what a compressor makes of a body.
        if let (Ok(whole), Ok(cut), false) = (whole, cut, choice.compresses()) {
            assert!(whole == cut, "{whole:?}\n{cut:?}");
        }
    }
}

/// What the first octets say.
#[derive(Debug, Clone, Copy)]
struct Choice([u8; 5]);

/// What has passed: octets, and trailers line by line.
type Passed = (Vec<u8>, Vec<String>);

impl Choice {
    fn bit(self, octet: usize, bit: u8) -> bool {
        self.0[octet] & (1 << bit) != 0
    }

    fn cut(self) -> usize {
        usize::from(self.0[3]) % 7 + 1
    }

    fn compresses(self) -> bool {
        self.bit(0, 0)
    }

    fn encoding(self) -> &'static str {
        ["gzip", "br", "zstd"][usize::from(self.0[1]) % 3]
    }

    fn stack(self) -> Vec<HttpFilter> {
        let encoding = self.encoding();
        let filters = [
            (self.compresses(), configs::compressor(encoding)),
            (self.bit(0, 1), configs::decompressor(encoding)),
            (self.bit(0, 2), configs::buffer()),
            (self.bit(0, 3), configs::grpc_web()),
            (self.bit(0, 4), configs::bridge(self.bit(2, 7))),
            (self.bit(0, 5), configs::grpc_stats()),
            (self.bit(0, 6), configs::trailers()),
            (self.bit(0, 7), configs::decompressor("gzip")),
            (self.bit(4, 0), configs::json()),
            (self.bit(4, 1), configs::istio_stats()),
            (self.bit(4, 2), configs::delegated(configs::grpc_stats())),
            (self.bit(4, 3), configs::delegated(configs::trailers())),
            (self.bit(4, 4), configs::delegated(configs::json())),
        ];
        let filter = |config| HttpFilter { name: "f".into(), disabled: false, config };
        filters
            .into_iter()
            .filter(|(is_there, _)| *is_there)
            .map(|(_, config): (bool, HttpFilterConfig)| filter(config))
            .collect()
    }

    fn content_type(self) -> &'static str {
        let types = [
            "application/grpc",
            "application/grpc-web",
            "application/grpc-web-text",
            "application/grpc-web-text+proto",
            "text/plain",
            "application/x-protobuf",
        ];
        types[usize::from(self.0[2] & 0x7f) % types.len()]
    }

    fn headers(self) -> Headers {
        let mut headers = Headers::new();
        headers.append(Name::CONTENT_TYPE, self.content_type());
        if self.bit(1, 7) {
            headers.append(Name::new("content-encoding"), self.encoding());
        }
        headers
    }

    /// Each way's body, cut into pieces of that size; an error where a filter gave up.
    fn run(self, [request, response]: [&[u8]; 2], size: usize) -> [Result<Passed, String>; 2] {
        WORLD.with(|world| {
            let (context, stats) = world.get_or_init(world_of);
            let deps = FilterDeps { stats, scope: "fuzz.", discoveries: None, secrets: None, behind: false };
            let chain = Chain::compile(&At::root(), &self.stack(), &deps).expect("good filters");
            let pinned = Pinned::default();
            let mut headers = self.headers();
            headers.append(Name::new("accept-encoding"), "gzip, br, zstd");
            let mut stream = Stream::begin(context, &pinned, request_head(headers));
            let Some(mut filters) = Behind::start(&chain, &stream) else {
                return [Ok(Passed::default()), Ok(Passed::default())];
            };
            let mut body = Pieces::new(request, size, self.bit(3, 7));
            let up = filters.poll_request(&mut task(), &mut body, &mut stream, true);
            let up = passed(Way::Request, now(up), &mut filters, body, &mut stream);
            filters.answered(response_head(self.headers()));
            let mut body = Pieces::new(response, size, self.bit(3, 6));
            let down = filters.poll_response(&mut task(), &mut body, &mut stream);
            let down = passed(Way::Response, now(down).map(drop), &mut filters, body, &mut stream);
            filters.end(&mut stream);
            [up, down]
        })
    }
}

/// A body goes through, once its head has.
fn passed<'s>(
    way: Way,
    head: Result<(), Stop>,
    filters: &mut Behind<'s>,
    mut body: Pieces,
    stream: &mut Stream<'s>,
) -> Result<Passed, String> {
    head.map_err(|stop| format!("{stop:?}"))?;
    let (mut octets, mut trailers) = (Vec::new(), Vec::new());
    loop {
        let frame = now(filters.poll_frame(way, &mut task(), &mut body, stream)).map_err(|stop| format!("{stop:?}"))?;
        match frame {
            Frame::Data(data) => octets.extend_from_slice(&data),
            Frame::Trailers(list) => {
                let line = |name: &str, value: &[u8]| format!("{name}: {}", value.escape_ascii());
                trailers.extend(list.iter().map(|header| line(header.name.as_str(), &header.value)));
                break;
            }
            Frame::End => break,
        }
        assert!(octets.len() <= MOST, "{way:?}: a body of {} octets became {}", body.length, octets.len());
    }
    assert!(body.ended, "{way:?}: the end was made up");
    Ok((octets, trailers))
}

/// More than any of the filters makes of a few KiB: what is above it is a bomb.
const MOST: usize = 64 << 20;

/// Everything is there, so nobody waits.
fn now<T>(poll: Poll<T>) -> T {
    let Poll::Ready(value) = poll else { unreachable!("a filter waits for what is there") };
    value
}

fn task() -> Task<'static> {
    Task::from_waker(Waker::noop())
}

/// A body that is there.
struct Pieces {
    frames: VecDeque<Frame>,
    length: usize,
    /// The end was taken.
    ended: bool,
}

impl Pieces {
    fn new(body: &[u8], size: usize, trailers: bool) -> Pieces {
        let data = |piece: &[u8]| Frame::Data(Bytes::copy_from_slice(piece));
        let mut frames: VecDeque<Frame> = body.chunks(size.min(body.len()).max(1)).map(data).collect();
        let mut list = Headers::new();
        list.append(Name::GRPC_STATUS, "0");
        frames.push_back(if trailers { Frame::Trailers(list) } else { Frame::End });
        Pieces { frames, length: body.len(), ended: false }
    }
}

impl<'s> Source<'s> for Pieces {
    fn poll(&mut self, _cx: &mut Task<'_>, _stream: &mut Stream<'s>) -> Poll<Result<Frame, Stop>> {
        assert!(!self.ended, "nothing is asked for behind the end");
        let frame = self.frames.pop_front().unwrap_or(Frame::End);
        self.ended = self.frames.is_empty();
        Poll::Ready(Ok(frame))
    }
}

fn request_head(headers: Headers) -> RequestHead {
    RequestHead {
        protocol: Protocol::Http11,
        method: Method::Post,
        path: Bytes::from_static(b"/a.B/C"),
        about_server: false,
        authority: Bytes::from_static(b"svc"),
        scheme: Bytes::new(),
        headers,
        body: BodyLength::Unknown,
        upgrade: None,
        wire_size: 0,
    }
}

fn response_head(headers: Headers) -> ResponseHead {
    let body = BodyLength::Unknown;
    ResponseHead { protocol: Protocol::Http11, status: 200, reason: Bytes::new(), headers, body, wire_size: 0 }
}

thread_local! {
    static WORLD: OnceCell<(Context, Arc<Stats>)> = const { OnceCell::new() };
}

struct NoTables;

impl RouteSlots for NoTables {
    fn slot(&self, _name: &Arc<str>) -> Arc<RouteSlot> {
        RouteSlot::new()
    }
}

/// A connection of a worker without clusters.
fn world_of() -> (Context, Arc<Stats>) {
    let stats = Stats::new(StatsSettings::default());
    let deps = CompileDeps {
        secrets: &Secrets::new(),
        stats: &stats,
        log_sinks: &Sinks::new(SinkSettings::default()),
        discoveries: &Discoveries::new(stats.clone()),
        drain: Default::default(),
    };
    let direction = config::listener::Direction::Inbound;
    let listener = OfListener { direction, buffer_limit: 1 << 20, stats: "listener.fuzz." };
    let manager = ConnectionManager::compile(&Arc::new(configs::manager()), listener, &deps, &NoTables)
        .expect("a good configuration");
    let (clusters, published) = (Rc::new(WorkerClusters::new(0)), Arc::default());
    let worker = Rc::new(Worker {
        index: 0,
        calls: Calls::new(clusters.clone(), Arc::clone(&published), &stats, None),
        published,
        clusters,
        logs: WorkerLogs::new(0),
        drain: ServerDrain::new(Default::default()),
        stats: stats.clone(),
        connections: ConnectionIds::new(0, 1),
    });
    let address = SocketAddr::from(([127, 0, 0, 1], 80));
    let connection = ConnectionInfo::between(address, address);
    let upstreams = Upstreams::new(worker);
    let context = Context::new(manager, Rc::new(connection), upstreams, WorkerLogs::new(0), DrainWatch::never());
    (context, stats)
}
