//! What Envoy's messages look like, in a form that is used as it lies: names, kinds and options of every field, without
//! descriptors in memory. Read where messages are checked (`fields`, `rules`) and where secrets are kept out of dumps (`json`).
//!
//! `descriptors/schema.bin` is written by `make descriptors`; `tests/descriptors/schema.rs` describes its layout. Nothing here
//! allocates, and a number that points outside of the file is an empty answer, never a panic.

/// Numbers of `google.protobuf.FieldDescriptorProto.Type` that are told apart here.
mod kind {
    pub(super) const GROUP: u8 = 10;
    pub(super) const MESSAGE: u8 = 11;
    pub(super) const ENUM: u8 = 14;
}

static BYTES: &[u8] = include_bytes!("descriptors/schema.bin");

const MESSAGE_SIZE: usize = 20;
const FIELD_SIZE: usize = 20;
const ONEOF_SIZE: usize = 8;
const ENUM_SIZE: usize = 8;
const VALUE_SIZE: usize = 4;
const HEADER_SIZE: usize = 20;

const REPEATED: u8 = 1;
const MAP: u8 = 2;
const SENSITIVE: u8 = 4;
const CHOICE: u8 = 8;
const UNRULED: u16 = 1;

/// A message type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Message(u16);

/// A field of a message.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    record: &'static [u8],
}

/// An enum type.
#[derive(Clone, Copy)]
pub(crate) struct Enum(u16);

impl Message {
    /// The message of a full name.
    pub(crate) fn named(name: &str) -> Option<Message> {
        let (mut low, mut high) = (0, count());
        while low < high {
            let middle = low + (high - low) / 2;
            match Message(middle).name().cmp(name) {
                std::cmp::Ordering::Equal => return Some(Message(middle)),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// All of them, sorted by name.
    pub(crate) fn all() -> impl Iterator<Item = Message> {
        (0..count()).map(Message)
    }

    /// The full name.
    pub(crate) fn name(self) -> &'static str {
        let record = self.record();
        text(u32_at(record, 0), u16_at(record, 4).into())
    }

    /// Fields in their order of declaration.
    pub(crate) fn fields(self) -> impl Iterator<Item = Field> {
        let record = self.record();
        let first = u32_at(record, 8) as usize;
        let of = section(0);
        (first..first + usize::from(u16_at(record, 12)))
            .map(move |index| Field { record: record_at(of, index, FIELD_SIZE) })
    }

    /// The field of a number.
    pub(crate) fn field(self, number: u32) -> Option<Field> {
        self.fields().find(|field| field.number() == number)
    }

    /// The field of a name in either spelling: `private_key`, `privateKey`.
    pub(crate) fn field_of_json(self, name: &str) -> Option<Field> {
        self.fields().find(|field| same_name(field.name(), name))
    }

    /// Whether the rules of its fields hold.
    pub(crate) fn is_ruled(self) -> bool {
        u16_at(self.record(), 6) & UNRULED == 0
    }

    /// Names of oneofs of which one field must be set; a field's [`Field::oneof`] is an index into them.
    pub(crate) fn required_oneofs(self) -> impl Iterator<Item = &'static str> {
        let record = self.record();
        let first = u32_at(record, 16) as usize;
        let of = section(1);
        (first..first + usize::from(u16_at(record, 14))).map(move |index| {
            let record = record_at(of, index, ONEOF_SIZE);
            text(u32_at(record, 0), u32_at(record, 4) as usize)
        })
    }

    fn record(self) -> &'static [u8] {
        record_at(&BYTES[HEADER_SIZE..], self.0.into(), MESSAGE_SIZE)
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}

impl Field {
    pub(crate) fn number(self) -> u32 {
        u32_at(self.record, 0)
    }

    pub(crate) fn name(self) -> &'static str {
        text(u32_at(self.record, 4), self.octet(8).into())
    }

    /// `google.protobuf.FieldDescriptorProto.Type`.
    pub(crate) fn kind(self) -> u8 {
        self.octet(9)
    }

    pub(crate) fn is_repeated(self) -> bool {
        self.octet(10) & REPEATED != 0
    }

    pub(crate) fn is_map(self) -> bool {
        self.octet(10) & MAP != 0
    }

    /// Whether Envoy never shows what it holds (`udpa.annotations.sensitive`).
    pub(crate) fn is_sensitive(self) -> bool {
        self.octet(10) & SENSITIVE != 0
    }

    /// Whether it is one of several that exclude each other, or optional: then absent is not the default.
    pub(crate) fn is_choice(self) -> bool {
        self.octet(10) & CHOICE != 0
    }

    /// Its place among the oneofs that are required.
    pub(crate) fn oneof(self) -> Option<usize> {
        (self.octet(11) != u8::MAX).then_some(self.octet(11).into())
    }

    /// The type of a message field (of a map: of its entries).
    pub(crate) fn message(self) -> Option<Message> {
        matches!(self.kind(), kind::MESSAGE | kind::GROUP).then(|| Message(u16_at(self.record, 12)))
    }

    /// The type of an enum field.
    pub(crate) fn enumeration(self) -> Option<Enum> {
        (self.kind() == kind::ENUM).then(|| Enum(u16_at(self.record, 12)))
    }

    /// The encoded `validate.FieldRules`; empty when there are none.
    pub(crate) fn rules(self) -> &'static [u8] {
        let start = u32_at(self.record, 16) as usize;
        section(4).get(start..start + usize::from(u16_at(self.record, 14))).unwrap_or_default()
    }

    fn octet(self, at: usize) -> u8 {
        self.record.get(at).copied().unwrap_or_default()
    }
}

impl Enum {
    /// Whether a number is one of its values.
    pub(crate) fn defines(self, number: i32) -> bool {
        let record = record_at(section(2), self.0.into(), ENUM_SIZE);
        let first = u32_at(record, 0) as usize;
        let of = section(3);
        (first..first + u32_at(record, 4) as usize)
            .any(|index| u32_at(record_at(of, index, VALUE_SIZE), 0).cast_signed() == number)
    }
}

/// `private_key` is `privateKey` in JSON; both are the same name.
pub(crate) fn same_name(field: &str, given: &str) -> bool {
    if field == given {
        return true;
    }
    let mut given = given.bytes();
    let mut upper = false;
    for byte in field.bytes() {
        if byte == b'_' {
            upper = true;
            continue;
        }
        let expected = if std::mem::take(&mut upper) { byte.to_ascii_uppercase() } else { byte };
        if given.next() != Some(expected) {
            return false;
        }
    }
    given.next().is_none()
}

fn count() -> u16 {
    u16::try_from((u32_at(BYTES, 0) as usize - HEADER_SIZE) / MESSAGE_SIZE).unwrap_or_default()
}

/// Fields, oneofs, enums, values or texts, and all that follows.
fn section(number: usize) -> &'static [u8] {
    BYTES.get(u32_at(BYTES, number * 4) as usize..).unwrap_or_default()
}

fn record_at(section: &'static [u8], index: usize, size: usize) -> &'static [u8] {
    section.get(index * size..(index + 1) * size).unwrap_or_default()
}

fn text(start: u32, length: usize) -> &'static str {
    let start = start as usize;
    let bytes = section(4).get(start..start + length).unwrap_or_default();
    std::str::from_utf8(bytes).unwrap_or_default()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |number| u32::from_le_bytes(*number))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |number| u16::from_le_bytes(*number))
}

#[cfg(test)]
mod tests;
