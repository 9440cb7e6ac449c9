//! Tests of `compressor`. The tables are what Envoy 1.40 answered to the same requests.

use std::io::Read as _;
use std::sync::Arc;

use config::filters::compression::*;
use config::filters::compressor::{Compressor, CompressorPerRoute, Direction, Response};
use config::filters::{HttpFilterConfig, ScopedConfig};
use config::matcher::StringMatcher;

use crate::http::filters::bench::{Filtered, Level};
use crate::http::testing::{Client, Outcome, fake::Script, get, post, with};
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Frame, Method};

fn library(encoding: &str) -> Compression {
    let library = match encoding {
        "gzip" => {
            CompressorLibrary::Gzip { level: None, strategy: GzipStrategy::Default, memory_level: 5, window_bits: 12 }
        }
        "br" => CompressorLibrary::Brotli {
            quality: 3,
            mode: BrotliMode::Generic,
            window_bits: 18,
            input_block_bits: 24,
            disable_literal_context_modeling: false,
        },
        _ => CompressorLibrary::Zstd { level: 3, checksum: false, strategy: None, dictionary: None },
    };
    Compression { name: "text".into(), library, chunk_size: None }
}

fn direction() -> Direction {
    let exact = |value: &str| StringMatcher::Exact { value: value.into(), ignore_case: true };
    Direction {
        enabled: true.into(),
        min_content_length: 30,
        content_types: vec![exact("application/json"), exact("text/plain")],
    }
}

fn compressor(encoding: &str, change: impl FnOnce(&mut Compressor)) -> HttpFilterConfig {
    let mut config = Compressor {
        library: library(encoding),
        choose_first: false,
        request: None,
        response: Response {
            common: direction(),
            own_statistics: true,
            disable_on_etag: false,
            weaken_etag: false,
            remove_accept_encoding: false,
            uncompressible_statuses: Vec::new(),
            status_header: false,
        },
    };
    change(&mut config);
    HttpFilterConfig::Compressor(Arc::new(config))
}

const BODY: &str = "hello hello hello hello hello hello hello hello hello hello";

async fn asked(bench: &mut Filtered, accept: Option<&'static str>, response: &[(&str, &'static str)]) -> Outcome {
    let mut headers = vec![("content-type", "application/json"), ("content-length", "59")];
    headers.retain(|(name, _)| !response.iter().any(|(other, _)| other == name));
    headers.extend(response.iter().filter(|(name, value)| *name != "content-length" || !value.is_empty()));
    bench.app(Script::answers(200, &headers, &[BODY]));
    let accept: Vec<_> = accept.into_iter().map(|value| ("accept-encoding", value)).collect();
    bench.send(with(get("/"), &accept)).await
}

fn gunzipped(outcome: &Outcome) -> String {
    let mut text = vec![0; 10_000];
    let mut inflate = zlib_rs::Inflate::new(true, 31);
    inflate.decompress(&outcome.client.body.concat(), &mut text, zlib_rs::InflateFlush::Finish).unwrap();
    let mut out = String::new();
    (&text[..inflate.total_out() as usize]).read_to_string(&mut out).unwrap();
    out
}

#[tokio::test]
async fn a_response_is_compressed_for_who_accepts_it() {
    let mut bench = Filtered::new([("gzip", compressor("gzip", |_| ()))]);
    let outcome = asked(&mut bench, Some("gzip"), &[]).await;
    assert_eq!(gunzipped(&outcome), BODY);
    assert_eq!(outcome.header("content-encoding").as_deref(), Some("gzip"));
    assert_eq!((outcome.header("content-length"), outcome.header("vary").as_deref()), (None, Some("Accept-Encoding")));
    assert_eq!(bench.app_saw().header("accept-encoding").as_deref(), Some("gzip"));
    let stat = |name: &str| bench.stat(&format!("http.test.compressor.text.gzip.{name}"));
    assert_eq!((stat("response.compressed"), stat("response.total_uncompressed_bytes")), (1, 59));
    let sent: usize = outcome.client.body.iter().map(|piece| piece.len()).sum();
    assert_eq!(stat("response.total_compressed_bytes"), sent as u64);
    assert_eq!((stat("header_compressor_used"), stat("request.not_compressed")), (1, 1));
}

/// Accept-Encoding, the response's headers; then `vary`, the status header, and which counter beside `(not_)compressed` moved.
type Row = (Option<&'static str>, &'static [(&'static str, &'static str)], bool, Option<&'static str>, &'static str);

async fn table(status_header: bool, rows: &[Row]) {
    for (accept, response, vary, status, moved) in rows {
        let mut bench = Filtered::new([(
            "gzip",
            compressor("gzip", |config| {
                config.response.status_header = status_header;
                config.response.disable_on_etag = true;
            }),
        )]);
        let outcome = asked(&mut bench, *accept, response).await;
        let row = format!("{accept:?} {response:?} {status_header}");
        assert_eq!(outcome.header("vary").is_some(), *vary, "{row}");
        assert_eq!(outcome.header("x-envoy-compression-status").as_deref(), *status, "{row}");
        for name in [
            "no_accept_header",
            "header_identity",
            "header_compressor_used",
            "header_wildcard",
            "header_not_valid",
            "not_compressed_etag",
            "response.content_length_too_small",
        ] {
            let wanted = moved.split(' ').filter(|one| *one == name).count() as u64;
            assert_eq!(bench.stat(&format!("http.test.compressor.text.gzip.{name}")), wanted, "{row}: {name}");
        }
    }
}

#[tokio::test]
async fn it_judges_as_envoy_does() {
    table(
        false,
        &[
            (Some("gzip"), &[], true, None, "header_compressor_used"),
            (None, &[], true, None, "no_accept_header"),
            (Some("br"), &[], true, None, "header_not_valid"),
            (Some("identity"), &[], true, None, "header_identity"),
            (Some("*"), &[], true, None, "header_wildcard"),
            (Some("br"), &[("content-type", "image/png")], false, None, "header_not_valid"),
            (Some("gzip"), &[("content-type", "image/png")], false, None, "header_not_valid"),
            (None, &[("content-type", "image/png")], false, None, "no_accept_header"),
            (Some("gzip"), &[("content-type", "")], false, None, "header_not_valid"),
            (Some("gzip"), &[("content-type", "Text/Plain ; charset=x")], true, None, "header_compressor_used"),
            (Some("gzip"), &[("etag", "\"a\"")], false, None, "header_compressor_used not_compressed_etag"),
            (Some("gzip"), &[("content-encoding", "br")], false, None, "header_compressor_used"),
            (Some("gzip"), &[("cache-control", "no-transform")], false, None, "header_compressor_used"),
            (Some("gzip"), &[("content-length", "29")], false, None, "response.content_length_too_small"),
            (Some("gzip;q=0"), &[], true, None, "header_not_valid"),
            (Some("gzip;q=x"), &[], true, None, "header_not_valid"),
            (Some("gzip;q=0, *"), &[], true, None, "header_not_valid"),
            (Some("identity;q=1, gzip;q=0.5"), &[], true, None, "header_identity"),
            (Some("GZIP"), &[], true, None, "header_not_valid"),
            (Some(""), &[], true, None, "header_not_valid"),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_status_header_says_why() {
    table(
        true,
        &[
            (Some("gzip"), &[], true, Some("gzip;Compressed;OriginalLength=59"), "header_compressor_used"),
            (
                Some("gzip"),
                &[("content-length", "")],
                true,
                Some("gzip;Compressed;OriginalLength="),
                "header_compressor_used",
            ),
            (None, &[], true, None, "no_accept_header"),
            (Some("br"), &[], true, None, "header_not_valid"),
            (Some("br"), &[("content-type", "image/png")], false, Some("gzip;ContentTypeNotAllowed"), ""),
            (None, &[("content-type", "image/png")], false, Some("gzip;ContentTypeNotAllowed"), ""),
            (Some("gzip"), &[("etag", "\"a\"")], false, Some("gzip;EtagNotAllowed"), "not_compressed_etag"),
            (Some("gzip"), &[("content-encoding", "br")], false, None, ""),
            (Some("gzip"), &[("cache-control", "no-transform")], false, None, ""),
            (Some("gzip"), &[("cache-control", "no-transform"), ("content-type", "image/png")], false, None, ""),
            (Some("gzip"), &[("content-encoding", "br"), ("etag", "\"a\"")], false, None, ""),
            (Some("gzip"), &[("content-encoding", "br"), ("content-length", "29")], false, None, ""),
            (
                Some("gzip"),
                &[("content-length", "29")],
                false,
                Some("gzip;ContentLengthTooSmall"),
                "response.content_length_too_small",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn statuses_and_heads_without_a_body_stay_as_they_are() {
    let config = || compressor("gzip", |config| config.response.uncompressible_statuses = vec![206]);
    let mut bench = Filtered::new([("gzip", config())]);
    bench.app(Script::answers(206, &[("content-type", "text/plain")], &[BODY]));
    let outcome = bench.send(with(get("/"), &[("accept-encoding", "gzip")])).await;
    assert_eq!((outcome.body().as_str(), outcome.header("vary")), (BODY, None));
    let mut head = get("/");
    head.method = Method::Head;
    bench.app(Script::answers(200, &[("content-type", "text/plain"), ("content-length", "59")], &[]));
    let outcome = bench.send(with(head, &[("accept-encoding", "gzip")])).await;
    assert_eq!((outcome.header("content-length").as_deref(), outcome.header("content-encoding")), (Some("59"), None));
    assert_eq!(outcome.header("vary").as_deref(), Some("Accept-Encoding"));
}

#[tokio::test]
async fn the_status_header_says_nothing_of_what_has_no_body() {
    for (headers, counter) in [
        (&[("content-type", "text/plain"), ("content-length", "29")][..], Some("response.content_length_too_small")),
        (&[("content-type", "image/png"), ("content-length", "59")], None),
        (&[("content-type", "text/plain"), ("content-length", "59"), ("etag", "\"a\"")], None),
    ] {
        let config = compressor("gzip", |config| {
            config.response.status_header = true;
            config.response.disable_on_etag = true;
        });
        let mut bench = Filtered::new([("gzip", config)]);
        bench.app(Script::answers(200, headers, &[]));
        let mut head = get("/");
        head.method = Method::Head;
        let outcome = bench.send(with(head, &[("accept-encoding", "gzip")])).await;
        assert_eq!((outcome.header("x-envoy-compression-status"), outcome.header("vary")), (None, None), "{headers:?}");
        for name in ["response.content_length_too_small", "not_compressed_etag"] {
            let count = bench.stat(&format!("http.test.compressor.text.gzip.{name}"));
            assert_eq!(count, u64::from(Some(name) == counter), "{headers:?} {name}");
        }
    }
}

#[tokio::test]
async fn tags_are_weakened_or_removed() {
    for (weaken, tag, left) in [
        (false, "\"a\"", None),
        (false, "W/\"a\"", Some("W/\"a\"")),
        (false, "w/\"a\"", Some("w/\"a\"")),
        (true, "\"a\"", Some("W/\"a\"")),
        (true, "W/\"a\"", Some("W/\"a\"")),
        (true, "a", Some("W/a")),
    ] {
        let mut bench = Filtered::new([(
            "gzip",
            compressor("gzip", |config| {
                config.response.weaken_etag = weaken;
                config.response.disable_on_etag = weaken;
            }),
        )]);
        let outcome = asked(&mut bench, Some("gzip"), &[("etag", tag), ("vary", "Origin")]).await;
        assert_eq!(outcome.header("etag").as_deref(), left, "{weaken} {tag}");
        assert_eq!(outcome.header("vary").as_deref(), Some("Origin, Accept-Encoding"));
    }
}

#[tokio::test]
async fn several_choose_together() {
    let chain = |first: &'static str| {
        Filtered::new(
            ["gzip", "br", "zstd"]
                .map(|encoding| (encoding, compressor(encoding, |config| config.choose_first = encoding == first))),
        )
    };
    for (accept, first, chosen) in [
        ("gzip, br, zstd", "", Some("gzip")),
        ("zstd, br", "", Some("zstd")),
        ("gzip, br, zstd", "br", Some("br")),
        ("*", "br", Some("gzip")),
        ("gzip;q=0, *", "", Some("br")),
        ("gzip;q=0.5, zstd;q=0.7, br;q=0.6", "", Some("zstd")),
        ("identity, gzip", "", None),
        ("deflate", "", None),
    ] {
        let mut bench = chain(first);
        let outcome = asked(&mut bench, Some(accept), &[]).await;
        assert_eq!(outcome.header("content-encoding").as_deref(), chosen, "{accept} {first}");
        assert_eq!(outcome.header("vary").as_deref(), Some("Accept-Encoding"));
    }
    let mut bench = chain("");
    asked(&mut bench, Some("gzip, br"), &[]).await;
    for (name, count) in [("brotli.header_compressor_overshadowed", 1), ("zstd.header_compressor_overshadowed", 1)] {
        assert_eq!(bench.stat(&format!("http.test.compressor.text.{name}")), count, "{name}");
    }
}

/// They come with their end, so that nothing is flushed before it.
#[tokio::test]
async fn our_own_answers_are_compressed_too() {
    let buffer = config::filters::buffer::Buffer { max_request_bytes: 1 };
    let gzip = compressor("gzip", |config| config.response.common.min_content_length = 1);
    let bench = Filtered::new([("gzip", gzip), ("buffer", HttpFilterConfig::Buffer(buffer.into()))]);
    let request = with(post("/"), &[("accept-encoding", "gzip")]);
    let outcome = bench.send_pieces(request, &["too", "long"]).await;
    assert_eq!((outcome.status(), outcome.header("content-encoding").as_deref()), (413, Some("gzip")));
    assert_eq!((gunzipped(&outcome).as_str(), outcome.client.body.len()), ("Payload Too Large", 1));
    let length = outcome.client.body[0].len() as u64;
    assert_eq!(bench.stat("http.test.compressor.text.gzip.response.total_compressed_bytes"), length);
    assert!(!outcome.client.body[0].windows(4).any(|octets| octets == [0, 0, 0xff, 0xff]), "a flush leaves these");
}

#[tokio::test]
async fn requests_are_compressed_where_that_is_wanted() {
    let mut bench = Filtered::new([("gzip", compressor("gzip", |config| config.request = Some(direction())))]);
    bench.app(Script { after_request: true, ..Script::answers(200, &[], &["ok"]) });
    let request = with(post("/"), &[("content-type", "text/plain"), ("content-length", "59")]);
    assert_eq!(bench.send_pieces(request, &[BODY]).await.status(), 200);
    let seen = bench.app_saw();
    assert_eq!((seen.header("content-encoding").as_deref(), seen.header("content-length")), (Some("gzip"), None));
    let mut text = vec![0; 1000];
    let mut inflate = zlib_rs::Inflate::new(true, 31);
    inflate.decompress(&seen.body, &mut text, zlib_rs::InflateFlush::Finish).unwrap();
    assert_eq!(&text[..inflate.total_out() as usize], BODY.as_bytes());
    assert_eq!(bench.stat("http.test.compressor.text.gzip.request.compressed"), 1);
    bench.app(Script { after_request: true, ..Script::answers(200, &[], &["ok"]) });
    let request = with(post("/"), &[("content-type", "text/plain"), ("content-length", "2")]);
    bench.send_pieces(request, &["hi"]).await;
    assert_eq!(bench.app_saw().body, b"hi");
    assert_eq!(bench.stat("http.test.compressor.text.gzip.request.content_length_too_small"), 1);
    // A request without a body is sent without one.
    bench.app(Script::answers(200, &[], &[]));
    bench.send(get("/")).await;
    let seen = bench.app_saw();
    assert!(seen.ended && seen.body.is_empty() && seen.head.body == BodyLength::Empty);
}

/// What a filter has held is one piece with its end, as for Envoy: nothing is flushed within it.
#[tokio::test]
async fn what_was_held_is_not_flushed() {
    let buffer = config::filters::buffer::Buffer { max_request_bytes: 100_000 };
    let gzip = compressor("gzip", |config| config.request = Some(direction()));
    let mut bench = Filtered::new([("buffer", HttpFilterConfig::Buffer(buffer.into())), ("gzip", gzip)]);
    let mut asked = Vec::new();
    for pieces in [&[BODY][..], &[&BODY[..10], &BODY[10..]]] {
        bench.app(Script { after_request: true, ..Script::answers(200, &[], &["ok"]) });
        let outcome = bench.send_pieces(with(post("/"), &[("content-type", "text/plain")]), pieces).await;
        assert_eq!(outcome.status(), 200);
        asked.push(bench.app_saw().body);
    }
    assert_eq!(asked[0], asked[1]);
    assert!(!asked[0].windows(4).any(|octets| octets == [0, 0, 0xff, 0xff]), "a flush leaves these");
    assert_eq!(bench.stat("http.test.compressor.text.gzip.request.total_compressed_bytes"), 2 * asked[0].len() as u64);
}

#[tokio::test]
async fn trailers_come_after_what_is_compressed() {
    let mut bench = Filtered::new([("gzip", compressor("gzip", |_| ()))]);
    let mut trailers = Headers::new();
    trailers.append(Name::new("t"), "1");
    let mut script = Script::answers(200, &[("content-type", "text/plain")], &[BODY]);
    script.body.pop_back();
    script.body.push_back(Ok(Frame::Trailers(trailers.clone())));
    bench.app(script);
    let outcome = bench.send_from(Client::default(), with(get("/"), &[("accept-encoding", "gzip")])).await;
    assert_eq!((gunzipped(&outcome).as_str(), outcome.client.trailers.clone()), (BODY, Some(trailers)));
}

#[tokio::test]
async fn routes_switch_it_off_or_on_and_have_libraries_of_their_own() {
    let overrides = |remove, library: Option<&str>| {
        ScopedConfig::Compressor(Arc::new(CompressorPerRoute::Overrides {
            response: true,
            remove_accept_encoding: remove,
            library: library.map(self::library),
        }))
    };
    for level in [Level::Table, Level::Host, Level::Route, Level::Weighted] {
        let off = ScopedConfig::Compressor(Arc::new(CompressorPerRoute::Disabled));
        let mut bench = Filtered::new([("gzip", compressor("gzip", |_| ()))]).tell(level, "gzip", off);
        assert_eq!(asked(&mut bench, Some("gzip"), &[]).await.body(), BODY);
        assert_eq!(bench.stat("http.test.compressor.text.gzip.response.not_compressed"), 1);
        let disabled = || [("gzip", compressor("gzip", |config| config.response.common.enabled = false.into()))];
        let mut bench = Filtered::new(disabled()).tell(level, "gzip", overrides(Some(true), None));
        assert_eq!(gunzipped(&asked(&mut bench, Some("gzip"), &[]).await), BODY);
        assert_eq!(bench.app_saw().header("accept-encoding"), None);
        let mut bench = Filtered::new(disabled()).tell(level, "gzip", overrides(None, Some("zstd")));
        let outcome = asked(&mut bench, Some("zstd"), &[]).await;
        assert_eq!(outcome.header("content-encoding").as_deref(), Some("zstd"), "{level:?}");
    }
}
