//! The grammar of RE2's patterns, rewritten as it is read.

use std::borrow::Cow;

use super::classes::{self, Set};
use super::{Characters, MOST_PATTERN};

/// What RE2 takes for characters beside those that there are: halves of surrogates, and what is above the last character.
const BEYOND: &str = r"(?-u:\xed[\xa0-\xbf][\x80-\xbf]|\xf4[\x90-\xbf][\x80-\xbf][\x80-\xbf])";

/// How often something may be repeated, repetitions inside of it included.
const MOST_REPEATS: u32 = 1000;

/// The pattern for the crate's byte mode.
///
/// # Errors
/// RE2's words for what it refuses.
pub(super) fn translate(pattern: &str, of: Characters) -> Result<String, String> {
    if pattern.len() > MOST_PATTERN {
        return Err(format!("the regular expression is longer than {MOST_PATTERN} octets"));
    }
    let pattern = if of == Characters::Unicode { spelt_out(pattern) } else { Cow::Borrowed(pattern) };
    let mut reader = Reader {
        of,
        rest: pattern.as_bytes(),
        out: String::with_capacity(pattern.len() + 16),
        open: vec![Group::default()],
        flags: String::new(),
    };
    reader.run().map_err(|reason| format!("not a regular expression: {reason}"))?;
    Ok(reader.out)
}

/// With an escape in place of each character that is more than an octet. Names of groups lose them; nobody asks for those.
fn spelt_out(pattern: &str) -> Cow<'_, str> {
    if pattern.is_ascii() {
        return Cow::Borrowed(pattern);
    }
    let (mut out, mut quoted, mut rest) = (String::with_capacity(pattern.len() * 2), false, pattern);
    while let Some(first) = rest.chars().next() {
        let length = match (&rest.as_bytes()[..rest.len().min(2)], quoted) {
            (br"\Q", false) | (br"\E", true) => {
                quoted = !quoted;
                2
            }
            // What is escaped ends no quotation and begins none.
            ([b'\\', next], false) if next.is_ascii() => 2,
            _ => first.len_utf8(),
        };
        match (first.is_ascii(), quoted) {
            (true, _) => out.push_str(&rest[..length]),
            (false, false) => out.push_str(&format!("\\x{{{:x}}}", u32::from(first))),
            (false, true) => out.push_str(&format!("\\E\\x{{{:x}}}\\Q", u32::from(first))),
        }
        rest = &rest[length..];
    }
    Cow::Owned(out)
}

pub(super) fn shown(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// A character as itself.
pub(super) fn literal(code: u32, out: &mut String) {
    match u8::try_from(code) {
        Ok(octet) if octet.is_ascii_alphanumeric() => out.push(char::from(octet)),
        Ok(octet) => out.push_str(&format!("\\x{octet:02x}")),
        Err(_) => out.push_str(&format!("\\x{{{code:x}}}")),
    }
}

/// A group that is open; the first one is the pattern.
#[derive(Default)]
struct Group {
    /// Most repeats of anything in it but the last atom.
    most: u32,
    /// Repeats of the last atom; `None` where a repetition would have nothing to repeat.
    last: Option<u32>,
}

struct Reader<'a> {
    of: Characters,
    rest: &'a [u8],
    out: String,
    open: Vec<Group>,
    /// Settings of flags that are not written yet: a repetition after them is of what stands before them.
    flags: String,
}

impl<'a> Reader<'a> {
    fn run(&mut self) -> Result<(), String> {
        let whole = self.rest;
        let mut stacked: Option<&'a [u8]> = None;
        while let [octet, tail @ ..] = self.rest {
            let before = self.rest;
            let mut repeated = None;
            match octet {
                b'(' => self.group()?,
                b')' if self.open.len() > 1 => self.close(),
                b')' => return Err(format!("unexpected ): {}", shown(whole))),
                b'|' => {
                    self.write_flags();
                    self.out.push('|');
                    self.end_atom();
                    self.group_mut().last = None;
                    self.rest = tail;
                }
                b'*' | b'+' | b'?' => {
                    self.rest = tail;
                    repeated = Some(self.repeat(before, stacked, None)?);
                }
                b'{' => match self.counted()? {
                    Some(bounds) => repeated = Some(self.repeat(before, stacked, Some(bounds))?),
                    None => {
                        self.rest = tail;
                        self.atom(|out| literal(b'{'.into(), out));
                    }
                },
                b'[' => {
                    let (class, rest) = classes::bracketed(self.rest, self.of)?;
                    self.rest = rest;
                    self.set(class.starts_with("[^"), &class);
                }
                b'\\' => self.escape()?,
                b'.' => {
                    self.rest = tail;
                    self.set(true, ".");
                }
                b'^' | b'$' => {
                    self.rest = tail;
                    self.atom(|out| out.push(char::from(*octet)));
                }
                _ => {
                    self.rest = tail;
                    self.atom(|out| literal((*octet).into(), out));
                }
            }
            stacked = repeated;
        }
        self.write_flags();
        if self.open.len() > 1 { Err(format!("missing ): {}", shown(whole))) } else { Ok(()) }
    }

    fn group_mut(&mut self) -> &mut Group {
        // The first one is never closed.
        self.open.last_mut().expect("the pattern's own group is open")
    }

    /// What was the last atom can be repeated no more.
    fn end_atom(&mut self) {
        let group = self.group_mut();
        group.most = group.most.max(group.last.unwrap_or(1));
    }

    fn write_flags(&mut self) {
        self.out.push_str(&std::mem::take(&mut self.flags));
    }

    fn atom(&mut self, write: impl FnOnce(&mut String)) {
        self.write_flags();
        self.end_atom();
        self.group_mut().last = Some(1);
        write(&mut self.out);
    }

    /// A set of characters; `open`: of all but some.
    fn set(&mut self, open: bool, class: &str) {
        let beyond = open && self.of == Characters::Unicode;
        self.atom(|out| out.push_str(&if beyond { format!("(?:{class}|{BEYOND})") } else { class.to_owned() }));
    }

    fn close(&mut self) {
        self.write_flags();
        self.end_atom();
        let inside = self.open.pop().map_or(1, |group| group.most);
        self.end_atom();
        self.group_mut().last = Some(inside);
        self.out.push(')');
        self.rest = &self.rest[1..];
    }

    /// `(`, `(?:`, `(?flags:`, `(?flags)`, `(?P<name>` or `(?<name>`. Names are checked and left out: nobody asks for a group by name.
    fn group(&mut self) -> Result<(), String> {
        let Some(inside) = self.rest.strip_prefix(b"(?") else {
            self.rest = &self.rest[1..];
            self.begin("(");
            return Ok(());
        };
        if let Some(named) = inside.strip_prefix(b"P").or(Some(inside)).filter(|rest| rest.starts_with(b"<"))
            && !inside.starts_with(b"<=")
            && !inside.starts_with(b"<!")
        {
            let end = named.iter().position(|octet| *octet == b'>');
            let name = end.map_or(&[][..], |end| &named[1..end]);
            if name.is_empty() || !name.iter().all(names_group) {
                let shown_to = end.map_or(self.rest.len(), |end| self.rest.len() - named.len() + end + 1);
                return Err(format!("invalid named capture group: {}", shown(&self.rest[..shown_to])));
            }
            self.rest = &named[name.len() + 2..];
            self.begin("(");
            return Ok(());
        }
        self.flags(inside)
    }

    fn begin(&mut self, text: &str) {
        self.write_flags();
        self.out.push_str(text);
        self.open.push(Group::default());
    }

    fn flags(&mut self, inside: &'a [u8]) -> Result<(), String> {
        let (mut negated, mut said) = (false, false);
        for (index, octet) in inside.iter().enumerate() {
            let so_far = || shown(&self.rest[..index + 3]);
            match octet {
                b'i' | b'm' | b's' | b'U' => said = true,
                b'-' if !negated => (negated, said) = (true, false),
                b')' | b':' if !negated || said => {
                    let text = shown(&inside[..index]);
                    self.rest = &inside[index + 1..];
                    match octet {
                        b':' => self.begin(&format!("(?{text}:")),
                        _ if text.is_empty() => {}
                        _ => self.flags.push_str(&format!("(?{text})")),
                    }
                    return Ok(());
                }
                _ => return Err(format!("invalid perl operator: {}", so_far())),
            }
        }
        Err(format!("missing ): {}", shown(self.rest)))
    }

    /// A repetition that begins at `before`, behind which the rest is already, and `?` if it follows.
    fn repeat(
        &mut self,
        before: &'a [u8],
        stacked: Option<&'a [u8]>,
        bounds: Option<(u32, Option<u32>)>,
    ) -> Result<&'a [u8], String> {
        let sign = &before[..before.len() - self.rest.len()];
        let Some(last) = self.group_mut().last else {
            return Err(format!("no argument for repetition operator: {}", shown(sign)));
        };
        if let Some(rest) = self.rest.strip_prefix(b"?") {
            self.rest = rest;
        }
        let whole = &before[..before.len() - self.rest.len()];
        if let Some(stacked) = stacked {
            let both = &stacked[..stacked.len() - self.rest.len()];
            return Err(format!("bad repetition operator: {}", shown(both)));
        }
        if let Some((least, most)) = bounds {
            let times = most.unwrap_or(least);
            let repeats = if times > 0 { last.saturating_mul(times) } else { last };
            let large = least > MOST_REPEATS || times > MOST_REPEATS || times < least;
            if large || (times >= 2 && repeats > MOST_REPEATS) {
                return Err(format!("invalid repetition size: {}", shown(sign)));
            }
            self.group_mut().last = Some(repeats);
        }
        self.out.push_str(&shown(whole));
        Ok(before)
    }

    /// `{n}`, `{n,}` or `{n,m}`; `None`, and nothing read, where it is something else.
    fn counted(&mut self) -> Result<Option<(u32, Option<u32>)>, String> {
        let Some(end) = self.rest.iter().position(|octet| *octet == b'}') else { return Ok(None) };
        let inside = &self.rest[1..end];
        let bounds = match inside.iter().position(|octet| *octet == b',') {
            None => number(inside).map(|times| (times, Some(times))),
            Some(comma) => match (number(&inside[..comma]), &inside[comma + 1..]) {
                (Some(least), []) => Some((least, None)),
                (Some(least), most) => number(most).map(|most| (least, Some(most))),
                (None, _) => None,
            },
        };
        if bounds.is_some() {
            self.rest = &self.rest[end + 1..];
        }
        Ok(bounds)
    }

    fn escape(&mut self) -> Result<(), String> {
        let [_, octet, tail @ ..] = self.rest else { return Err(r"trailing \".to_owned()) };
        match octet {
            b'A' | b'z' | b'b' | b'B' => {
                self.rest = tail;
                // Words are ASCII's whatever the characters.
                let text = format!("\\{}", char::from(*octet));
                let bounds = self.of == Characters::Unicode && matches!(octet, b'b' | b'B');
                self.atom(|out| out.push_str(&if bounds { format!("(?-u:{text})") } else { text }));
            }
            b'C' => {
                self.rest = tail;
                self.atom(|out| out.push_str(r"(?-u:[\x00-\xff])"));
            }
            b'Q' => {
                let end = tail.windows(2).position(|pair| pair == br"\E");
                let (quoted, rest) = end.map_or((tail, &[][..]), |end| (&tail[..end], &tail[end + 2..]));
                self.rest = rest;
                quoted.iter().for_each(|octet| self.atom(|out| literal((*octet).into(), out)));
            }
            _ => match Set::read(self.rest, self.of)? {
                Some((set, rest)) => {
                    self.rest = rest;
                    let mut class = String::new();
                    set.write(self.of, &mut class);
                    self.set(class.starts_with("[^"), &class);
                }
                None => {
                    let (code, rest) = classes::escaped(self.rest, self.of)?;
                    self.rest = rest;
                    self.atom(|out| literal(code, out));
                }
            },
        }
        Ok(())
    }
}

/// Letters of Latin-1, digits and `_`.
fn names_group(octet: &u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(octet, b'_' | 0xaa | 0xb5 | 0xba)
        || matches!(octet, 0xc0..=0xff if !matches!(octet, 0xd7 | 0xf7))
}

/// Digits without a zero before them; too many are none.
fn number(digits: &[u8]) -> Option<u32> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) && (digits.len() == 1 || digits[0] != b'0');
    plain.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten().filter(|number| *number < 100_000_000)
}
