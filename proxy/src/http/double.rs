//! Numbers that clients write in texts. Called by filters that make metadata of them, and by rate limits. Read as Envoy reads them
//! (`absl::SimpleAtod`), for a rule may compare what is read: what Envoy takes for a number is one here.

/// The number: decimal, hexadecimal (`0x1.8p1`), `inf`, `nan` or `nan(…)` in any case; white space around it counts for nothing.
pub(super) fn parse(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text.trim_ascii()).ok()?;
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let value = match unsigned.get(..2) {
        Some("0x" | "0X") => hexadecimal(&unsigned.as_bytes()[2..])?,
        _ if is_named_nan(unsigned) => f64::NAN,
        _ if unsigned.starts_with(['-', '+']) => return None,
        _ => unsigned.parse().ok()?,
    };
    Some(if negative { -value } else { value })
}

fn is_named_nan(text: &str) -> bool {
    let inner =
        text.get(..4).filter(|start| start.eq_ignore_ascii_case("nan(")).and_then(|_| text[4..].strip_suffix(')'));
    inner.is_some_and(|inner| inner.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_'))
}

fn hexadecimal(text: &[u8]) -> Option<f64> {
    let (digits, exponent) = match text.iter().position(|octet| matches!(octet, b'p' | b'P')) {
        Some(place) => (&text[..place], exponent(&text[place + 1..])?),
        None => (text, 0),
    };
    let (mut value, mut scale, mut seen, mut fraction) = (0u64, 0i64, false, false);
    for octet in digits {
        if *octet == b'.' && !fraction {
            fraction = true;
            continue;
        }
        let digit = u64::from(char::from(*octet).to_digit(16)?);
        seen = true;
        let fits = value >> 59 == 0;
        // What does not fit only says whether it is nothing.
        value = if fits { value << 4 | digit } else { value | u64::from(digit != 0) };
        scale += i64::from(!fits) * 4 - i64::from(fraction) * 4;
    }
    seen.then(|| scaled(value as f64, scale.saturating_add(exponent)))
}

fn exponent(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let sign = if text[0] == b'-' { -1 } else { 1 };
    // More than anything can be scaled by.
    let size = digits.iter().fold(0i64, |sum, digit| (sum * 10 + i64::from(digit - b'0')).min(1 << 20));
    Some(sign * size)
}

/// Times a power of two, in steps that are numbers themselves.
fn scaled(mut value: f64, power: i64) -> f64 {
    let mut left = power.clamp(-4096, 4096);
    while left != 0 {
        let step = left.clamp(-1000, 1000);
        value *= 2f64.powi(step as i32);
        left -= step;
    }
    value
}

#[cfg(test)]
mod tests;
