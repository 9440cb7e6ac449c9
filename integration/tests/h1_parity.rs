//! HTTP/1 as raw bytes, to the real Envoy and to Outrigger, by the tables in `integration/parity`: status, response-code detail, what
//! is forwarded, and what the client gets. Envoy confirms that the tables are true; Outrigger must do the same, but for what `known.md`
//! lists.

use std::path::Path;

use outrigger_integration::embedded::binary;
use outrigger_integration::parity::envoy;
use outrigger_integration::parity::proxy::{Ask, Proxy};
use outrigger_integration::parity::table::{self, Case};
use outrigger_integration::parity::upstream::Upstream;
use outrigger_integration::skip::or_skip;

const REQUESTS: &str = include_str!("../parity/h1_requests.txt");
const RESPONSES: &str = include_str!("../parity/h1_responses.txt");

/// Whose answers are expected.
#[derive(Clone, Copy, PartialEq)]
enum Whose {
    Envoys,
    Ours,
}

fn expected(case: &Case, whose: Whose) -> Vec<&str> {
    if whose == Whose::Ours { case.expected() } else { case.all("envoy") }
}

fn requests(program: &Path, whose: Whose) {
    let upstream = Upstream::start().expect("a loopback port");
    let mut proxy = Proxy::start(program, &upstream).expect("it listens");
    let mut wrong = Vec::new();
    for case in table::read(REQUESTS).into_iter().filter(|case| whose == Whose::Envoys || !case.has("race")) {
        let expected = expected(&case, whose);
        let answers = expected.iter().filter(|line| !line.starts_with('0')).count();
        let bytes = case.bytes("send").expect("each case sends");
        let ask = Ask { bytes: &bytes, end: case.ends("send"), answers, lines: expected.len(), until: b"" };
        upstream.take_requests();
        let (_, lines) = match proxy.ask(&ask) {
            Ok(answer) => answer,
            Err(error) => {
                wrong.push(format!("{}: {error}, not {expected:?}", case.name));
                continue;
            }
        };
        let said: Vec<_> = lines.iter().map(|line| line.rsplit_once(' ').map_or(&line[..], |(said, _)| said)).collect();
        let forwarded = upstream.take_requests();
        if said != expected {
            wrong.push(format!("{}: {said:?}, not {expected:?}", case.name));
            continue;
        }
        // What differs on purpose is forwarded only where that is said, too.
        let ours = whose == Whose::Ours && case.has("ours");
        let forwards = case.all(if ours { "onwards" } else { "forwards" });
        let same = forwarded.len() == forwards.len()
            && forwarded.iter().zip(&forwards).all(|(seen, told)| *told == "yes" || table::unescape(told) == *seen);
        if !same {
            let forwarded: Vec<_> = forwarded.iter().map(|bytes| bytes.escape_ascii().to_string()).collect();
            wrong.push(format!("{}: forwards {forwarded:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

fn responses(program: &Path, whose: Whose) {
    let upstream = Upstream::start().expect("a loopback port");
    let mut proxy = Proxy::start(program, &upstream).expect("it listens");
    let mut wrong = Vec::new();
    for case in table::read(RESPONSES) {
        let expected = expected(&case, whose);
        upstream.answer(&case.bytes("send").expect("each case answers"), case.ends("send"));
        let bytes = case.bytes("request").unwrap_or_else(|| b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec());
        let gives = case.all("gives").first().filter(|gives| **gives != "yes").map(|gives| table::unescape(gives));
        let until = gives.as_deref().map_or(&b""[..], tail);
        let until = if whose == Whose::Ours && case.has("ours") { b"" } else { until };
        let ask = Ask { bytes: &bytes, end: false, answers: 1, lines: 1, until };
        let (seen, lines) = match proxy.ask(&ask) {
            Ok(answer) => answer,
            Err(error) => {
                wrong.push(format!("{}: {error}, not {expected:?}", case.name));
                continue;
            }
        };
        if lines != expected {
            wrong.push(format!("{}: {lines:?}, not {expected:?}", case.name));
        } else if let Some(gives) = gives
            && !(whose == Whose::Ours && case.has("ours"))
            && without_date_and_server(&seen) != String::from_utf8_lossy(&gives)
        {
            wrong.push(format!("{}: gives {}", case.name, seen.escape_ascii()));
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

/// The last bytes of a response, by which its end is known: of the last chunk, of a head without a body (whose last header may be one that
/// is not compared), or of the body.
fn tail(response: &[u8]) -> &[u8] {
    let length = match response {
        [.., b'\r', b'\n', b'0', b'\r', b'\n', b'\r', b'\n'] => 7,
        [.., b'\r', b'\n', b'\r', b'\n'] => 4,
        _ => 5,
    };
    &response[response.len().saturating_sub(length)..]
}

fn without_date_and_server(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let kept = text.split_inclusive('\n').filter(|line| !line.starts_with("date: ") && !line.starts_with("server: "));
    kept.collect()
}

#[test]
fn envoy_still_answers_requests_as_recorded() {
    if let Some(envoy) = or_skip("envoy_still_answers_requests_as_recorded", envoy()) {
        requests(&envoy, Whose::Envoys);
    }
}

#[test]
fn envoy_still_passes_responses_on_as_recorded() {
    if let Some(envoy) = or_skip("envoy_still_passes_responses_on_as_recorded", envoy()) {
        responses(&envoy, Whose::Envoys);
    }
}

#[test]
fn outrigger_answers_requests_as_envoy_does() {
    requests(&binary::build().expect("the binary builds"), Whose::Ours);
}

#[test]
fn outrigger_passes_responses_on_as_envoy_does() {
    responses(&binary::build().expect("the binary builds"), Whose::Ours);
}
