//! Answers with Envoy's headers.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, SERVER, WARNING, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

/// Text with status 200.
pub fn text(body: impl Into<Body>) -> Response {
    answer(StatusCode::OK, "text/plain; charset=UTF-8", body)
}

/// Text with another status.
pub fn failure(status: StatusCode, body: impl Into<Body>) -> Response {
    answer(status, "text/plain; charset=UTF-8", body)
}

/// What an action answers.
pub fn ok() -> Response {
    text("OK\n")
}

/// JSON that is text already.
pub fn json(body: impl Into<Body>) -> Response {
    answer(StatusCode::OK, "application/json", body)
}

/// A value as Envoy prints messages: one space a level, a line end after it.
pub fn pretty(value: &impl Serialize) -> Response {
    json(to_pretty(value) + "\n")
}

/// A value with one space a level.
pub fn to_pretty(value: &impl Serialize) -> String {
    let mut out = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut out, PrettyFormatter::with_indent(b" "));
    match value.serialize(&mut serializer) {
        Ok(()) => String::from_utf8_lossy(&out).into_owned(),
        // Only a message that breaks its own descriptor gets here; the rest of a dump goes on.
        Err(error) => serde_json::Value::from(format!("cannot be printed: {error}")).to_string(),
    }
}

/// The same answer with a remark for whoever looks at its head.
pub fn warned(mut response: Response, remark: &str) -> Response {
    let plain: String = remark.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
    let text = format!("299 outrigger \"{}\"", plain.replace(['"', '\\'], "'"));
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().insert(WARNING, value);
    }
    response
}

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, max-age=0"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(SERVER, HeaderValue::from_static("envoy"));
    response
}
