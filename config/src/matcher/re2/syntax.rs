//! The grammar of RE2's patterns, rewritten as it is read.

use super::MOST_PATTERN;
use super::classes::{self, Set};

/// How often something may be repeated, repetitions inside of it included.
const MOST_REPEATS: u32 = 1000;

/// The pattern for the crate's byte mode.
///
/// # Errors
/// RE2's words for what it refuses.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    if pattern.len() > MOST_PATTERN {
        return Err(format!("the regular expression is longer than {MOST_PATTERN} octets"));
    }
    let mut reader = Reader {
        rest: pattern.as_bytes(),
        out: String::with_capacity(pattern.len() + 16),
        open: vec![Group::default()],
        flags: String::new(),
    };
    reader.run().map_err(|reason| format!("not a regular expression: {reason}"))?;
    Ok(reader.out)
}

pub(super) fn shown(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// An octet as itself.
pub(super) fn literal(octet: u8, out: &mut String) {
    if octet.is_ascii_alphanumeric() {
        out.push(char::from(octet));
    } else {
        out.push_str(&format!("\\x{octet:02x}"));
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
                        self.atom(|out| literal(b'{', out));
                    }
                },
                b'[' => {
                    let (class, rest) = classes::bracketed(self.rest)?;
                    self.rest = rest;
                    self.atom(|out| out.push_str(&class));
                }
                b'\\' => self.escape()?,
                b'.' | b'^' | b'$' => {
                    self.rest = tail;
                    self.atom(|out| out.push(char::from(*octet)));
                }
                _ => {
                    self.rest = tail;
                    self.atom(|out| literal(*octet, out));
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
                self.atom(|out| out.extend(['\\', char::from(*octet)]));
            }
            b'C' => {
                self.rest = tail;
                self.atom(|out| out.push_str(r"[\x00-\xff]"));
            }
            b'Q' => {
                let end = tail.windows(2).position(|pair| pair == br"\E");
                let (quoted, rest) = end.map_or((tail, &[][..]), |end| (&tail[..end], &tail[end + 2..]));
                self.rest = rest;
                quoted.iter().for_each(|octet| self.atom(|out| literal(*octet, out)));
            }
            _ => match Set::read(self.rest)? {
                Some((set, rest)) => {
                    self.rest = rest;
                    self.atom(|out| set.write(out));
                }
                None => {
                    let (octet, rest) = classes::escaped(self.rest)?;
                    self.rest = rest;
                    self.atom(|out| literal(octet, out));
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
