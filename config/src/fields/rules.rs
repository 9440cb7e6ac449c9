//! Envoy's rules on the values of fields (`validate.rules` in its files), in the words of its own checks.

use std::collections::BTreeSet;
use std::fmt::{Debug, Display};

use envoy_types::pb::validate::{
    self as pb, EnumRules, FieldRules, KnownRegex, MapRules, RepeatedRules, StringRules, field_rules::Type,
    string_rules::WellKnown,
};
use prost::Message as _;

use super::patterns;
use super::wire::{self, Occurrence, Wire, kind};
use crate::proto::wkt;
use crate::rejection::{At, Rejection, listed};
use crate::schema::{Field, Message};

/// One field of each required oneof is set.
pub(super) fn oneofs(message: Message, seen: &[Occurrence<'_>], at: &At<'_>) -> Result<(), Rejection> {
    for (index, name) in message.required_oneofs().enumerate() {
        if !seen.iter().any(|one| one.field.oneof() == Some(index)) {
            let choices = message.fields().filter(|field| field.oneof() == Some(index)).map(Field::name);
            return Err(at.field(name).reject(format!("is required; set one of {}", listed(choices))));
        }
    }
    Ok(())
}

/// Checks a field that has rules; whether those of the messages below it hold as well.
pub(super) fn field<'a>(
    field: Field,
    occurrences: impl Iterator<Item = &'a Occurrence<'a>> + Clone,
    at: &At<'_>,
) -> Result<bool, Rejection> {
    let present = occurrences.clone().next().is_some();
    let Ok(rules) = FieldRules::decode(field.rules()) else { return Ok(true) };
    if field.is_choice() && !present {
        return Ok(true);
    }
    let message = rules.message.unwrap_or_default();
    let required = message.required()
        || matches!(&rules.r#type, Some(Type::Any(any)) if any.required())
        || matches!(&rules.r#type, Some(Type::Duration(duration)) if duration.required());
    if required && !present {
        return Err(at.reject("value is required; set it"));
    }
    let check = Check { field, at };
    match &rules.r#type {
        None => {}
        Some(Type::Repeated(rules)) => check.repeated(rules, occurrences)?,
        Some(Type::Map(rules)) => check.map(rules, occurrences)?,
        Some(of) => {
            // The last one counts; what is not there has the default, unless it is a choice or a message that is not made.
            let last = occurrences.last().map(|one| one.value);
            let value = match (field.message(), last) {
                (Some(_), None) => None,
                (Some(wrapper), Some(Wire::Bytes(body))) if is_wrapper(wrapper) => {
                    let inner = wire::occurrences(wrapper, body);
                    Some(inner.last().map_or(absent(wrapper.field(1)), |one| one.value))
                }
                (_, last) => Some(last.unwrap_or(absent(Some(field)))),
            };
            if let Some(value) = value {
                check.value(of, value, wrapped(field))?;
            }
        }
    }
    Ok(!message.skip())
}

fn is_wrapper(message: Message) -> bool {
    message.name().starts_with("google.protobuf.")
        && message.name().ends_with("Value")
        && message.field(1).is_some_and(|field| field.name() == "value" && field.message().is_none())
}

/// The scalar itself, or the one in a wrapper.
fn wrapped(field: Field) -> Field {
    field.message().filter(|message| is_wrapper(*message)).and_then(|message| message.field(1)).unwrap_or(field)
}

/// What proto3 takes an absent scalar for.
fn absent(field: Option<Field>) -> Wire<'static> {
    match field.map(Field::kind) {
        Some(kind::STRING | kind::BYTES) => Wire::Bytes(&[]),
        _ => Wire::Number(0),
    }
}

struct Check<'a> {
    field: Field,
    at: &'a At<'a>,
}

impl Check<'_> {
    fn fail<T>(&self, reason: impl Into<String>) -> Result<T, Rejection> {
        Err(self.at.reject(reason))
    }

    fn value(&self, rules: &Type, value: Wire<'_>, scalar: Field) -> Result<(), Rejection> {
        let number = match value {
            Wire::Number(number) => number,
            Wire::Bytes(_) => 0,
        };
        // Negative numbers are varints of 64 bits, whatever the type.
        let signed = number.cast_signed();
        let signed = if matches!(scalar.kind(), kind::SINT32 | kind::SINT64) {
            (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
        } else {
            signed
        };
        let float = match scalar.kind() {
            kind::DOUBLE => f64::from_bits(number),
            kind::FLOAT => f64::from(f32::from_bits(number as u32)),
            _ => 0.0,
        };
        macro_rules! numeric {
            ($rules:expr, $value:expr) => {{
                let rules = $rules;
                if rules.ignore_empty() && number == 0 {
                    return Ok(());
                }
                self.number(
                    $value,
                    &Range { constant: rules.r#const, lt: rules.lt, lte: rules.lte, gt: rules.gt, gte: rules.gte },
                )?;
                self.member($value, &rules.r#in, &rules.not_in)
            }};
        }
        match rules {
            Type::Uint32(rules) => numeric!(rules, number as u32),
            Type::Uint64(rules) => numeric!(rules, number),
            Type::Int32(rules) => numeric!(rules, signed as i32),
            Type::Int64(rules) => numeric!(rules, signed),
            Type::Sint32(rules) => numeric!(rules, signed as i32),
            Type::Sint64(rules) => numeric!(rules, signed),
            Type::Fixed32(rules) => numeric!(rules, number as u32),
            Type::Fixed64(rules) => numeric!(rules, number),
            Type::Sfixed32(rules) => numeric!(rules, number as i32),
            Type::Sfixed64(rules) => numeric!(rules, signed),
            Type::Double(rules) => numeric!(rules, float),
            Type::Float(rules) => numeric!(rules, float as f32),
            Type::Bool(rules) => match rules.r#const {
                Some(constant) if constant != (number != 0) => self.fail(format!("value must equal {constant}")),
                _ => Ok(()),
            },
            Type::Enum(rules) => self.enumeration(rules, signed as i32),
            Type::String(rules) => match value.bytes().map(std::str::from_utf8) {
                Some(Ok(text)) => self.string(rules, text),
                // Decoding refuses it.
                _ => Ok(()),
            },
            Type::Bytes(rules) => self.bytes(rules, value.bytes().unwrap_or_default()),
            Type::Any(rules) => self.any(rules, value.bytes().unwrap_or_default()),
            Type::Duration(rules) => self.duration(rules, value.bytes().unwrap_or_default()),
            Type::Timestamp(_) | Type::Repeated(_) | Type::Map(_) => Ok(()),
        }
    }

    fn number<N: PartialOrd + Display>(&self, value: N, range: &Range<N>) -> Result<(), Rejection> {
        match range.broken(&value) {
            None => Ok(()),
            Some(reason) => self.fail(format!("{reason}; it is {value}")),
        }
    }

    fn member<N: PartialEq + Display + Debug>(&self, value: N, one_of: &[N], none_of: &[N]) -> Result<(), Rejection> {
        let list = |list: &[N]| list.iter().map(N::to_string).collect::<Vec<_>>().join(" ");
        if !one_of.is_empty() && !one_of.contains(&value) {
            return self.fail(format!("value must be in list [{}]", list(one_of)));
        }
        if none_of.contains(&value) {
            return self.fail(format!("value must not be in list [{}]", list(none_of)));
        }
        Ok(())
    }

    fn enumeration(&self, rules: &EnumRules, number: i32) -> Result<(), Rejection> {
        if rules.r#const.is_some_and(|constant| constant != number) {
            return self.fail(format!("value must equal {}", rules.r#const()));
        }
        self.member(number, &rules.r#in, &rules.not_in)?;
        match self.field.enumeration() {
            Some(of) if rules.defined_only() && !of.defines(number) => self
                .fail(format!("value must be one of the defined enum values; {number} is none, the sender is newer")),
            _ => Ok(()),
        }
    }

    fn string(&self, rules: &StringRules, text: &str) -> Result<(), Rejection> {
        if rules.ignore_empty() && text.is_empty() {
            return Ok(());
        }
        if rules.r#const.as_deref().is_some_and(|constant| constant != text) {
            return self.fail(format!("value must equal {:?}", rules.r#const()));
        }
        self.member(text, &texts(&rules.r#in), &texts(&rules.not_in))?;
        let characters = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        self.length(characters, rules.len, rules.min_len, rules.max_len, "characters")?;
        self.length(text.len() as u64, rules.len_bytes, rules.min_bytes, rules.max_bytes, "bytes")?;
        if rules.prefix.as_deref().is_some_and(|prefix| !text.starts_with(prefix)) {
            return self.fail(format!("value does not have prefix {:?}", rules.prefix()));
        }
        if rules.suffix.as_deref().is_some_and(|suffix| !text.ends_with(suffix)) {
            return self.fail(format!("value does not have suffix {:?}", rules.suffix()));
        }
        if rules.contains.as_deref().is_some_and(|part| !text.contains(part)) {
            return self.fail(format!("value does not contain substring {:?}", rules.contains()));
        }
        if rules.not_contains.as_deref().is_some_and(|part| text.contains(part)) {
            return self.fail(format!("value contains substring {:?}", rules.not_contains()));
        }
        if let Some(pattern) = &rules.pattern {
            self.pattern(pattern, text)?;
        }
        match &rules.well_known {
            Some(WellKnown::WellKnownRegex(number)) => {
                let strict = rules.strict.unwrap_or(true);
                match KnownRegex::try_from(*number) {
                    Ok(KnownRegex::HttpHeaderName) if strict => self.pattern(patterns::HEADER_NAME, text),
                    Ok(KnownRegex::HttpHeaderValue) if strict => self.pattern(patterns::HEADER_VALUE, text),
                    Ok(KnownRegex::HttpHeaderName | KnownRegex::HttpHeaderValue) => {
                        self.pattern(patterns::HEADER_LENIENT, text)
                    }
                    _ => Ok(()),
                }
            }
            Some(WellKnown::Ip(true)) if text.parse::<std::net::IpAddr>().is_err() => {
                self.fail("value must be a valid IP Address")
            }
            Some(WellKnown::Ipv4(true)) if text.parse::<std::net::Ipv4Addr>().is_err() => {
                self.fail("value must be a valid IPv4 Address")
            }
            Some(WellKnown::Ipv6(true)) if text.parse::<std::net::Ipv6Addr>().is_err() => {
                self.fail("value must be a valid IPv6 Address")
            }
            _ => Ok(()),
        }
    }

    fn pattern(&self, pattern: &str, text: &str) -> Result<(), Rejection> {
        if patterns::matches(pattern, text) {
            return Ok(());
        }
        self.fail(format!("value does not match regex pattern {pattern:?}"))
    }

    fn bytes(&self, rules: &pb::BytesRules, bytes: &[u8]) -> Result<(), Rejection> {
        if rules.ignore_empty() && bytes.is_empty() {
            return Ok(());
        }
        self.length(bytes.len() as u64, rules.len, rules.min_len, rules.max_len, "bytes")
    }

    fn length(
        &self,
        length: u64,
        exact: Option<u64>,
        least: Option<u64>,
        most: Option<u64>,
        unit: &str,
    ) -> Result<(), Rejection> {
        let exact = exact.or(if least == most { least } else { None });
        match (exact, least, most) {
            (Some(exact), ..) if length != exact => self.fail(format!("value length must be {exact} {unit}")),
            (Some(_), ..) => Ok(()),
            (None, Some(least), Some(most)) if length < least || length > most => {
                self.fail(format!("value length must be between {least} and {most} {unit}, inclusive"))
            }
            (None, Some(least), None) if length < least => {
                self.fail(format!("value length must be at least {least} {unit}"))
            }
            (None, None, Some(most)) if length > most => {
                self.fail(format!("value length must be at most {most} {unit}"))
            }
            _ => Ok(()),
        }
    }

    fn any(&self, rules: &pb::AnyRules, bytes: &[u8]) -> Result<(), Rejection> {
        let Ok(any) = wkt::Any::decode(bytes) else { return Ok(()) };
        self.member(any.type_url.as_str(), &texts(&rules.r#in), &texts(&rules.not_in))
    }

    fn duration(&self, rules: &pb::DurationRules, bytes: &[u8]) -> Result<(), Rejection> {
        let Ok(value) = wkt::Duration::decode(bytes) else { return Ok(()) };
        const MOST: i64 = 315_576_000_000;
        if value.nanos.abs() > 999_999_999 || value.seconds.abs() > MOST {
            return self.fail("value is not a valid duration; give at most 315576000000 s and less than 10^9 ns");
        }
        let span = |value: &Option<_>| value.as_ref().map(Span::of);
        let range = Range {
            constant: span(&rules.r#const),
            lt: span(&rules.lt),
            lte: span(&rules.lte),
            gt: span(&rules.gt),
            gte: span(&rules.gte),
        };
        self.number(Span::of(&value), &range)
    }

    fn repeated<'a>(
        &self,
        rules: &RepeatedRules,
        occurrences: impl Iterator<Item = &'a Occurrence<'a>>,
    ) -> Result<(), Rejection> {
        let scalar = self.field.message().is_none() && !matches!(self.field.kind(), kind::STRING | kind::BYTES);
        let mut items: Vec<Wire<'_>> = Vec::new();
        for one in occurrences {
            match one.value {
                Wire::Bytes(bytes) if scalar && !matches!(self.field.kind(), kind::DOUBLE | kind::FLOAT) => {
                    items.extend(wire::packed(bytes).map(Wire::Number));
                }
                value => items.push(value),
            }
        }
        if rules.ignore_empty() && items.is_empty() {
            return Ok(());
        }
        self.count(items.len() as u64, rules.min_items, rules.max_items, "item")?;
        let mut seen = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            let at = self.at.index(index);
            let check = Check { field: self.field, at: &at };
            let key = match item {
                Wire::Number(number) => (*number, &[][..]),
                Wire::Bytes(bytes) => (0, *bytes),
            };
            if rules.unique() && !seen.insert(key) {
                return check.fail("repeated value must contain unique items");
            }
            if let Some(of) = rules.items.as_deref().and_then(|rules| rules.r#type.as_ref()) {
                check.value(of, *item, self.field)?;
            }
        }
        Ok(())
    }

    fn map<'a>(
        &self,
        rules: &MapRules,
        occurrences: impl Iterator<Item = &'a Occurrence<'a>>,
    ) -> Result<(), Rejection> {
        let entries: Vec<&[u8]> = occurrences.filter_map(|one| one.value.bytes()).collect();
        if rules.ignore_empty() && entries.is_empty() {
            return Ok(());
        }
        self.count(entries.len() as u64, rules.min_pairs, rules.max_pairs, "pair")?;
        let Some(entry) = self.field.message() else { return Ok(()) };
        for body in entries {
            let seen = wire::occurrences(entry, body);
            let (name, _) = wire::entry(entry, body);
            let at = self.at.key(&name);
            for (number, rules) in [(1, &rules.keys), (2, &rules.values)] {
                let (Some(field), Some(Some(of))) = (entry.field(number), rules.as_deref().map(|rules| &rules.r#type))
                else {
                    continue;
                };
                let value = seen.iter().rfind(|one| one.field.number() == number).map(|one| one.value);
                Check { field, at: &at }.value(of, value.unwrap_or(absent(Some(field))), field)?;
            }
        }
        Ok(())
    }

    fn count(&self, count: u64, least: Option<u64>, most: Option<u64>, noun: &str) -> Result<(), Rejection> {
        let least = least.filter(|least| *least > 0);
        match (least, most) {
            (Some(least), Some(most)) if least == most && count != least => {
                self.fail(format!("value must contain exactly {least} {noun}(s)"))
            }
            (Some(least), Some(most)) if count < least || count > most => {
                self.fail(format!("value must contain between {least} and {most} {noun}s, inclusive"))
            }
            (Some(least), None) if count < least => self.fail(format!("value must contain at least {least} {noun}(s)")),
            (None, Some(most)) if count > most => {
                self.fail(format!("value must contain no more than {most} {noun}(s)"))
            }
            _ => Ok(()),
        }
    }
}

fn texts(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

/// A signed duration; prints as Envoy prints it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Span(i128);

impl Span {
    fn of(duration: &wkt::Duration) -> Span {
        Span(i128::from(duration.seconds) * 1_000_000_000 + i128::from(duration.nanos))
    }
}

impl Display for Span {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sign, size) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let fraction = format!("{:09}", size % 1_000_000_000);
        let fraction = fraction.trim_end_matches('0');
        let dot = if fraction.is_empty() { "" } else { "." };
        write!(out, "{sign}{}{dot}{fraction}s", size / 1_000_000_000)
    }
}

pub(super) struct Range<N> {
    pub constant: Option<N>,
    pub lt: Option<N>,
    pub lte: Option<N>,
    pub gt: Option<N>,
    pub gte: Option<N>,
}

impl<N: PartialOrd + Display> Range<N> {
    /// In what words a value breaks it. A lower bound above the upper one turns the range inside out.
    pub(super) fn broken(&self, value: &N) -> Option<String> {
        if let Some(constant) = self.constant.as_ref().filter(|constant| *constant != value) {
            return Some(format!("value must equal {constant}"));
        }
        let low = self.gt.as_ref().map(|gt| (gt, '(')).or(self.gte.as_ref().map(|gte| (gte, '[')));
        let high = self.lt.as_ref().map(|lt| (lt, ')')).or(self.lte.as_ref().map(|lte| (lte, ']')));
        let above = |(bound, edge): (&N, char)| if edge == '(' { value > bound } else { value >= bound };
        let under = |(bound, edge): (&N, char)| if edge == ')' { value < bound } else { value <= bound };
        match (low, high) {
            (Some(low), Some(high)) if high.0 > low.0 => (!above(low) || !under(high))
                .then(|| format!("value must be inside range {}{}, {}{}", low.1, low.0, high.0, high.1)),
            (Some(low), Some(high)) => (!above(low) && !under(high)).then(|| {
                let (left, right) = (if high.1 == ')' { '[' } else { '(' }, if low.1 == '(' { ']' } else { ')' });
                format!("value must be outside range {left}{}, {}{right}", high.0, low.0)
            }),
            (None, Some(high)) if !under(high) => Some(match high.1 {
                ')' => format!("value must be less than {}", high.0),
                _ => format!("value must be less than or equal to {}", high.0),
            }),
            (Some(low), None) if !above(low) => Some(match low.1 {
                '(' => format!("value must be greater than {}", low.0),
                _ => format!("value must be greater than or equal to {}", low.0),
            }),
            _ => None,
        }
    }
}
