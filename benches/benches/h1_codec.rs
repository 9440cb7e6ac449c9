//! What the HTTP/1 codec costs for one request as an application sends it: reading its head, and writing it on.

use std::hint::black_box;
use std::task::{Context, Waker};

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use proxy::transport::{Io, Stream};
use proxy::wire::codec::Upstream;
use proxy::wire::h1::decode::RequestDecoder;
use proxy::wire::h1::{Settings, client};

const REQUEST: &[u8] =
    b"GET /details/0?q=1 HTTP/1.1\r\nHost: details.bookinfo:9080\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\
x-request-id: 466307b8-6f63-40d3-9e3a-a93584a7a7da\r\nx-forwarded-proto: http\r\nX-Own-Header: of the application\r\n\
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\naccept-encoding: gzip, deflate\r\n\r\n";

fn codec(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("h1");
    group.throughput(Throughput::Bytes(REQUEST.len() as u64));
    group.bench_function("read a request head", |bencher| {
        let mut decoder = RequestDecoder::new(Settings::default());
        let mut buffer = BytesMut::with_capacity(16 * 1024);
        bencher.iter(|| {
            buffer.reserve(REQUEST.len());
            buffer.extend_from_slice(REQUEST);
            black_box(decoder.head(&mut buffer))
        });
    });
    group.bench_function("write a request head", |bencher| {
        let mut buffer = BytesMut::from(REQUEST);
        let decoded = RequestDecoder::new(Settings::default()).head(&mut buffer);
        let (head, _) = decoded.ok().flatten().expect("a sound request");
        let mut context = Context::from_waker(Waker::noop());
        bencher.iter(|| {
            let (ours, theirs) = tokio::io::duplex(4096);
            let mut connection = client::Connection::new(Stream::new(Io::Memory(ours)), &Settings::default());
            connection.begin();
            let sent = connection.send_head(&head, true);
            let _ = black_box((sent, connection.poll_flush(&mut context), theirs));
        });
    });
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
