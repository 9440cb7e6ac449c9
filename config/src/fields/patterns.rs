//! The regular expressions of Envoy's field rules, compiled when first needed and kept: there are few.

use std::collections::BTreeMap;
use std::sync::Mutex;

use regex::Regex;

/// Names and values of headers (`well_known_regex`), strict and lenient.
pub(super) const HEADER_NAME: &str = "^:?[0-9a-zA-Z!#$%&'*+-.^_|~`]+$";
pub(super) const HEADER_VALUE: &str = "^[^\u{0}-\u{8}\u{a}-\u{1f}\u{7f}]*$";

pub(super) const HEADER_LENIENT: &str = "^[^\u{0}\u{a}\u{d}]*$";

/// Whether the whole of `text` matches. A pattern that this engine does not take matches everything: it is Envoy's own, and
/// `every_pattern_of_envoys_files_compiles` holds that there is none.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    static COMPILED: Mutex<BTreeMap<String, Option<Regex>>> = Mutex::new(BTreeMap::new());
    let mut compiled = COMPILED.lock().unwrap_or_else(|broken| broken.into_inner());
    if !compiled.contains_key(pattern) {
        compiled.insert(pattern.to_owned(), compile(pattern));
    }
    compiled.get(pattern).and_then(Option::as_ref).is_none_or(|regex| regex.is_match(text))
}

pub(super) fn compile(pattern: &str) -> Option<Regex> {
    Regex::new(&format!("^(?:{pattern})$")).ok()
}
