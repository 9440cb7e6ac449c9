//! The query of an admin request. Agents write regular expressions into it as they are; only `%` followed by two hex digits is decoded.

/// Parameters in order. A name without `=` has an empty value.
#[derive(Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Takes the query apart; `+` stays a plus.
    pub fn parse(query: &str) -> Query {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let split = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        };
        Query(pairs.map(split).collect())
    }

    /// The first value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// Whether the name is there, with whatever value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All parameters.
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_write_expressions_raw() {
        let query = Query::parse(r"usedonly&filter=^(cluster_manager\.cds|listener_manager\.lds)\.(a|b)$");
        assert!(query.has("usedonly"));
        assert_eq!(query.get("filter"), Some(r"^(cluster_manager\.cds|listener_manager\.lds)\.(a|b)$"));
    }

    #[test]
    fn escapes_are_decoded_once() {
        let query = Query::parse("a=%5Ex%2b+%25zz%&b=c=d&&%61=2");
        assert_eq!(query.pairs().collect::<Vec<_>>(), [("a", "^x++%zz%"), ("b", "c=d"), ("a", "2")]);
        assert_eq!(query.get("a"), Some("^x++%zz%"));
        assert_eq!(Query::parse("x=%ff").get("x"), Some("\u{fffd}"));
    }
}
