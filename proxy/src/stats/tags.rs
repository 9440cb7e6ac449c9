//! Tag extraction: parts of a raw name that become Prometheus labels. Envoy's own tags, then the bootstrap's `stats_tags`.

mod defaults;

use std::borrow::Cow;
use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder};

use self::defaults::DEFAULTS;
use super::sample::Tagged;
use super::settings::StatsSettings;

/// All extractors, in the order in which their tags are shown.
pub struct Extraction {
    /// What all names have.
    fixed: Vec<(String, String)>,
    extractors: Vec<Extractor>,
}

struct Extractor {
    tag: String,
    /// First token of the names that it can match, when its expression fixes it.
    prefix: Option<String>,
    /// What the names that it can match have somewhere.
    holds: &'static str,
    /// A value that is none.
    never: Option<&'static str>,
    regex: Regex,
}

impl Extraction {
    /// Compiles. An expression that this engine cannot take is told in the log, and its tag is not extracted.
    pub fn compile(settings: &StatsSettings) -> Extraction {
        let is_wanted = |tag: &str| settings.default_tags || settings.named.iter().any(|named| **named == *tag);
        let own = DEFAULTS.iter().filter(|own| is_wanted(own.tag));
        let own = own.map(|own| (own.tag, own.expression(), own.holds, own.never));
        let given = settings.tags.iter().map(|(tag, regex)| (&**tag, Cow::Borrowed(&**regex), "", None));
        let mut extractors = Vec::new();
        for (tag, regex, holds, never) in own.chain(given) {
            match compile(&regex) {
                Ok(compiled) => {
                    let prefix = prefix(&regex);
                    extractors.push(Extractor { tag: tag.into(), prefix, holds, never, regex: compiled });
                }
                Err(reason) => tracing::warn!("stats_tags: tag {tag} is not extracted: {reason}"),
            }
        }
        // As Envoy: those that can match any name come first.
        extractors.sort_by_key(|extractor| extractor.prefix.is_some());
        let fixed = settings.fixed.iter().map(|(tag, value)| (tag.to_string(), value.to_string())).collect();
        Extraction { fixed, extractors }
    }

    /// A name whose tags its maker gave, and those that all have.
    pub fn completed(&self, tagged: &Tagged) -> Tagged {
        let mut whole = Tagged { name: tagged.name.clone(), tags: self.fixed.clone() };
        whole.tags.extend(tagged.tags.iter().cloned());
        whole
    }

    /// The name without what became tags, and the tags.
    pub fn extract(&self, name: &str) -> Tagged {
        let mut removed: Vec<Range<usize>> = Vec::new();
        let mut tags = self.fixed.clone();
        for extractor in &self.extractors {
            if tags.iter().any(|(tag, _)| *tag == extractor.tag) {
                continue;
            }
            if let Some((gone, value)) = extractor.find(name) {
                tags.push((extractor.tag.clone(), name[value].to_owned()));
                removed.push(gone);
            }
        }
        Tagged { name: without(name, removed), tags }
    }
}

impl Extractor {
    /// What goes, and what the value is.
    fn find(&self, name: &str) -> Option<(Range<usize>, Range<usize>)> {
        if let Some(prefix) = &self.prefix
            && !name.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('.'))
        {
            return None;
        }
        if !name.contains(self.holds) {
            return None;
        }
        let groups = self.regex.captures(name.as_bytes())?;
        let gone = groups.get(1)?.range();
        let value = groups.get(2).map_or(gone.clone(), |group| group.range());
        // Names are text, but an expression counts octets.
        name.get(gone.clone())?;
        (name.get(value.clone()).is_some_and(|text| Some(text) != self.never)).then_some((gone, value))
    }
}

/// Cuts ranges out of a name; they may overlap.
fn without(name: &str, mut removed: Vec<Range<usize>>) -> String {
    removed.sort_by_key(|range| range.start);
    let mut kept = String::with_capacity(name.len());
    let mut at = 0;
    for range in removed {
        if range.start > at {
            kept.push_str(&name[at..range.start]);
        }
        at = at.max(range.end);
    }
    kept.push_str(&name[at..]);
    kept
}

fn compile(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(&translate(text)?).unicode(false).build().map_err(|error| {
        format!("`{text}`: {}", error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: "))
    })
}

/// These expressions are ECMAScript's. A look-ahead for one plain character before something that matches anything (`(?=\.).*?`) only
/// tells which names are worth a try, which [`prefix`] obeys; any other is beyond this engine.
fn translate(text: &str) -> Result<Cow<'_, str>, String> {
    let mut translated = Cow::Borrowed(text);
    while let Some(start) = translated.find("(?=") {
        let inside = &translated[start + 3..];
        let length = if inside.starts_with('\\') { 2 } else { 1 };
        let after = inside.get(length..).and_then(|rest| rest.strip_prefix(')'));
        match after {
            Some(after) if after.starts_with(".*") || after.starts_with(inside.get(..length).unwrap_or_default()) => {
                translated = Cow::Owned(format!("{}{after}", &translated[..start]));
            }
            _ => return Err(format!("`{text}`: look-ahead is not supported here")),
        }
    }
    Ok(translated)
}

/// The first token that the expression asks for: `^listener\.…` or `^listener(?=\.)…`.
fn prefix(text: &str) -> Option<String> {
    let rest = text.strip_prefix('^')?;
    let end = rest.find(|character: char| !character.is_ascii_alphanumeric() && character != '_')?;
    let after = &rest[end..];
    (end > 0 && (after.starts_with("\\.") || after.starts_with("(?=\\.)"))).then(|| rest[..end].to_owned())
}

#[cfg(test)]
mod tests;
