//! Tests of `h1`: the same parts however the octets are cut, and an early end is told.

use super::*;

/// One text of all parts, data joined.
fn told(message: &[u8], cut: usize, closes: bool) -> String {
    let (mut reader, mut text) = (Reader::default(), String::new());
    let pieces = message.chunks(cut).map(Some).chain(closes.then_some(None));
    for part in pieces.flat_map(|piece| reader.read(piece).unwrap()) {
        text += &match part {
            Part::Informational(status) => format!("{status} "),
            Part::Head(line, headers) => format!("[{line}; {} headers] ", headers.len()),
            Part::Data(data) => String::from_utf8_lossy(&data).into_owned(),
            Part::Trailers(trailers) => format!(" {} trailers", trailers.len()),
            Part::End(well) => format!(" {well}"),
        };
    }
    text
}

#[test]
fn however_it_is_cut() {
    let chunked = b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\na: b\r\n\r\n\
        3\r\nabc\r\n2\r\nde\r\n0\r\nt: 1\r\n\r\n";
    let request = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello";
    let without = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    for cut in [1, 3, 7, 1000] {
        assert_eq!(told(chunked, cut, true), "103 [200; 2 headers] abcde 1 trailers true");
        assert_eq!(told(request, cut, true), "[POST /; 2 headers] hello true");
        assert_eq!(told(without, cut, true), "[GET /; 1 headers]  true");
        assert_eq!(told(&request[..request.len() - 2], cut, true), "[POST /; 2 headers] hel false");
        assert_eq!(told(b"HTTP/1.1 200 OK\r\n\r\nall", cut, true), "[200; 0 headers] all true");
        assert_eq!(told(b"HTTP/1.1 200 OK\r\n\r\nall", cut, false), "[200; 0 headers] all");
    }
    assert_eq!(told(b"", 1, true), " false");
}
