//! Numbers and texts of expressions, from how they are written to what they are. Called by the parser.

use envoy_types::pb::google::api::expr::v1alpha1::constant::ConstantKind as Constant;

/// A number, perhaps with a minus.
pub(super) fn number(written: &str) -> Result<Constant, String> {
    let beyond = || format!("{written} is beyond what a number of its type can be");
    if let Some(whole) = written.strip_suffix(['u', 'U']) {
        let value = match whole.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16),
            None => whole.parse(),
        };
        return value.map(Constant::Uint64Value).map_err(|_| beyond());
    }
    let (sign, digits) = match written.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", written),
    };
    if let Some(hex) = digits.strip_prefix("0x") {
        return i64::from_str_radix(&format!("{sign}{hex}"), 16).map(Constant::Int64Value).map_err(|_| beyond());
    }
    if written.contains(['.', 'e', 'E']) {
        return written.parse().map(Constant::DoubleValue).map_err(|_| beyond());
    }
    written.parse().map(Constant::Int64Value).map_err(|_| beyond())
}

/// A text or octets, with quotes and what stands before them.
pub(super) fn text(written: &str) -> Result<Constant, String> {
    let (is_octets, rest) = match written.strip_prefix(['b', 'B']) {
        Some(rest) => (true, rest),
        None => (false, written),
    };
    let (is_raw, rest) = match rest.strip_prefix(['r', 'R']) {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let quotes = if rest.starts_with("'''") || rest.starts_with("\"\"\"") { 3 } else { 1 };
    let inside = rest.get(quotes..rest.len() - quotes).unwrap_or_default();
    let mut out = Out { octets: Vec::with_capacity(inside.len()), is_octets };
    let mut rest = inside;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        match letter {
            '\\' if !is_raw => rest = out.escape(rest)?,
            letter => out.letter(letter),
        }
    }
    match is_octets {
        true => Ok(Constant::BytesValue(out.octets)),
        false => String::from_utf8(out.octets).map(Constant::StringValue).map_err(|_| "is no text".to_owned()),
    }
}

struct Out {
    octets: Vec<u8>,
    is_octets: bool,
}

impl Out {
    fn letter(&mut self, letter: char) {
        self.octets.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// What stands behind a backslash; gives what follows that.
    fn escape<'t>(&mut self, rest: &'t str) -> Result<&'t str, String> {
        let Some(sign) = rest.chars().next() else { return Err("ends in a backslash".to_owned()) };
        let after = &rest[sign.len_utf8()..];
        let plain = match sign {
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'v' => 11,
            '\\' | '?' | '"' | '\'' | '`' => sign as u8,
            'x' | 'X' => return self.coded(rest, after, 2, 16),
            'u' => return self.coded(rest, after, 4, 16),
            'U' => return self.coded(rest, after, 8, 16),
            '0'..='3' => return self.coded(rest, rest, 3, 8),
            _ => return Err(format!("\\{sign} stands for nothing")),
        };
        self.octets.push(plain);
        Ok(after)
    }

    /// A letter, or an octet, by its number.
    fn coded<'t>(&mut self, rest: &str, digits: &'t str, length: usize, radix: u32) -> Result<&'t str, String> {
        let wrong = || format!("\\{} stands for no letter", rest.chars().take(length + 1).collect::<String>());
        let number = digits.get(..length).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_alphanumeric()));
        let number = number.and_then(|number| u32::from_str_radix(number, radix).ok()).ok_or_else(wrong)?;
        match (self.is_octets, length) {
            (true, 2 | 3) => self.octets.push(u8::try_from(number).map_err(|_| wrong())?),
            (true, _) => return Err("\\u cannot be used in octets".to_owned()),
            (false, _) => self.letter(char::from_u32(number).ok_or_else(wrong)?),
        }
        Ok(&digits[length..])
    }
}
