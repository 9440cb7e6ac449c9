//! Zipkin's JSON as a collector reads it.

use serde_json::Value;

use super::{Failure, Span};

/// The spans of a request.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Span>, Failure> {
    let all: Vec<Value> = serde_json::from_slice(bytes)?;
    all.iter().map(span).collect()
}

fn span(sent: &Value) -> Result<Span, Failure> {
    let text = |name: &str| sent[name].as_str().unwrap_or_default().to_owned();
    let number = |value: &Value| value.as_u64().ok_or("a span without times");
    let (start, duration) = (number(&sent["timestamp"])?, number(&sent["duration"])?);
    let annotations = sent["annotations"].as_array().cloned().unwrap_or_default();
    let mut events = Vec::new();
    for one in &annotations {
        let at = number(&one["timestamp"])?;
        // Envoy says that it is over a moment later, and reads two clocks.
        let last = matches!(one["value"].as_str(), Some("ss" | "cr"));
        if at < start || !last && at > start + duration + 1000 {
            return Err(format!("{one} is not within its span").into());
        }
        events.push(one["value"].as_str().unwrap_or_default());
    }
    let tags = sent["tags"].as_object().into_iter().flatten();
    let mut lines: Vec<_> =
        tags.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
    lines.push(format!("~ {}", events.join(" ")));
    let local = &sent["localEndpoint"];
    let has_address = local["ipv4"].is_string() || local["ipv6"].is_string();
    Ok(Span {
        trace: text("traceId"),
        id: text("id"),
        parent: text("parentId"),
        // Beside nanoseconds.
        start: start * 1000,
        head: format!(
            "{:?} kind={} shared={} of {} port {} {has_address}",
            text("name"),
            text("kind"),
            sent["shared"],
            local["serviceName"],
            local["port"]
        ),
        lines,
    })
}
