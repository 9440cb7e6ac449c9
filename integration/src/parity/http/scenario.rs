//! The format of scenarios, JSON: `filters` (those before the router), `router` (its fields), `route` (fields of the route to the application), `statistics` (words: the counters that hold one are
//! compared), and `requests`. A request has a `case` (its name), and may have `protocol` (`http1`, which is meant, or `http2`), `method` (`POST`), `path`
//! (`/pkg.Svc/Call`), `headers`, `body` (its pieces) and `trailers`; `answer` is what the application does: `status` (200), `headers`, `body`, `trailers`, or
//! `reset` after those. A path below `/none/` leads to a cluster without endpoints, and one below `/direct/` to a direct response.
//!
//! Each character of a piece is one octet. Read by [`super::play`] and the tests.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;

use super::Failure;

/// A scenario.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The file's.
    pub name: String,
    /// Filters before the router.
    pub filters: Value,
    /// Fields of the router.
    pub router: Value,
    /// Fields of the route to the application.
    pub route: Value,
    /// Words of the statistics that are compared.
    pub statistics: Vec<String>,
    /// What is asked.
    pub requests: Vec<Request>,
}

/// A request, and the application's answer.
#[derive(Debug, Clone)]
pub struct Request {
    /// What it is about.
    pub case: String,
    /// Over HTTP/2.
    pub http2: bool,
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
    /// The rest of it.
    pub message: Message,
    /// The answer's status.
    pub status: u16,
    /// The rest of the answer.
    pub answer: Message,
    /// The answer is broken off.
    pub reset: bool,
}

/// Headers, a body in pieces, and trailers.
#[derive(Debug, Clone)]
pub struct Message {
    /// In order.
    pub headers: Vec<(String, String)>,
    /// Pieces of the body.
    pub body: Vec<Bytes>,
    /// In order; none if there are none.
    pub trailers: Vec<(String, String)>,
}

/// Where the scenarios are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("parity/http_filters")
}

/// All scenarios, in order of their names.
///
/// # Errors
/// The file that is none.
pub fn all() -> Result<Vec<Scenario>, Failure> {
    let entries = std::fs::read_dir(folder())?.collect::<Result<Vec<_>, _>>()?;
    let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    paths.iter().map(|path| read(path).map_err(|error| format!("{}: {error}", path.display()).into())).collect()
}

fn read(path: &Path) -> Result<Scenario, Failure> {
    let value: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let name = path.file_stem().and_then(|name| name.to_str()).ok_or("the file has no name")?;
    let words = list(&value["statistics"]).iter().filter_map(Value::as_str).map(str::to_owned).collect();
    Ok(Scenario {
        name: name.to_owned(),
        filters: value["filters"].clone(),
        router: value["router"].clone(),
        route: value["route"].clone(),
        statistics: words,
        requests: list(&value["requests"]).iter().map(request).collect::<Result<_, _>>()?,
    })
}

fn request(value: &Value) -> Result<Request, Failure> {
    let text = |key: &str, default: &str| value[key].as_str().unwrap_or(default).to_owned();
    let answer = &value["answer"];
    Ok(Request {
        case: value["case"].as_str().ok_or("a request has no case")?.to_owned(),
        http2: value["protocol"] == "http2",
        method: text("method", "POST"),
        path: text("path", "/pkg.Svc/Call"),
        message: message(value)?,
        status: u16::try_from(answer["status"].as_u64().unwrap_or(200))?,
        answer: message(answer)?,
        reset: answer["reset"] == true,
    })
}

fn message(value: &Value) -> Result<Message, Failure> {
    let body = list(&value["body"]).iter().filter_map(Value::as_str).map(octets).collect::<Result<_, _>>()?;
    Ok(Message { headers: lines(&value["headers"]), body, trailers: lines(&value["trailers"]) })
}

fn lines(value: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    value.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect()
}

fn octets(text: &str) -> Result<Bytes, Failure> {
    let octet = |character: char| u8::try_from(u32::from(character)).map_err(|_| format!("{character:?} is no octet"));
    Ok(text.chars().map(octet).collect::<Result<Vec<_>, _>>()?.into())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
