//! Sets of characters: bracketed ones, those with letters, Unicode's (of octets as far as Latin-1 goes), and single escapes.

use super::Characters;
use super::syntax::{literal, shown};

/// RE2's names of Unicode's general categories.
const CATEGORIES: [&str; 37] = [
    "Any", "C", "Cc", "Cf", "Co", "Cs", "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N", "Nd", "Nl",
    "No", "P", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So", "Z", "Zl", "Zp", "Zs",
];

/// Scripts of four letters; the crate's short aliases of scripts have four too, and RE2 knows none of them.
const SHORT_SCRIPTS: [&str; 9] = ["Ahom", "Cham", "Kawi", "Lisu", "Modi", "Newa", "Thai", "Toto", "Yezi"];

/// POSIX names of classes.
const POSIX: [(&str, &str); 14] = [
    ("alnum", "0-9A-Za-z"),
    ("alpha", "A-Za-z"),
    ("ascii", r"\x00-\x7f"),
    ("blank", r"\t\x20"),
    ("cntrl", r"\x00-\x1f\x7f"),
    ("digit", "0-9"),
    ("graph", r"\x21-\x7e"),
    ("lower", "a-z"),
    ("print", r"\x20-\x7e"),
    ("punct", r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e"),
    ("space", r"\t\n\x0b\x0c\r\x20"),
    ("upper", "A-Z"),
    ("word", "0-9A-Za-z_"),
    ("xdigit", "0-9A-Fa-f"),
];

/// A set that has a name.
pub(super) struct Set {
    ranges: String,
    negated: bool,
}

impl Set {
    /// `\d`, `\w`, `\s`, `\p…` and their opposites; `None` where something else is escaped.
    pub fn read(rest: &[u8], of: Characters) -> Result<Option<(Set, &[u8])>, String> {
        let [b'\\', octet, tail @ ..] = rest else { return Ok(None) };
        let ranges = match octet.to_ascii_lowercase() {
            b'd' => "0-9",
            b'w' => "0-9A-Za-z_",
            b's' => r"\t\n\x0c\r\x20",
            b'p' => return unicode(rest, of).map(Some),
            _ => return Ok(None),
        };
        Ok(Some((Set { ranges: ranges.to_owned(), negated: octet.is_ascii_uppercase() }, tail)))
    }

    /// By itself, or as a class inside of a class: letter case is folded before what is negated is.
    pub fn write(&self, of: Characters, out: &mut String) {
        let all = if of == Characters::Unicode { r"\x00-\x{10ffff}" } else { r"\x00-\xff" };
        match (self.negated, self.ranges.is_empty()) {
            (false, false) => out.extend(["[", &*self.ranges, "]"]),
            (true, false) => out.extend(["[^", &*self.ranges, "]"]),
            (false, true) => out.extend(["[^", all, "]"]),
            (true, true) => out.extend(["[", all, "]"]),
        }
    }
}

/// `\pN`, `\p{Name}`, `\p{^Name}`.
fn unicode(rest: &[u8], of: Characters) -> Result<(Set, &[u8]), String> {
    let wrong = |end: usize| format!("invalid character class range: {}", shown(&rest[..end.min(rest.len())]));
    let (mut name, after) = match rest.get(2) {
        None => return Err(wrong(2)),
        Some(b'{') => {
            let end = rest.iter().position(|octet| *octet == b'}').ok_or_else(|| wrong(rest.len()))?;
            (&rest[3..end], &rest[end + 1..])
        }
        Some(_) => (&rest[2..3], &rest[3..]),
    };
    let mut negated = rest[1] == b'P';
    if let Some(plain) = name.strip_prefix(b"^") {
        (name, negated) = (plain, !negated);
    }
    let name = std::str::from_utf8(name).ok().filter(|name| is_known(name));
    let name = name.ok_or_else(|| wrong(rest.len() - after.len()))?;
    let set = regex::Regex::new(&format!(r"^\p{{{name}}}$")).map_err(|_| wrong(rest.len() - after.len()))?;
    if of == Characters::Unicode {
        return Ok((Set { ranges: format!(r"\p{{{name}}}"), negated }, after));
    }
    let inside = |octet: u8| set.is_match(char::from(octet).encode_utf8(&mut [0; 2]));
    let mut ranges = String::new();
    let mut octets = (0..=255).filter(|octet| inside(*octet)).peekable();
    while let Some(first) = octets.next() {
        let mut last = first;
        while let Some(next) = octets.next_if(|next| *next == last.wrapping_add(1)) {
            last = next;
        }
        literal(first.into(), &mut ranges);
        ranges.push('-');
        literal(last.into(), &mut ranges);
    }
    Ok((Set { ranges, negated }, after))
}

/// Whether RE2 knows that name: a category, or a script written out as Unicode does.
fn is_known(name: &str) -> bool {
    let words = || name.split('_');
    let capital = |word: &str| word.starts_with(|first: char| first.is_ascii_uppercase());
    let lower = |word: &str| word.bytes().skip(1).all(|octet| octet.is_ascii_lowercase());
    let is_script = words().all(|word| capital(word) && lower(word)) && name.len() > 2;
    CATEGORIES.contains(&name)
        || name == "Yi"
        || (is_script && (name.len() != 4 || SHORT_SCRIPTS.contains(&name)) && !is_long_category(name))
}

/// The crate's long names of categories and properties, which RE2 does not have.
fn is_long_category(name: &str) -> bool {
    regex::Regex::new(&format!(r"\p{{Script={name}}}")).is_err()
}

/// A bracketed class, from `[` to its `]`, and what follows it.
pub(super) fn bracketed(whole: &[u8], of: Characters) -> Result<(String, &[u8]), String> {
    let mut out = String::from("[");
    let mut rest = &whole[1..];
    if let Some(after) = rest.strip_prefix(b"^") {
        out.push('^');
        rest = after;
    }
    let mut first = true;
    loop {
        match rest {
            [] => return Err(format!("missing ]: {}", shown(whole))),
            [b']', tail @ ..] if !first => {
                out.push(']');
                return Ok((out, tail));
            }
            [b'[', b':', ..] if rest[2..].windows(2).any(|pair| pair == b":]") => {
                let (set, after) = posix(rest)?;
                set.write(of, &mut out);
                rest = after;
            }
            _ => {
                if let Some((set, after)) = Set::read(rest, of)? {
                    set.write(of, &mut out);
                    rest = after;
                } else {
                    rest = range(whole, rest, of, &mut out)?;
                }
            }
        }
        first = false;
    }
}

/// `[:name:]` or `[:^name:]`.
fn posix(rest: &[u8]) -> Result<(Set, &[u8]), String> {
    let end = rest[2..].windows(2).position(|pair| pair == b":]").map_or(rest.len(), |end| end + 2);
    let name = &rest[2..end];
    let (plain, negated) = name.strip_prefix(b"^").map_or((name, false), |plain| (plain, true));
    let known = POSIX.iter().find(|(known, _)| known.as_bytes() == plain);
    let (_, ranges) =
        known.ok_or_else(|| format!("invalid character class range: {}", shown(&rest[..(end + 2).min(rest.len())])))?;
    Ok((Set { ranges: (*ranges).to_owned(), negated }, &rest[end + 2..]))
}

/// One character, or two with `-` between.
fn range<'a>(whole: &[u8], rest: &'a [u8], of: Characters, out: &mut String) -> Result<&'a [u8], String> {
    let (low, after) = single(whole, rest, of)?;
    let (high, after) = match after {
        [b'-', next, ..] if *next != b']' => single(whole, &after[1..], of)?,
        _ => (low, after),
    };
    if high < low {
        let text = shown(&rest[..rest.len() - after.len()]);
        return Err(format!("invalid character class range: {text}"));
    }
    literal(low, out);
    out.push('-');
    literal(high, out);
    Ok(after)
}

fn single<'a>(whole: &[u8], rest: &'a [u8], of: Characters) -> Result<(u32, &'a [u8]), String> {
    match rest {
        [] => Err(format!("missing ]: {}", shown(whole))),
        [b'\\', ..] => escaped(rest, of),
        [octet, tail @ ..] => Ok(((*octet).into(), tail)),
    }
}

/// An escape that stands for one character.
pub(super) fn escaped(rest: &[u8], of: Characters) -> Result<(u32, &[u8]), String> {
    let wrong = |length: usize| format!("invalid escape sequence: {}", shown(&rest[..length.min(rest.len())]));
    let [b'\\', octet, tail @ ..] = rest else { return Err(r"trailing \".to_owned()) };
    let plain = match octet {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'a' => 0x07,
        b'f' => 0x0c,
        b'v' => 0x0b,
        b'x' => {
            let braced =
                tail.strip_prefix(b"{").map(|inside| inside.iter().take_while(|one| one.is_ascii_hexdigit()).count());
            return hexadecimal(tail, of).ok_or_else(|| wrong(braced.map_or(4, |digits| 3 + digits)));
        }
        b'0'..=b'7' => return octal(*octet, tail, of).ok_or_else(|| wrong(4)),
        b'_' => b'_',
        punctuation if punctuation.is_ascii() && !punctuation.is_ascii_alphanumeric() => *punctuation,
        _ => return Err(wrong(2)),
    };
    Ok((plain.into(), tail))
}

/// `41` or `{41}`.
fn hexadecimal(tail: &[u8], of: Characters) -> Option<(u32, &[u8])> {
    let (digits, after) = match tail {
        [b'{', inside @ ..] => {
            let end = inside.iter().position(|octet| *octet == b'}')?;
            (&inside[..end], &inside[end + 1..])
        }
        _ => (tail.get(..2)?, &tail[2..]),
    };
    let mut value = 0_u32;
    for digit in digits {
        value = value * 16 + char::from(*digit).to_digit(16)?;
        if value > of.last() {
            return None;
        }
    }
    (!digits.is_empty()).then_some((value, after))
}

/// One to three digits; a single one that is not zero would be a reference back.
fn octal(first: u8, tail: &[u8], of: Characters) -> Option<(u32, &[u8])> {
    let more = tail.iter().take(2).take_while(|octet| (b'0'..=b'7').contains(octet)).count();
    if first != b'0' && more == 0 {
        return None;
    }
    let digits = std::iter::once(&first).chain(&tail[..more]);
    let value = digits.fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0'));
    (value <= of.last()).then_some((value, &tail[more..]))
}
