//! The lines of one message while its header block is decoded. Filled by `hpack::decode`, taken out by `head`. There is one a connection:
//! blocks do not overlap.
//!
//! Literal text is collected in one buffer and becomes one piece of memory that all values share; what comes out of a table is shared with
//! the table. What goes beyond the limits is counted and not kept.

use bytes::{Bytes, BytesMut};

use super::hpack::decode::is_in_text;
use super::hpack::{FieldName, Pseudo};
use crate::wire::headers::{Headers, Name};

/// Whether a value may stand in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sound(u8);

impl Sound {
    pub(super) const YES: Sound = Sound(0);
    const CONTROL: u8 = 1;
    const OBSOLETE: u8 = 2;

    /// RFC 9110 section 5.5: no control characters but the tabulator.
    pub(super) fn of(value: &[u8]) -> Sound {
        let mut control = false;
        let mut obsolete = false;
        // Without branches, so that the compiler takes many octets at a time.
        for octet in value {
            control |= (*octet < 0x20) & (*octet != b'\t') | (*octet == 0x7f);
            obsolete |= *octet >= 0x80;
        }
        Sound(u8::from(control) * Self::CONTROL + u8::from(obsolete) * Self::OBSOLETE)
    }
}

impl Sound {
    pub(super) fn has_control(self) -> bool {
        self.0 & Sound::CONTROL != 0
    }
}

type Span = std::ops::Range<usize>;

#[derive(Debug, Clone)]
enum Value {
    Absent,
    Text(Span),
    Shared(Bytes),
}

#[derive(Debug)]
enum LineName {
    Name(Name),
    Text(Span),
}

/// See above.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) text: BytesMut,
    pseudo: [Value; Pseudo::COUNT],
    list: Vec<(LineName, Value)>,
    max_octets: usize,
    max_count: usize,
    octets: usize,
    count: usize,
    /// Lines of a cookie.
    crumbs: usize,
    /// Something that no message may have.
    malformed: bool,
    obsolete_text: bool,
}

impl Lines {
    pub(super) fn new(max_octets: usize, max_count: usize) -> Lines {
        Lines {
            text: BytesMut::new(),
            pseudo: [const { Value::Absent }; Pseudo::COUNT],
            list: Vec::new(),
            max_octets,
            max_count,
            octets: 0,
            count: 0,
            crumbs: 0,
            malformed: false,
            obsolete_text: false,
        }
    }

    /// A field whose value a table holds.
    pub(super) fn shared(&mut self, name: &FieldName, value: &Bytes, sound: Sound) {
        self.judge(sound);
        match name {
            FieldName::Unfit => self.malformed = true,
            FieldName::Pseudo(pseudo) if self.admit(pseudo.text().len() + value.len(), false) => {
                self.keep_pseudo(*pseudo, Value::Shared(value.clone()));
            }
            FieldName::Header(name) if self.admit(name.as_bytes().len() + value.len(), *name == Name::COOKIE) => {
                self.list.push((LineName::Name(name.clone()), Value::Shared(value.clone())));
            }
            _ => {}
        }
    }

    /// A field whose value is the text from `middle` on; if its name is text, too, that is what stands before.
    pub(super) fn literal(&mut self, name: FieldName, begin: usize, middle: usize, sound: Sound) {
        self.judge(sound);
        let end = self.text.len();
        match name {
            FieldName::Unfit => self.malformed = true,
            FieldName::Pseudo(pseudo) if self.admit(pseudo.text().len() + end - middle, false) => {
                return self.keep_pseudo(pseudo, Value::Text(middle..end));
            }
            FieldName::Header(name) => {
                let in_text = is_in_text(&name);
                let name_length = if in_text { middle - begin } else { name.as_bytes().len() };
                if self.admit(name_length + end - middle, name == Name::COOKIE) {
                    let name = if in_text { LineName::Text(begin..middle) } else { LineName::Name(name) };
                    self.list.push((name, Value::Text(middle..end)));
                    return;
                }
            }
            FieldName::Pseudo(_) => {}
        }
        self.text.truncate(begin);
    }

    fn judge(&mut self, sound: Sound) {
        self.malformed |= sound.has_control();
        self.obsolete_text |= sound.0 & Sound::OBSOLETE != 0;
    }

    /// Counts a line. False when it is beyond the limits, and need not be kept.
    fn admit(&mut self, octets: usize, crumb: bool) -> bool {
        self.octets = self.octets.saturating_add(octets);
        self.count += 1;
        self.crumbs += usize::from(crumb);
        !self.is_over()
    }

    fn keep_pseudo(&mut self, pseudo: Pseudo, value: Value) {
        let place = &mut self.pseudo[pseudo as usize];
        self.malformed |= !matches!(place, Value::Absent) || !self.list.is_empty();
        *place = value;
    }

    /// More than the limits allow.
    pub(super) fn is_over(&self) -> bool {
        self.is_long() || self.count > self.max_count
    }

    /// More octets than they allow.
    pub(super) fn is_long(&self) -> bool {
        self.octets > self.max_octets
    }

    /// No field has come yet.
    #[cfg(any(test, fuzzing))]
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0 && !self.malformed
    }

    /// There is what no message may have (RFC 9113 section 8.2).
    pub(super) fn is_malformed(&self) -> bool {
        self.malformed
    }

    /// A value has octets above 0x7f.
    pub(super) fn has_obsolete_text(&self) -> bool {
        self.obsolete_text
    }

    /// The names are looked at, one by one.
    pub(super) fn any_name(&self, mut is: impl FnMut(&[u8]) -> bool) -> bool {
        self.list.iter().any(|(name, _)| match name {
            LineName::Name(name) => is(name.as_bytes()),
            LineName::Text(span) => is(&self.text[span.clone()]),
        })
    }

    /// The text becomes memory of the message's own.
    pub(super) fn freeze(&self) -> Bytes {
        Bytes::copy_from_slice(&self.text)
    }

    pub(super) fn has(&self, pseudo: Pseudo) -> bool {
        !matches!(self.pseudo[pseudo as usize], Value::Absent)
    }

    pub(super) fn has_pseudo(&self) -> bool {
        self.pseudo.iter().any(|value| !matches!(value, Value::Absent))
    }

    /// A pseudo-header's value, to be looked at.
    pub(super) fn look(&self, pseudo: Pseudo) -> &[u8] {
        match &self.pseudo[pseudo as usize] {
            Value::Absent => &[],
            Value::Text(span) => &self.text[span.clone()],
            Value::Shared(bytes) => bytes,
        }
    }

    /// Octets of all names and values, if they are those of the message that is made of them.
    pub(super) fn octets(&self) -> Option<u64> {
        (self.crumbs < 2).then_some(self.octets as u64)
    }

    /// A pseudo-header's value; `text` is what was frozen.
    pub(super) fn pseudo(&self, pseudo: Pseudo, text: &Bytes) -> Bytes {
        value(&self.pseudo[pseudo as usize], text)
    }

    /// The headers for which `keep` is true, cookies last (as Envoy has them) and in one line (RFC 9113 section 8.2.3).
    pub(super) fn headers(&self, text: &Bytes, mut keep: impl FnMut(&Name, &Bytes) -> bool) -> Headers {
        let mut headers = Headers::with_capacity(self.list.len() + ROOM);
        let mut cookie: Option<Bytes> = None;
        for (name, line) in &self.list {
            let name = match name {
                LineName::Name(name) => name.clone(),
                LineName::Text(span) => Name::from_lower(text.slice(span.clone())),
            };
            let value = trimmed(value(line, text));
            if !keep(&name, &value) {
                continue;
            }
            if name != Name::COOKIE {
                headers.append(name, value);
            } else if self.crumbs == 1 {
                cookie = Some(value);
            } else if cookie.is_none() {
                cookie = Some(self.crumbs(text));
            }
        }
        if let Some(cookie) = cookie {
            headers.append(Name::COOKIE, cookie);
        }
        headers
    }

    fn crumbs(&self, text: &Bytes) -> Bytes {
        let is_crumb = |(name, _): &&(LineName, Value)| matches!(name, LineName::Name(name) if *name == Name::COOKIE);
        let crumbs = self.list.iter().filter(is_crumb).map(|(_, line)| trimmed(value(line, text)));
        let mut joined = BytesMut::new();
        for crumb in crumbs {
            if !joined.is_empty() {
                joined.extend_from_slice(b"; ");
            }
            joined.extend_from_slice(&crumb);
        }
        joined.freeze()
    }

    /// For the next message.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.list.clear();
        if self.text.capacity() > KEPT {
            self.text = BytesMut::new();
        }
        if self.list.capacity() > 32 {
            self.list = Vec::new();
        }
        self.pseudo = [const { Value::Absent }; Pseudo::COUNT];
        (self.octets, self.count, self.crumbs) = (0, 0, 0);
        (self.malformed, self.obsolete_text) = (false, false);
    }
}

fn value(value: &Value, text: &Bytes) -> Bytes {
    match value {
        Value::Absent => Bytes::new(),
        Value::Text(span) => text.slice(span.clone()),
        Value::Shared(bytes) => bytes.clone(),
    }
}

/// White space around a value is none of it (RFC 9110 section 5.5). Envoy takes it, and so do we.
fn trimmed(value: Bytes) -> Bytes {
    let is_space = |octet: Option<&u8>| matches!(octet, Some(b' ' | b'\t'));
    if !is_space(value.first()) && !is_space(value.last()) {
        return value;
    }
    value.slice_ref(value.trim_ascii())
}

/// Headers that are likely to be added to a message.
const ROOM: usize = 8;
/// Octets that are kept for the next message.
const KEPT: usize = 2 * 1024;
