//! The format of scenarios, JSON. Read by [`super::play`] and the tests.
//!
//! A scenario has `filters` (those before the router) and may have `router` (its fields), `route` (fields of the action of the route
//! `/pkg.Svc/`, to the application), `routes` (whole routes before all others), `host` and `table` (fields of the virtual host and of the
//! route table), `hosts` (more virtual hosts), `secrets` (static ones of the bootstrap), `runtime` (keys and values of all scenarios), `manager` (fields of the connection manager), `listener` (fields of the listener), `listener_filters`, `cluster` (fields of the application's), `upstream`
//! (`http1`; `http2` is meant), `log` (a format in place of the usual one, a text or JSON), `log_filters` (words
//! with filters of logs: a word stands before the line of what its filter takes), `statistics` (words: the counters that hold one are compared)
//! and `requests`. In all of them `$app` stands for the application's cluster, `$none` for one without endpoints, `$authorizer` for the
//! service of [`super::authorizer`], `$processor` for that of [`super::processor`], `$mirror` for a second cluster of the application, `$talker` for the application of dialogues.
//! `serves` says, by path below `/served/NAME/`, what the application answers to who names no answer (`status`, `body`); `key_sets` and
//! `tokens` are those of [`super::tokens`].
//!
//! A request has a `case` (its name), and may have `protocol` (`http1`, which is meant, or `http2`) or `protocols` (it is played for
//! each), `method` (`POST`), `host` (`app`), `path` (`/pkg.Svc/Call`), `headers` (a list of values stands for repeated lines; `{endpoint}`, `{base64}` and `{cookie}` are the application's
//! address as sessions have it, `{port}` its port, also in hosts), `body` (its
//! pieces, see [`super::pieces`]) and `trailers`; `answer` is what the application does: `status` (200), `headers`, `body`, `trailers`, or
//! `reset` after those, or `silent`: nothing. `check` is what the authorizer answers (see [`super::authorizer`]), `process` what the processor says (see [`super::processor`]), `reaches`: how many requests the application
//! is to see before the next (mirrors come when they come), `before` and `after`: pages of the admin interface that are posted to. `dialogue` has both sides speak step by step: see [`super::dialogue`]. A path
//! below `/none/` leads to a cluster without endpoints, one below `/direct/` to a direct response, one below `/redirect/` to a redirect.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;

use super::tokens::{self, Named};
use super::{Failure, pieces};
use crate::parity::scenarios::{self, known};

/// A scenario.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The file's.
    pub name: String,
    /// The file, with its clusters named.
    pub config: Value,
    /// Words of the statistics that are compared.
    pub statistics: Vec<String>,
    /// What the application says to who names no answer: path, status and body.
    pub serves: Vec<(String, u16, String)>,
    /// Tokens by their names.
    pub tokens: Vec<Named>,
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
    /// Its host.
    pub host: String,
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
    /// There is none.
    pub silent: bool,
    /// What the authorizer answers.
    pub check: Value,
    /// What the processor says.
    pub process: Value,
    /// How many requests the application is to see.
    pub reaches: usize,
    /// What both sides do, one after the other.
    pub dialogue: Vec<String>,
    /// Pages of the admin interface that are posted to before and after it.
    pub admin: [Option<String>; 2],
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

/// All scenarios: see [`scenarios::all`].
///
/// # Errors
/// The file that is none.
pub fn all() -> Result<Vec<Scenario>, Failure> {
    scenarios::all(&folder(), read)
}

/// Keys of a scenario, and of a request. What is misspelt would go unnoticed.
const KEYS: [&str; 21] = [
    "filters",
    "router",
    "route",
    "routes",
    "host",
    "hosts",
    "table",
    "manager",
    "listener",
    "listener_filters",
    "cluster",
    "upstream",
    "log",
    "log_filters",
    "statistics",
    "secrets",
    "runtime",
    "serves",
    "key_sets",
    "tokens",
    "requests",
];
const OF_REQUEST: [&str; 16] = [
    "case",
    "protocol",
    "protocols",
    "method",
    "host",
    "path",
    "headers",
    "body",
    "trailers",
    "answer",
    "check",
    "process",
    "reaches",
    "dialogue",
    "before",
    "after",
];
const OF_ANSWER: [&str; 6] = ["status", "headers", "body", "trailers", "reset", "silent"];

fn read(name: &str, text: &str) -> Result<Scenario, Failure> {
    let text = text.replace("$app", name);
    let named = ["none", "authorizer", "processor", "mirror", "talker"];
    let text = named.iter().fold(text, |text, cluster| text.replace(&format!("${cluster}"), cluster));
    let mut config: Value = serde_json::from_str(&text)?;
    known(&config, &KEYS)?;
    let tokens = tokens::put_in(&mut config)?;
    let words = list(&config["statistics"]).iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let mut requests = Vec::new();
    for value in list(&config["requests"]) {
        known(value, &OF_REQUEST)?;
        known(&value["answer"], &OF_ANSWER)?;
        let protocols = list(&value["protocols"]);
        for protocol in protocols {
            let mut each = request(value)?;
            each.http2 = protocol == "http2";
            each.case = format!("{}, {}", each.case, protocol.as_str().ok_or("a protocol is a text")?);
            requests.push(each);
        }
        if protocols.is_empty() {
            requests.push(request(value)?);
        }
    }
    let serves = config["serves"].as_object().into_iter().flatten().map(served).collect::<Result<_, _>>()?;
    Ok(Scenario { name: name.to_owned(), statistics: words, serves, tokens, requests, config })
}

fn served((path, answer): (&String, &Value)) -> Result<(String, u16, String), Failure> {
    let status = u16::try_from(answer["status"].as_u64().unwrap_or(200))?;
    Ok((path.clone(), status, answer["body"].as_str().unwrap_or_default().to_owned()))
}

fn request(value: &Value) -> Result<Request, Failure> {
    let text = |key: &str, default: &str| value[key].as_str().unwrap_or(default).to_owned();
    let answer = &value["answer"];
    let steps = list(&value["dialogue"]).iter().filter_map(Value::as_str).map(str::to_owned).collect();
    Ok(Request {
        case: value["case"].as_str().ok_or("a request has no case")?.to_owned(),
        http2: value["protocol"] == "http2",
        method: text("method", "POST"),
        host: text("host", "app"),
        path: text("path", "/pkg.Svc/Call"),
        message: message(value)?,
        status: u16::try_from(answer["status"].as_u64().unwrap_or(200))?,
        answer: message(answer)?,
        reset: answer["reset"] == true,
        silent: answer["silent"] == true,
        check: value["check"].clone(),
        process: value["process"].clone(),
        reaches: usize::try_from(value["reaches"].as_u64().unwrap_or(0))?,
        dialogue: steps,
        admin: ["before", "after"].map(|key| value[key].as_str().map(str::to_owned)),
    })
}

fn message(value: &Value) -> Result<Message, Failure> {
    let body = list(&value["body"]).iter().map(pieces::read).collect::<Result<Vec<_>, _>>()?;
    Ok(Message { headers: lines(&value["headers"]), body: body.concat(), trailers: lines(&value["trailers"]) })
}

fn lines(value: &Value) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        all.extend(values.iter().map(|value| (name.clone(), value.as_str().unwrap_or_default().to_owned())));
    }
    all
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
