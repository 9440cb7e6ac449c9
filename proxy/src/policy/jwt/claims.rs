//! A claim, and as what it stands in a header.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use config::filters::jwt_authn::ClaimPath;
use serde_json::{Map, Value};

/// The claim that a path leads to.
pub(crate) fn claim<'c>(claims: &'c Map<String, Value>, path: &ClaimPath) -> Option<&'c Value> {
    match path {
        ClaimPath::Name(name) => walk(claims, name.split('.')),
        ClaimPath::Keys(keys) => walk(claims, keys.iter().map(|key| &**key)),
    }
}

fn walk<'c, 'k>(claims: &'c Map<String, Value>, mut keys: impl Iterator<Item = &'k str>) -> Option<&'c Value> {
    let first = claims.get(keys.next()?)?;
    keys.try_fold(first, |value, key| value.as_object()?.get(key))
}

/// A claim as Envoy writes it into a header; `None` for what it does not write. It may hold anything: whoever writes it says so.
pub(crate) fn header_text(claim: &Value) -> Option<String> {
    let text = match claim {
        Value::Null => return None,
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number_text(number.as_f64()?),
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => STANDARD.encode(json_text(claim)),
    };
    (!text.is_empty()).then_some(text)
}

/// JSON as protobuf writes it: what a browser may take for markup, or for the end of a line, is escaped.
fn json_text(value: &Value) -> String {
    let text = value.to_string();
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            // They stand in strings alone.
            '<' | '>' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            letter => out.push(letter),
        }
    }
    out
}

/// Whole numbers of 64 bits as they are, others with six digits behind the point.
fn number_text(number: f64) -> String {
    const END: f64 = 18_446_744_073_709_551_616.0;
    if (0.0..END).contains(&number) && number.fract() == 0.0 {
        (number as u64).to_string()
    } else {
        format!("{number:.6}")
    }
}
