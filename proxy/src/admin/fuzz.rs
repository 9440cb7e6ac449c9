//! What must hold for whatever stands behind `?` in a request to the admin interface. Called by the fuzz targets in `proxy/fuzz` and,
//! with mutated seeds, by `tests`; not part of the binary.

use super::query::Query;

#[cfg(test)]
mod tests;

/// A query: it is taken apart alike each time, and no name has a separator that was not escaped.
pub fn query(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let query = Query::parse(&text);
    assert!(query.pairs().len() <= text.len() + 1);
    for (name, _) in query.pairs() {
        assert!(query.has(name));
    }
    if !text.contains('%') {
        assert!(query.pairs().all(|(name, value)| !name.contains(['&', '=']) && !value.contains('&')));
    }
}
