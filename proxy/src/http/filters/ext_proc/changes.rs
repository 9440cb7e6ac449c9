//! The processor's changes of headers and trailers, by Envoy's rules: in Envoy's order, what is removed and then what is set, and nothing of it
//! when it is more than a head may hold. Called by `answer`. Nothing that it sends is believed to be a header.

use bytes::Bytes;
use config::filters::ext_proc::BodyMode;
use config::services::ext_proc::{BodyMutation, Common, HeaderMutation};

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
    /// Trailers, or the headers of an answer of our own.
    Fields(&'h mut Headers),
}

impl Head<'_> {
    fn headers(&mut self) -> &mut Headers {
        match self {
            Head::Request(head) => &mut head.headers,
            Head::Response(head) => &mut head.headers,
            Head::Fields(headers) => headers,
        }
    }

    /// Sets a header, or one of those with a colon that this kind of head has.
    fn set(&mut self, name: &str, value: Bytes) {
        match (self, name) {
            (Head::Request(head), _) => drop(rules::set(head, name, value)),
            (Head::Response(head), ":status") => head.status = status_of(&value).unwrap_or(head.status),
            (_, name) if name.starts_with(':') => {}
            (head, name) => head.headers().set_said(Name::new(name), value),
        }
    }
}

/// Does something with a head of the stream, and with the stream.
pub(super) fn with_head<'s, T>(stream: &mut Stream<'s>, way: Way, act: impl FnOnce(&Stream<'s>, Head<'_>) -> T) -> T {
    match (way, stream.response.take()) {
        (Way::Response, Some(mut head)) => {
            let done = act(stream, Head::Response(&mut head));
            stream.response = Some(head);
            done
        }
        (_, response) => {
            stream.response = response;
            let unread = RequestHead::unread(stream.request.protocol);
            let mut head = std::mem::replace(&mut stream.request, unread);
            let done = act(stream, Head::Request(&mut head));
            stream.request = head;
            done
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
    ) -> Result<(), &'static str> {
        let (rejected, limits) = (&self.stats.rejected_header_mutations, &stream.context.manager.config);
        let most = limits.max_headers_count as usize;
        let reject = |why: &'static str| {
            rejected.inc();
            Err(why)
        };
        let (remove, set) = (mutation.remove.len(), mutation.set.len());
        if remove > most || set > most {
            return reject("header_mutation_operation_count_exceeds_limit");
        }
        for name in &mutation.remove {
            let name = name.to_ascii_lowercase();
            if !is_said_name(&name) {
                return reject("header_mutation_remove_contains_invalid_character");
            }
            match self.may_remove(&name) {
                Permit::Yes => drop(head.headers().remove(&Name::new(&name))),
                Permit::No => rejected.inc(),
                Permit::Error => return reject("header_mutation_remove_headers_failed"),
            }
        }
        for change in &mutation.set {
            let name = change.name.to_ascii_lowercase();
            if loses_length && name == "content-length" {
                continue;
            }
            if !is_said_name(&name) || !is_value(&change.value) {
                return reject("header_mutation_set_contains_invalid_character");
            }
            // As by Envoy `append_action` is not looked at.
            let appends = change.append == Some(true);
            let permit = match &*name {
                ":method" if replaces && !appends => Permit::Yes,
                name => self.may_set(name, &change.value, appends),
            };
            match permit {
                Permit::Yes if appends => head.headers().append_said(Name::new(&name), change.value.clone()),
                Permit::Yes => head.set(&name, change.value.clone()),
                Permit::No => rejected.inc(),
                Permit::Error => return reject("header_mutation_set_headers_failed"),
            }
        }
        let pseudo = if matches!(head, Head::Request(_)) { 4 } else { 1 };
        let headers = head.headers();
        let (count, octets) = (headers.len() + pseudo, headers.octets());
        let largest = limits.max_request_headers;
        if count > most || octets > u64::from(largest) {
            return reject("header_mutation_result_exceeds_limit");
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

/// A name, perhaps of those with a colon; lower case.
fn is_said_name(name: &str) -> bool {
    is_name(name.strip_prefix(':').unwrap_or(name).as_bytes())
}

fn status_of(value: &[u8]) -> Option<u16> {
    std::str::from_utf8(value).ok()?.parse().ok().filter(|status| (200..600).contains(status))
}
