//! The processor's changes of headers and trailers, by Envoy's rules: in Envoy's order, what is removed and then what is set, and nothing of it
//! when it is more than a head may hold. Called by `answer`. Nothing that it sends is believed to be a header.

use bytes::Bytes;
use config::filters::ext_proc::BodyMode;
use config::route::AppendAction;
use config::services::ext_proc::{BodyMutation, Common, HeaderChange, HeaderMutation};

use super::ExtProc;
use super::session::Mode;
use crate::http::filters::filter::Way;
use crate::http::filters::rules::{self, Permit, is_routing, permits, refused};
use crate::http::stream::Stream;
use crate::wire::headers::{Headers, Name, is_name, is_value};
use crate::wire::message::{RequestHead, ResponseHead};

/// What is changed.
pub(super) enum Head<'h> {
    Request(&'h mut RequestHead),
    Response(&'h mut ResponseHead),
    /// Trailers.
    Fields(&'h mut Headers),
    /// Those of an answer of our own, with its status.
    Reply(&'h mut Headers, &'h mut u16),
}

impl Head<'_> {
    fn headers(&mut self) -> &mut Headers {
        match self {
            Head::Request(head) => &mut head.headers,
            Head::Response(head) => &mut head.headers,
            Head::Fields(headers) | Head::Reply(headers, _) => headers,
        }
    }

    fn contains(&mut self, name: &str) -> bool {
        is_routing(name) || self.headers().contains(&Name::new(name))
    }

    /// Sets a header, or one of those with a colon that this kind of head has.
    fn set(&mut self, name: &str, value: Bytes) {
        match (self, name) {
            (Head::Request(head), _) => drop(rules::set(head, name, value)),
            (Head::Response(head), ":status") => head.status = status_of(&value).unwrap_or(head.status),
            (Head::Reply(_, status), ":status") => **status = status_of(&value).unwrap_or(**status),
            (_, name) if name.starts_with(':') => {}
            (head, name) => head.headers().set_said(Name::new(name), value),
        }
    }
}

/// Does something with a head of the stream, and with the stream.
pub(super) fn with_head<'s, T>(
    stream: &mut Stream<'s>,
    way: Way,
    act: impl FnOnce(&Stream<'s>, Head<'_>) -> Result<T, String>,
) -> Result<(), String> {
    match (way, stream.response.take()) {
        (Way::Response, Some(mut head)) => {
            let done = act(stream, Head::Response(&mut head));
            stream.response = Some(head);
            done.map(drop)
        }
        (_, response) => {
            stream.response = response;
            let mut head = std::mem::replace(&mut stream.request, RequestHead::unread());
            let done = act(stream, Head::Request(&mut head));
            stream.request = head;
            done.map(drop)
        }
    }
}

/// The head cannot say how long a body is that the processor may change behind it.
pub(super) fn loses_length(mode: Mode) -> bool {
    match mode.body {
        BodyMode::None => false,
        BodyMode::Streamed | BodyMode::BufferedPartial => true,
        BodyMode::Buffered => !mode.headers,
    }
}

/// Whether a body that the processor changed is as long as the head says, where it says so.
pub(super) fn agrees(stream: &Stream<'_>, way: Way, common: &Common) -> bool {
    let Some(mutation) = &common.body else { return true };
    let headers = match (way, &stream.response) {
        (Way::Response, Some(head)) => &head.headers,
        _ => &stream.request.headers,
    };
    let said = headers.get(&Name::CONTENT_LENGTH).and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
    let length = if let BodyMutation::Replace(octets) = mutation { octets.len() } else { 0 };
    said.is_none_or(|said: usize| said == length)
}

impl ExtProc {
    /// Changes a head or trailers; the flags: the whole message is replaced, and the head says no length.
    ///
    /// # Errors
    /// What is no header, or what the rules forbid as an error; or it is too much.
    pub(super) fn change(
        &self,
        stream: &Stream<'_>,
        mut head: Head<'_>,
        mutation: &HeaderMutation,
        [replaces, loses_length]: [bool; 2],
    ) -> Result<(), String> {
        let (rejected, limits) = (&self.stats.rejected_header_mutations, &stream.context.manager.config);
        let most = limits.max_headers_count as usize;
        let reject = |why: String| {
            rejected.inc();
            Err(why)
        };
        let (remove, set) = (mutation.remove.len(), mutation.set.len());
        if remove > most || set > most {
            return reject(format!(
                "Header mutation remove header count {remove} or set header count {set} exceed the HCM header countlimit {most}"
            ));
        }
        for name in &mutation.remove {
            let name = name.to_ascii_lowercase();
            if !is_said_name(&name) {
                return reject("Invalid character in remove_headers mutation.".to_owned());
            }
            match self.may_remove(&name) {
                Permit::Yes => drop(head.headers().remove(&Name::new(&name))),
                Permit::No => rejected.inc(),
                Permit::Error => return reject(format!("Invalid attempt to remove {name}")),
            }
        }
        for change in &mutation.set {
            let name = change.name.to_ascii_lowercase();
            if loses_length && name == "content-length" {
                continue;
            }
            if change.twice {
                return reject("Only one of value or raw_value in the HeaderValue message should be set.".to_owned());
            }
            if !is_said_name(&name) || !is_value(&change.value) {
                return reject("Invalid character in set_headers mutation.".to_owned());
            }
            let Some(appends) = appends(&mut head, &name, change)? else { continue };
            let permit = match &*name {
                ":method" if replaces && !appends => Permit::Yes,
                name => self.may_set(name, &change.value, appends),
            };
            match permit {
                Permit::Yes if appends => head.headers().append_said(Name::new(&name), change.value.clone()),
                Permit::Yes => head.set(&name, change.value.clone()),
                Permit::No => rejected.inc(),
                Permit::Error => return reject(format!("Invalid attempt to modify {name}")),
            }
        }
        let pseudo = if matches!(head, Head::Request(_)) { 4 } else { 1 };
        let headers = head.headers();
        let (count, octets) = (headers.len() + pseudo, headers.octets());
        let largest = limits.max_request_headers;
        if count > most || octets > u64::from(largest) {
            return reject(format!(
                "Header mutation causes end result header count {count} or header size {octets} bytes, exceeding the count limit {most} or the size limit {} kilobytes",
                largest / 1024
            ));
        }
        Ok(())
    }

    fn may_remove(&self, name: &str) -> Permit {
        if is_routing(name) { refused(&self.config.rules) } else { permits(Some(&self.config.rules), name) }
    }

    fn may_set(&self, name: &str, value: &[u8], appends: bool) -> Permit {
        let sound = match name {
            ":status" => status_of(value).is_some(),
            ":scheme" => matches!(value, b"http" | b"https"),
            ":method" => is_name(value),
            _ => true,
        };
        // There is one of each of those.
        if !sound || (appends && is_routing(name)) {
            return refused(&self.config.rules);
        }
        permits(Some(&self.config.rules), name)
    }
}

/// Whether a value is added beside those that are there; `None`: nothing is to be done.
fn appends(head: &mut Head<'_>, name: &str, change: &HeaderChange) -> Result<Option<bool>, String> {
    let action = match (change.append, change.action) {
        (Some(append), _) => return Ok(Some(append)),
        (None, Some(action)) => action,
        (None, None) => return Err(format!("Invalid append_action value {name}")),
    };
    let is_there = head.contains(name);
    Ok(match action {
        // What is not set means for a processor that it comes in the place of what is there.
        AppendAction::AppendOrAdd | AppendAction::OverwriteOrAdd => Some(false),
        AppendAction::AddIfAbsent => (!is_there).then_some(false),
        AppendAction::OverwriteIfExists => is_there.then_some(false),
    })
}

/// A name, perhaps of those with a colon; lower case.
fn is_said_name(name: &str) -> bool {
    is_name(name.strip_prefix(':').unwrap_or(name).as_bytes())
}

fn status_of(value: &[u8]) -> Option<u16> {
    std::str::from_utf8(value).ok()?.parse().ok().filter(|status| (200..600).contains(status))
}
