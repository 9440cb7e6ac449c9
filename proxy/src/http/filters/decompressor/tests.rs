//! Tests of `decompressor`. What is expected is what Envoy 1.40 does with the same requests, but where `mod.rs` says otherwise.

use std::sync::Arc;

use bytes::Bytes;
use config::filters::HttpFilterConfig;
use config::filters::compression::*;
use config::filters::decompressor::{Decompressor, Direction};

use crate::http::filters::bench::Filtered;
use crate::http::filters::compression::Packer;
use crate::http::testing::{Client, fake::Script, get, post, with};
use crate::wire::message::{BodyLength, Frame};

fn decompressor(change: impl FnOnce(&mut Decompressor)) -> Filtered {
    let on = Direction { enabled: true.into(), ignore_no_transform: false };
    let library = DecompressorLibrary::Gzip { window_bits: 15, max_inflate_ratio: 100 };
    let library = Decompression { name: "text".into(), library, chunk_size: None };
    let mut config = Decompressor { library, request: on.clone(), advertise: true, response: on };
    change(&mut config);
    Filtered::new([("decompressor", HttpFilterConfig::Decompressor(Arc::new(config)))])
}

fn gzipped(text: &[u8]) -> Bytes {
    let library =
        CompressorLibrary::Gzip { level: Some(9), strategy: GzipStrategy::Default, memory_level: 9, window_bits: 15 };
    let packer = Packer::compile(&Compression { name: "x".into(), library, chunk_size: None }).unwrap();
    let mut encoder = packer.encoder().unwrap();
    let mut packed = encoder.flush(text).unwrap();
    packed.extend_from_slice(&encoder.finish(&[]).unwrap());
    packed.freeze()
}

const TEXT: &[u8] = b"hello hello hello hello hello hello hello hello";

fn sending(body: &Bytes, step: usize) -> Client {
    let pieces = body.chunks(step).map(|piece| Ok(Frame::Data(Bytes::copy_from_slice(piece))));
    Client { pieces: pieces.chain([Ok(Frame::End)]).collect(), ..Client::default() }
}

#[tokio::test]
async fn a_request_reaches_the_application_as_it_was() {
    for step in [1, 5, 1000] {
        let mut bench = decompressor(|_| ());
        bench.cluster("app").protocol.set(crate::wire::message::Protocol::Http2);
        bench.app(Script { after_request: true, ..Script::answers(200, &[], &["ok"]) });
        let request = with(post("/"), &[("content-encoding", "gzip"), ("content-length", "29")]);
        assert_eq!(bench.send_from(sending(&gzipped(TEXT), step), request).await.status(), 200);
        let seen = bench.app_saw();
        assert_eq!(seen.body, TEXT);
        assert_eq!((seen.header("content-encoding"), seen.header("content-length")), (None, None));
        assert_eq!(seen.header("accept-encoding").as_deref(), Some("gzip"));
        let trailers = seen.trailers.unwrap();
        let trailer = |what: &str| trailers.get_str(&format!("x-envoy-decompressor-text-{what}-bytes")).cloned();
        assert_eq!(trailer("uncompressed").as_deref(), Some(&b"47"[..]));
        assert_eq!(trailer("compressed"), Some(Bytes::from(gzipped(TEXT).len().to_string())));
        let stat = |name: &str| bench.stat(&format!("http.test.decompressor.text.gzip.{name}"));
        assert_eq!((stat("request.decompressed"), stat("request.total_uncompressed_bytes")), (1, 47));
        assert_eq!(stat("request.total_compressed_bytes"), gzipped(TEXT).len() as u64);
    }
}

#[tokio::test]
async fn a_response_reaches_the_client_as_it_was() {
    let mut bench = decompressor(|_| ());
    let mut script = Script::answers(200, &[("content-encoding", "gzip, br"), ("content-length", "29")], &["x"]);
    script.body = [Ok(Frame::Data(gzipped(TEXT))), Ok(Frame::End)].into();
    bench.app(script);
    let outcome = bench.send(with(get("/"), &[("accept-encoding", "gzip;q=0.5, foo")])).await;
    assert_eq!((outcome.body().as_bytes(), outcome.header("content-length")), (TEXT, None));
    assert_eq!(outcome.header("content-encoding").as_deref(), Some("br"));
    assert_eq!(bench.app_saw().header("accept-encoding").as_deref(), Some("foo,gzip"));
}

#[tokio::test]
async fn what_is_not_meant_is_left_alone() {
    for (headers, decompressed) in [
        (&[("content-encoding", "br")][..], false),
        (&[("content-encoding", "br, gzip")], false),
        (&[], false),
        (&[("content-encoding", "gzip"), ("cache-control", "max-age=1, No-Transform")], false),
        (&[("content-encoding", "GZip , br")], true),
    ] {
        let mut bench = decompressor(|_| ());
        bench.app(Script { after_request: true, ..Script::answers(200, &[], &["ok"]) });
        bench.send_from(sending(&gzipped(TEXT), 1000), with(post("/"), headers)).await;
        assert_eq!(bench.app_saw().body == TEXT, decompressed, "{headers:?}");
        let name = if decompressed { "decompressed" } else { "not_decompressed" };
        assert_eq!(bench.stat(&format!("http.test.decompressor.text.gzip.request.{name}")), 1, "{headers:?}");
    }
    let mut bench = decompressor(|config| config.request.ignore_no_transform = true);
    bench.app(Script { after_request: true, ..Script::answers(200, &[], &["ok"]) });
    let headers = [("content-encoding", "gzip"), ("cache-control", "no-transform")];
    bench.send_from(sending(&gzipped(TEXT), 1000), with(post("/"), &headers)).await;
    assert_eq!(bench.app_saw().body, TEXT);
    let mut bench = decompressor(|config| {
        config.request.enabled = false.into();
        config.advertise = false;
    });
    bench.app(Script { after_request: true, ..Script::answers(200, &[], &["ok"]) });
    bench.send_from(sending(&gzipped(TEXT), 1000), with(post("/"), &[("content-encoding", "gzip")])).await;
    let seen = bench.app_saw();
    assert_eq!((&seen.body[..], seen.header("accept-encoding")), (&gzipped(TEXT)[..], None));
}

#[tokio::test]
async fn a_request_without_a_body_is_sent_without_one() {
    let mut bench = decompressor(|_| ());
    bench.app(Script::answers(200, &[], &["ok"]));
    assert_eq!(bench.send(with(get("/"), &[("content-encoding", "gzip")])).await.status(), 200);
    let seen = bench.app_saw();
    assert!(seen.ended && seen.head.body == BodyLength::Empty && seen.trailers.is_none());
}

#[tokio::test]
async fn what_follows_the_end_is_left_out_and_what_is_cut_off_goes_as_far_as_it_goes() {
    let whole = gzipped(TEXT);
    for (body, wanted) in [
        (Bytes::from([&whole[..], b"trailing"].concat()), TEXT),
        (whole.slice(..whole.len() - 8), TEXT),
        (Bytes::new(), b""),
    ] {
        let mut bench = decompressor(|_| ());
        bench.app(Script { after_request: true, ..Script::answers(200, &[], &["ok"]) });
        let request = with(post("/"), &[("content-encoding", "gzip")]);
        assert_eq!(bench.send_from(sending(&body, 1000), request).await.status(), 200);
        assert_eq!(bench.app_saw().body, wanted);
    }
}

#[tokio::test]
async fn a_body_that_is_none_ends_its_stream() {
    let mut bench = decompressor(|_| ());
    bench.app(Script { after_request: true, ..Script::answers(200, &[], &["ok"]) });
    let request = with(post("/"), &[("content-encoding", "gzip")]);
    let outcome = bench.send_pieces(request, &["this is not gzip at all"]).await;
    assert_eq!((outcome.status(), outcome.details()), (400, "decompressor_invalid_data"));
    assert_eq!(bench.stat("http.test.decompressor.text.gzip.decompressor_library.zlib_data_error"), 1);
    let mut bench = decompressor(|_| ());
    bench.app(Script::answers(200, &[("content-encoding", "gzip")], &["this is not gzip at all"]));
    let outcome = bench.send(get("/")).await;
    assert!(outcome.client.reset.is_some() && outcome.client.body.is_empty());
    assert_eq!((outcome.details(), outcome.flags().as_str()), ("decompressor_invalid_data", "UPE"));
}

#[tokio::test]
async fn a_bomb_is_answered_and_costs_no_memory() {
    let bomb = gzipped(&vec![0; 20_000_000]);
    let mut bench = decompressor(|_| ());
    bench.app(Script { after_request: true, ..Script::answers(200, &[], &["ok"]) });
    let outcome = bench.send_from(sending(&bomb, bomb.len()), with(post("/"), &[("content-encoding", "gzip")])).await;
    assert_eq!((outcome.status(), outcome.details()), (413, "decompressor_excessive_ratio"));
    let seen = bench.app_saw();
    assert!(!seen.ended && seen.body.len() <= bomb.len() * 100, "{}", seen.body.len());
    assert_eq!(bench.stat("http.test.decompressor.text.gzip.decompressor_library.zlib_data_error"), 1);
}

#[tokio::test]
async fn a_client_that_reads_slowly_is_given_a_round_at_a_time() {
    let large: Vec<u8> = (0..1_000_000u32).map(|number| (number % 251) as u8).collect();
    let library = DecompressorLibrary::Gzip { window_bits: 15, max_inflate_ratio: 1032 };
    let mut bench = decompressor(|config| config.library.library = library);
    let mut script = Script::answers(200, &[("content-encoding", "gzip")], &["x"]);
    script.body = [Ok(Frame::Data(gzipped(&large))), Ok(Frame::End)].into();
    bench.app(script);
    let client = Client { slow: std::cell::Cell::new(50), ..Client::default() };
    let outcome = bench.send_from(client, get("/")).await;
    assert!(outcome.client.body.concat() == large);
    assert!(outcome.client.body.iter().all(|piece| piece.len() <= 16 * 1024));
}
