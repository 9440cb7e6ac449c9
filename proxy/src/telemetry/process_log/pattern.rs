//! spdlog's patterns, as Envoy's `--log-format` and `application_log_config` use them. Parsed once, written for each line.

use std::iter::Peekable;
use std::str::Chars;
use std::time::SystemTime;

use crate::telemetry::clock::{Civil, digits, fraction};

/// What a line tells.
pub struct Line<'a> {
    pub time: SystemTime,
    pub level: &'static str,
    pub logger: &'static str,
    pub file: &'a str,
    pub line: u32,
    pub message: &'a str,
}

/// A parsed pattern.
pub struct Pattern {
    pieces: Vec<Piece>,
    escaped: bool,
}

enum Piece {
    Text(String),
    Flag(char, Option<Pad>),
}

/// How wide a flag's text is at least.
struct Pad {
    width: usize,
    side: Side,
    /// It is no wider, either.
    cuts: bool,
}

/// Where the text stands.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Middle,
    Right,
}

/// spdlog's.
const WIDEST: usize = 64;

impl Pattern {
    /// Parses; a flag that is not known stays as it is written. Before it may stand a width (`%8l`, `%-8l`, `%=8l`, `%8!l`).
    pub fn parse(text: &str, escaped: bool) -> Pattern {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            if character != '%' {
                plain.push(character);
                continue;
            }
            let pad = Pad::parse(&mut characters);
            match characters.next() {
                Some('%') => plain.push('%'),
                Some(flag) => {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    pieces.push(Piece::Flag(flag, pad));
                }
                None => plain.push('%'),
            }
        }
        pieces.push(Piece::Text(plain));
        Pattern { pieces, escaped }
    }

    /// Appends a line with its end.
    pub fn write(&self, line: &Line<'_>, out: &mut Vec<u8>) {
        let civil = Civil::of(line.time);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Flag(flag, pad) => {
                    let start = out.len();
                    self.flag(*flag, line, &civil, out);
                    if let Some(pad) = pad {
                        pad.apply(out, start);
                    }
                }
            }
        }
        out.push(b'\n');
    }

    fn flag(&self, flag: char, line: &Line<'_>, civil: &Civil, out: &mut Vec<u8>) {
        match flag {
            'v' if self.escaped => escape(line.message, out),
            'v' => out.extend_from_slice(line.message.as_bytes()),
            '_' => escape(line.message, out),
            'j' => {
                let quoted = serde_json::Value::from(line.message).to_string();
                out.extend_from_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
            }
            'l' => out.extend_from_slice(line.level.as_bytes()),
            'L' => out.extend_from_slice(line.level[..1].to_ascii_uppercase().as_bytes()),
            'n' => out.extend_from_slice(line.logger.as_bytes()),
            't' => digits(out, thread_id(), 1),
            'P' => digits(out, std::process::id().into(), 1),
            'g' => out.extend_from_slice(short(line.file).as_bytes()),
            's' => out.extend_from_slice(line.file.rsplit('/').next().unwrap_or_default().as_bytes()),
            '#' => digits(out, line.line.into(), 1),
            '@' => {
                out.extend_from_slice(short(line.file).as_bytes());
                out.push(b':');
                digits(out, line.line.into(), 1);
            }
            'e' => fraction(out, civil.nanos, 3),
            'f' => fraction(out, civil.nanos, 6),
            'F' => fraction(out, civil.nanos, 9),
            'E' => digits(out, civil.unix.unsigned_abs(), 1),
            // All of it is told in UTC.
            'z' => out.extend_from_slice(b"+00:00"),
            // Marks where colour would begin and end; and a function's name, which is not known.
            '^' | '$' | '!' => {}
            _ => {
                let mut specifier = String::from('%');
                specifier.push(flag);
                crate::telemetry::clock::strftime(&specifier, line.time, out);
            }
        }
    }
}

impl Pad {
    fn parse(characters: &mut Peekable<Chars<'_>>) -> Option<Pad> {
        let side = match characters.next_if(|next| matches!(next, '-' | '=')) {
            Some('-') => Side::Left,
            Some(_) => Side::Middle,
            None => Side::Right,
        };
        let mut width = None;
        while let Some(digit) = characters.peek().and_then(|next| next.to_digit(10)) {
            characters.next();
            width = Some((width.unwrap_or(0) * 10 + digit as usize).min(WIDEST));
        }
        let width = width?;
        let cuts = characters.next_if_eq(&'!').is_some();
        Some(Pad { width, side, cuts })
    }

    /// To what was written since `start`.
    fn apply(&self, out: &mut Vec<u8>, start: usize) {
        let length = out.len() - start;
        let Some(missing) = self.width.checked_sub(length) else {
            if self.cuts {
                out.truncate(start + self.width);
            }
            return;
        };
        let before = match self.side {
            Side::Left => 0,
            Side::Middle => missing / 2,
            Side::Right => missing,
        };
        out.splice(start..start, std::iter::repeat_n(b' ', before));
        out.resize(start + self.width, b' ');
    }
}

/// Sources of libraries lie under a long path that says nothing.
fn short(file: &str) -> &str {
    match file.split_once("/registry/src/") {
        Some((_, rest)) => rest.split_once('/').map_or(rest, |(_, file)| file),
        None => file,
    }
}

fn escape(message: &str, out: &mut Vec<u8>) {
    for byte in message.bytes() {
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => out.push(other),
        }
    }
}

fn thread_id() -> u64 {
    thread_local!(static ID: u64 = rustix::thread::gettid().as_raw_nonzero().get() as u64);
    ID.with(|id| *id)
}

#[cfg(test)]
mod tests;
